"""Made-up faces: each person is a direction, and their photographs are about as far apart as SFace's encodings are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vision.networks.sface import LENGTH
from vision.recognition.labelled_faces import Codes, Floats, Known, Label, Source

# Medians of the distance: 0.52 between two faces of one person, 0.78 between those of two people; to the centroid of five faces of
# a person 0.40 and 0.70.
ALL, BETWEEN, WITHIN = 0.1**0.5, 0.5**0.5, 0.4**0.5


def crowd(counts: Sequence[int], seed: int = 0, within: float = WITHIN) -> tuple[Known, np.ndarray]:
    """Return `counts[i]` unlabelled faces of person i, each in a file of its own, and the person of each face."""
    rng = np.random.default_rng(seed)
    people = ALL * directions(rng, 1) + BETWEEN * directions(rng, len(counts))
    who = np.repeat(np.arange(len(counts)), counts)
    encodings = of_length(people[who] + within * directions(rng, len(who)))
    return Known(encodings, *no_codes(len(who)), np.arange(len(who))), who


def directions(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return random unit vectors (n, 128)."""
    drawn = rng.normal(size=(n, 128))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def of_length(vectors: np.ndarray) -> Floats:
    """Return the vectors (..., 128) with the length of SFace's encodings."""
    return np.asarray(LENGTH * vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def at_distance(encoding: np.ndarray, distance: float, rng: np.random.Generator) -> Floats:
    """Return an encoding at this distance of another, in a random direction."""
    ahead = encoding / np.linalg.norm(encoding)
    aside = directions(rng, 1)[0]
    aside -= (aside @ ahead) * ahead
    cosine = 1 - (distance / LENGTH) ** 2 / 2
    return of_length(cosine * ahead + (1 - cosine**2) ** 0.5 * aside / np.linalg.norm(aside))


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
