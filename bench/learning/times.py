"""How long one inference and one choice of questions take, on faces made up for the purpose."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from vision.recognition.labelled_faces import Known, Label, Source
from vision.recognition.matching import infer
from vision.recognition.questions import choose

SIZES = (1_000, 10_000, 20_000, 100_000)
REPEATS = 5
PEOPLE = 200
CONFIRMED, REFUSED = 60, 140


def made_up(faces: int, rng: np.random.Generator) -> Known:
    """A project of PEOPLE people, a tenth of the faces the subject's, some files with two faces, 200 answers."""
    people = rng.normal(size=(PEOPLE, 128)) * 0.5 / np.sqrt(128)
    who = np.where(rng.random(faces) < 0.1, 0, rng.integers(1, PEOPLE, faces))
    encodings = (people[who] + rng.normal(size=(faces, 128)) * 0.32 / np.sqrt(128)).astype(np.float32)
    labels, sources = np.zeros(faces, np.int8), np.zeros(faces, np.int8)
    mine, others = np.flatnonzero(who == 0)[:CONFIRMED], np.flatnonzero(who)[:REFUSED]
    labels[mine], labels[others] = Label.TARGET, Label.OTHER
    sources[mine] = sources[others] = Source.HUMAN
    files = np.sort(rng.integers(0, int(faces * 0.8), faces))
    return Known(encodings, labels, sources, files, poor=rng.random(faces) < 0.05)


def measured(rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Least seconds of REPEATS, by number of faces: other work on the machine only adds to them.

    Of choosing questions the slower of a new project and a trained one.
    """
    result = {}
    for size in SIZES:
        known = made_up(size, rng)
        new = replace(known, labels=np.zeros(size, np.int8), sources=np.zeros(size, np.int8))
        choices = [_least(partial(choose, each, infer(each), np.random.default_rng(0), 10)) for each in (known, new)]
        result[str(size)] = {"inference": _least(partial(infer, known)), "questions": max(choices)}
    return result


def _least(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
