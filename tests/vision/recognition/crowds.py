"""Made-up faces: each person is a point, and their photographs are about as far from it as real encodings are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vision.recognition.labelled_faces import Codes, Known, Label, Source

SIDE = np.sqrt(128)
BETWEEN, WITHIN = 0.52, 0.33


def crowd(counts: Sequence[int], seed: int = 0, within: float = WITHIN) -> tuple[Known, np.ndarray]:
    """Return `counts[i]` unlabelled faces of person i, each in a file of its own, and the person of each face."""
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(len(counts), 128)) * BETWEEN / SIDE
    who = np.repeat(np.arange(len(counts)), counts)
    encodings = (people[who] + rng.normal(size=(len(who), 128)) * within / SIDE).astype(np.float32)
    return Known(encodings, *no_codes(len(who)), np.arange(len(who))), who


def no_codes(n: int) -> tuple[Codes, Codes]:
    return np.zeros(n, np.int8), np.zeros(n, np.int8)


def with_answer(known: Known, rows: Sequence[int] | np.ndarray, label: Label, source: Source = Source.HUMAN) -> Known:
    """Return `known` with one more answer about each of `rows`."""
    labels, sources, answers = known.labels.copy(), known.sources.copy(), known.answers.copy()
    labels[rows], sources[rows] = label, source
    if source == Source.HUMAN:
        answers[rows] += 1
    return replace(known, labels=labels, sources=sources, answers=answers)


def trained(counts: Sequence[int], seed: int = 0, yes: int = 6, no: int = 4) -> tuple[Known, np.ndarray]:
    """Return a crowd in which `yes` faces of person 0 are confirmed and `no` faces of others are rejected."""
    known, who = crowd(counts, seed)
    known = with_answer(known, np.flatnonzero(who == 0)[:yes], Label.TARGET)
    return with_answer(known, np.flatnonzero(who)[:no], Label.OTHER), who
