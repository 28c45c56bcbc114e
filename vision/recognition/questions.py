"""Which faces to ask about next. `doubt` and its neighbours measure; `choose` selects. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

import numpy as np

from vision.recognition.calibration import Doubles
from vision.recognition.geometry import distances, distances_to
from vision.recognition.labelled_faces import Floats, Indices, Known, Label, Source
from vision.recognition.matching import Predictions

SAME_PHOTO = 0.15
"""Faces nearer than this to one another are asked about one at a time: the second answer would say nothing new."""
SAME_PERSON = 0.55
SAMPLE, NEIGHBOURS = 1500, 500
LIKELY = 400
SIMILAR = 3
MOST_SEEN = 256
PLAUSIBLE = 0.005
"""The least probability with which a face is worth being asked about for being unlike the others."""
DOUBTFUL = 0.08
"""In bits: a probability between 0.01 and 0.99."""
ASTRAY = 4
"""After so many "No" and no "Yes" every second question leaves the portrait, or the bootstrap, for the thickest crowd."""
CHECK_EVERY = UNSEEN_EVERY = 10
EDGE_EVERY = 5
"""One question in so many is about the claimed face that is least like those answered: if it is a double's, its others go with it.
Chosen among people whose doubles recur, where it halves the wrong ones after ten answers."""
AGAIN_EVERY = 5


class Why(StrEnum):
    FIRST = "first"
    ALIKE = "alike"
    UNSURE = "unsure"
    UNSEEN = "unseen"
    SPOT_CHECK = "spot_check"
    MISTAKEN = "mistaken"


@dataclass(frozen=True, slots=True)
class Question:
    """`face` and `similar` are rows of the project's faces; `similar` are confirmed faces, the most similar first."""

    face: int
    why: Why
    similar: tuple[int, ...] = ()


def doubt(predictions: Predictions) -> Doubles:
    """How unsure the model is of each face, 0..1: the entropy of its probability, in bits."""
    p = np.clip(predictions.probability.astype(np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def mistaken(known: Known, predictions: Predictions) -> Indices:
    """Faces whose single answer the others contradict, the least believed first. Each is asked again once."""
    single = known.human & known.encoded & (known.answers < 2) & ~known.asked
    said = (known.labels == Label.TARGET) | (known.labels == Label.OTHER)
    rows = np.flatnonzero(single & said & (predictions.trust < 0.5) & ~known.poor)
    return np.asarray(rows[np.argsort(predictions.trust[rows], kind="stable")], np.int64)


def crowd(known: Known, candidates: Indices, rng: np.random.Generator) -> Doubles:
    """How many faces look like each candidate, as a share; 0 next to a "No". The category is about the person."""
    sample = candidates if len(candidates) <= NEIGHBOURS else rng.choice(candidates, NEIGHBOURS, replace=False)
    table = distances(known.encodings[candidates], known.encodings[sample])
    near = np.exp(-((table / 0.3) ** 2)).mean(axis=1)
    refused = known.encoded & ((known.labels == Label.OTHER) | (known.labels == Label.NOT_FACE))
    if refused.any():
        apart = distances(known.encodings[candidates], known.encodings[refused][-MOST_SEEN:]).min(axis=1)
        near = np.where(apart < SAME_PERSON, 0.0, near)
    return np.asarray(near, np.float64)


def choose(known: Known, predictions: Predictions, rng: np.random.Generator, k: int = 10) -> list[Question]:
    """The next `k` questions, best first; fewer if fewer faces are left. Poor faces come last."""
    candidates = np.flatnonzero(known.open & known.encoded & ~known.asked)
    good, poor = candidates[~known.poor[candidates]], candidates[known.poor[candidates]]
    if not predictions.on:
        chosen = _start(known, predictions, good, rng, k)
        return _with_similar(known, chosen + _start(known, predictions, poor, rng, k - len(chosen)))
    again = [(int(row), Why.MISTAKEN) for row in mistaken(known, predictions)[: _some(k, AGAIN_EVERY, rng)]]
    chosen = _mixed(again + _train(known, predictions, good, rng, k - len(again)), rng)
    return _with_similar(known, chosen + _mixed(_train(known, predictions, poor, rng, k - len(chosen)), rng))


def _mixed(chosen: list[tuple[int, Why]], rng: np.random.Generator) -> list[tuple[int, Why]]:
    """The kinds interleaved by chance, each in its own order: questions are ranked anew long before the last one is asked."""
    kinds = [why for _, why in chosen]
    queues = {why: iter([row for row, kind in chosen if kind == why]) for why in kinds}
    return [(next(queues[kinds[i]]), kinds[i]) for i in rng.permutation(len(kinds))]


def spot_checks(known: Known, predictions: Predictions, rng: np.random.Generator, k: int) -> Indices:
    """`k` faces to check what the model has decided, among those not answered: see `_checks`."""
    return _checks(predictions, np.flatnonzero(known.open & known.encoded & ~known.asked), rng, k)


def _checks(predictions: Predictions, pool: Indices, rng: np.random.Generator, k: int) -> Indices:
    """Half of them the likeliest that are not claimed, half drawn at random with `check_weights`.

    Of the person's faces that the model misses most lie just beyond what it can tell: turned away, older, in a bad light.
    The others, a bystander's under the person's name say, may be anywhere.
    """
    if k <= 0 or len(pool) == 0:
        return np.zeros(0, np.int64)
    refused = pool[~predictions.matches[pool]]
    order = np.argsort(-predictions.probability[refused], kind="stable")
    likeliest = refused[order[: _some(k, 2, rng)]]
    rest = _without(pool, likeliest)
    drawn = rest[_drawn(check_weights(predictions.probability[rest]), k - len(likeliest), rng)]
    return np.concatenate((likeliest, drawn))


def check_weights(probability: Floats) -> Doubles:
    """Each face's weight in the draw of spot checks: the deviation that it adds to the estimate, sqrt(p(1-p)).

    With a floor: every face may be drawn.
    """
    p = probability.astype(np.float64)
    return np.sqrt(np.clip(p * (1 - p), 0, 1)) + 1e-3


def _drawn(weights: Doubles, k: int, rng: np.random.Generator) -> Indices:
    """`k` places drawn without replacement, in proportion to `weights` (Efraimidis and Spirakis 2006)."""
    if k <= 0 or len(weights) == 0:
        return np.zeros(0, np.int64)
    keys = rng.exponential(size=len(weights)) / weights
    first = np.argpartition(keys, min(k, len(keys)) - 1)[:k]
    return np.asarray(first[np.argsort(keys[first], kind="stable")], np.int64)


def _start(
    known: Known, predictions: Predictions, pool: Indices, rng: np.random.Generator, k: int
) -> list[tuple[int, Why]]:
    """Before the model is on: most alike to what is known, or else the middle of the thickest crowd."""
    if k <= 0 or len(pool) == 0:
        return []
    refusals = int((known.human & (known.labels == Label.OTHER)).sum()) if not known.confirmed.any() else 0
    alike: list[tuple[int, Why]] = []
    if np.isfinite(predictions.distance[pool]).any():
        score = predictions.probability[pool].astype(np.float64) - predictions.distance[pool] * 1e-3
        alike = [(row, Why.ALIKE) for row in _spread_out(known, pool, score, k)]
        if refusals < ASTRAY:
            return alike
    some = pool if len(pool) <= SAMPLE else np.sort(rng.choice(pool, SAMPLE, replace=False))
    first = [(row, Why.FIRST) for row in _spread_out(known, some, crowd(known, some, rng), k)]
    return _in_turn(first, alike) if refusals % 2 else _in_turn(alike, first)


def _in_turn(a: list[tuple[int, Why]], b: list[tuple[int, Why]]) -> list[tuple[int, Why]]:
    """One of each, without repeats, as many as the longer has."""
    kinds: dict[int, Why] = {}
    for row, why in (each for pair in zip_longest(a, b) for each in pair if each is not None):
        kinds.setdefault(row, why)
    return list(kinds.items())[: max(len(a), len(b))]


def _train(
    known: Known, predictions: Predictions, pool: Indices, rng: np.random.Generator, k: int
) -> list[tuple[int, Why]]:
    """Once it is on: of ten, two at the edge of what is claimed, one unseen and one spot check; else where it is unsure.

    There are more spot checks when it is not.
    """
    if k <= 0 or len(pool) == 0:
        return []
    claimed = pool[predictions.matches[pool]]
    edge = _farthest(known, claimed, _some(k, EDGE_EVERY, rng))
    likely = _without(pool[predictions.probability[pool] >= PLAUSIBLE], edge)
    unseen = np.concatenate((edge, _farthest(known, likely, _some(k - len(edge), UNSEEN_EVERY, rng))))
    left = _without(pool, unseen)
    decided = left[doubt(predictions)[left] < DOUBTFUL]
    checks = decided[rng.permutation(len(decided))[: _some(k, CHECK_EVERY, rng)]]
    left = _without(left, checks)
    unsure = left[doubt(predictions)[left] >= DOUBTFUL]
    asked = _spread_out(known, unsure, doubt(predictions)[unsure], k - len(unseen) - len(checks))
    chosen = [(row, Why.UNSURE) for row in asked] + [(int(row), Why.UNSEEN) for row in unseen]
    chosen += [(int(row), Why.SPOT_CHECK) for row in checks]
    rest = _without(left, asked)
    return chosen + [(int(row), Why.SPOT_CHECK) for row in _checks(predictions, rest, rng, k - len(chosen))]


def _without(pool: Indices, taken: Sequence[int] | Indices) -> Indices:
    return np.asarray(pool[~np.isin(pool, taken)])


def _some(k: int, every: int, rng: np.random.Generator) -> int:
    """k / every questions on average, as a whole number: a choice of three holds one in ten sometimes, not never."""
    whole, rest = divmod(k, every)
    return whole + int(rng.random() < rest / every)


def _spread_out(known: Known, pool: Indices, score: Doubles, k: int) -> list[int]:
    """The `k` best by score, of those nearly equal to one another only the best at first."""
    order = pool[np.argsort(-score, kind="stable")[: max(LIKELY, 4 * k)]]
    chosen: list[int] = []
    put_off: list[int] = []
    for row in order:
        if len(chosen) == k:
            break
        apart = distances_to(known.encodings[chosen], known.encodings[row]) if chosen else np.ones(1)
        (chosen if apart.min() >= SAME_PHOTO else put_off).append(int(row))
    return (chosen + put_off)[:k]


def _farthest(known: Known, pool: Indices, k: int) -> Indices:
    """Of `pool` the faces least like any that was answered: farthest first."""
    if k == 0 or len(pool) == 0:
        return np.zeros(0, np.int64)
    seen = known.encodings[known.human & known.encoded][-MOST_SEEN:]
    apart = distances(known.encodings[pool], seen).min(axis=1) if len(seen) else np.ones(len(pool), np.float32)
    chosen: list[int] = []
    for _ in range(min(k, len(pool))):
        best = int(np.argmax(apart))
        chosen.append(int(pool[best]))
        apart = np.minimum(apart, distances_to(known.encodings[pool], known.encodings[pool[best]]))
        apart[best] = -1
    return np.array(chosen, np.int64)


def _with_similar(known: Known, chosen: list[tuple[int, Why]]) -> list[Question]:
    target = (known.labels == Label.TARGET) & known.encoded & ~known.poor
    pools = [target & (known.sources == source) for source in (Source.HUMAN, Source.PORTRAIT, Source.BOOTSTRAP)]
    examples = next((np.flatnonzero(p) for p in pools if p.any()), np.zeros(0, np.int64))
    questions = []
    for row, why in chosen:
        others = examples[examples != row]
        order = np.argsort(distances_to(known.encodings[others], known.encodings[row]), kind="stable")[:SIMILAR]
        questions.append(Question(row, why, tuple(int(i) for i in others[order])))
    return questions
