"""Active learning: select the faces to ask about next.

`doubt`, `mistaken` and `crowd` measure; `choose` selects. Pure functions of arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

import numpy as np

from vision.recognition.calibration import Doubles
from vision.recognition.geometry import distances, distances_to
from vision.recognition.labelled_faces import Flags, Floats, Indices, Known, Label, Source
from vision.recognition.matching import Predictions, copies

SAME_PHOTO = 0.2
"""Of several faces within this distance only one is asked about at a time: a second answer would add no information. Nine in
ten copies of a photograph (another JPEG, shifted by a pixel) are this near, and 4 in 10,000 pairs of photographs of one person."""
CROWD = 6
"""A file with so many faces is a crowd: after a "No" in it only its most probable face is asked about before all others."""
SAME_PERSON = 0.55
SAMPLE, NEIGHBOURS = 1500, 500
LIKELY = 400
SIMILAR = 3
MOST_SEEN = 256
PLAUSIBLE = 0.005
"""Least probability of a face that is asked about because it is unlike the answered ones (`Why.UNSEEN`)."""
DOUBTFUL = 0.08
"""Entropy in bits; it is exceeded by probabilities between 0.01 and 0.99."""
REFUSALS_BEFORE_CROWD = 4
"""After this many "No" and no "Yes" every second question is from the densest cluster of faces instead of those most similar to
the portrait or the bootstrapped faces."""
CHECK_EVERY = UNSEEN_EVERY = 10
EDGE_EVERY = 5
"""One question in this many is about the claimed face that is least similar to the answered ones: if it shows a lookalike, the
answer also removes the lookalike's other faces. Chosen with people whose lookalikes occur repeatedly, where it halves the
wrong claims after ten answers."""
AGAIN_EVERY = 5
TWICE_EVERY = 2


class Why(StrEnum):
    """Reason for asking a question, as stored in the database."""

    FIRST = "first"
    ALIKE = "alike"
    UNSURE = "unsure"
    UNSEEN = "unseen"
    SPOT_CHECK = "spot_check"
    MISTAKEN = "mistaken"


@dataclass(frozen=True, slots=True)
class Question:
    """A face to ask about.

    `face` and `similar` are rows of the project's faces; `similar` are confirmed faces, the most similar first.
    """

    face: int
    why: Why
    similar: tuple[int, ...] = ()


def doubt(predictions: Predictions) -> Doubles:
    """Return how unsure the model is of each face, 0..1: the entropy of its probability in bits."""
    p = np.clip(predictions.probability.astype(np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def mistaken(known: Known, predictions: Predictions) -> Indices:
    """Return faces with one answer that the other labels contradict, least trusted first. Each is asked again once."""
    single = known.human & known.encoded & (known.answers < 2) & ~known.asked
    decided = (known.labels == Label.TARGET) | (known.labels == Label.OTHER)
    rows = np.flatnonzero(single & decided & (predictions.trust < 0.5) & ~known.poor)
    return np.asarray(rows[np.argsort(predictions.trust[rows], kind="stable")], np.int64)


def crowd(known: Known, candidates: Indices, rng: np.random.Generator) -> Doubles:
    """Return the density of faces around each candidate, 0..1; 0 for candidates close to a "No".

    Most faces of a project are expected to be the person's, so that the densest cluster is a good place to start.
    """
    sample = candidates if len(candidates) <= NEIGHBOURS else rng.choice(candidates, NEIGHBOURS, replace=False)
    table = distances(known.encodings[candidates], known.encodings[sample])
    near = np.exp(-((table / 0.3) ** 2)).mean(axis=1)
    refused = known.encoded & ((known.labels == Label.OTHER) | (known.labels == Label.NOT_FACE))
    if refused.any():
        apart = distances(known.encodings[candidates], known.encodings[refused][-MOST_SEEN:]).min(axis=1)
        near = np.where(apart < SAME_PERSON, 0.0, near)
    return np.asarray(near, np.float64)


def choose(known: Known, predictions: Predictions, rng: np.random.Generator, k: int = 10) -> list[Question]:
    """Return the next `k` questions, best first; fewer if fewer faces are left.

    Poor faces and the rest of crowds in which somebody was refused come last.
    """
    candidates = np.flatnonzero(known.open & known.encoded & ~known.asked)
    later = known.poor[candidates] | _in_asked_crowd(known, predictions, candidates)
    good, poor = candidates[~later], candidates[later]
    if not predictions.on:
        chosen = _start(known, predictions, good, rng, k)
        return _with_similar(known, chosen + _start(known, predictions, poor, rng, k - len(chosen)))
    again = [(int(row), Why.MISTAKEN) for row in mistaken(known, predictions)[: _random_quota(k, AGAIN_EVERY, rng)]]
    again += [(row, Why.UNSURE) for row in _shown_twice(known, predictions, good, k // TWICE_EVERY)]
    good = _without(good, [row for row, _ in again])
    chosen = _interleave(again + _train(known, predictions, good, rng, k - len(again)), rng)
    return _with_similar(known, chosen + _interleave(_train(known, predictions, poor, rng, k - len(chosen)), rng))


def _in_asked_crowd(known: Known, predictions: Predictions, rows: Indices) -> Flags:
    """Mark the faces of crowds with a "No" for one of them, all but the most probable of each.

    A crowd would otherwise be asked about face by face: of 34 questions 14 were about one photograph.
    """
    files, place, count = np.unique(known.files[rows], return_inverse=True, return_counts=True)
    refused = known.files[known.human & (known.labels == Label.OTHER)]
    crowded = (count >= CROWD) & np.isin(files, refused)
    probability = np.nan_to_num(predictions.probability[rows])  # NaN before the first reference face
    best = np.zeros(len(files), np.float32)
    np.maximum.at(best, place, probability)
    return np.asarray(crowded[place] & (probability < best[place]))


def _shown_twice(known: Known, predictions: Predictions, rows: Indices, most: int) -> list[int]:
    """Return a face of each file that shows one person twice, where that is likely the person.

    It is asked about early: one answer settles it.
    """
    likely = rows[predictions.probability[rows] >= 0.5]
    first, _ = copies(known, likely)
    _, place = np.unique(known.files[first], return_index=True)
    return [int(row) for row in first[np.sort(place)][:most]]


def _interleave(chosen: list[tuple[int, Why]], rng: np.random.Generator) -> list[tuple[int, Why]]:
    """Interleave the kinds of questions at random, keeping the order within each kind.

    Questions are ranked anew long before the last one is asked, so that a kind at the end would never be reached.
    """
    kinds = [why for _, why in chosen]
    queues = {why: iter([row for row, kind in chosen if kind == why]) for why in kinds}
    return [(next(queues[kinds[i]]), kinds[i]) for i in rng.permutation(len(kinds))]


def spot_checks(known: Known, predictions: Predictions, rng: np.random.Generator, k: int) -> Indices:
    """Return `k` unanswered faces with which to check the decisions of the model (see `_checks`)."""
    return _checks(predictions, np.flatnonzero(known.open & known.encoded & ~known.asked), rng, k)


def _checks(predictions: Predictions, pool: Indices, rng: np.random.Generator, k: int) -> Indices:
    """Return spot checks: half are the most probable faces that are not claimed, half are drawn with `check_weights`.

    Most of the person's faces that the model misses have probabilities just below the cut: turned away, older, badly lit.
    The others, such as those labelled wrongly in a file with several people, may have any probability.
    """
    if k <= 0 or len(pool) == 0:
        return np.zeros(0, np.int64)
    refused = pool[~predictions.matches[pool]]
    order = np.argsort(-predictions.probability[refused], kind="stable")
    likeliest = refused[order[: _random_quota(k, 2, rng)]]
    rest = _without(pool, likeliest)
    drawn = rest[_weighted_draw(check_weights(predictions.probability[rest]), k - len(likeliest), rng)]
    return np.concatenate((likeliest, drawn))


def check_weights(probability: Floats) -> Doubles:
    """Return each face's weight in the draw of spot checks: the standard deviation it adds to the estimate, sqrt(p(1-p)).

    The weights have a floor, so that every face may be drawn.
    """
    p = probability.astype(np.float64)
    return np.sqrt(np.clip(p * (1 - p), 0, 1)) + 1e-3


def _weighted_draw(weights: Doubles, k: int, rng: np.random.Generator) -> Indices:
    """Return `k` indices drawn without replacement, in proportion to `weights` (Efraimidis and Spirakis 2006)."""
    if k <= 0 or len(weights) == 0:
        return np.zeros(0, np.int64)
    keys = rng.exponential(size=len(weights)) / weights
    first = np.argpartition(keys, min(k, len(keys)) - 1)[:k]
    return np.asarray(first[np.argsort(keys[first], kind="stable")], np.int64)


def _start(
    known: Known, predictions: Predictions, pool: Indices, rng: np.random.Generator, k: int
) -> list[tuple[int, Why]]:
    """Select questions before the model is on: the faces most similar to the references, or else the densest cluster."""
    if k <= 0 or len(pool) == 0:
        return []
    refusals = int((known.human & (known.labels == Label.OTHER)).sum()) if not known.confirmed.any() else 0
    alike: list[tuple[int, Why]] = []
    if np.isfinite(predictions.distance[pool]).any():
        score = predictions.probability[pool].astype(np.float64) - predictions.distance[pool] * 1e-3
        alike = [(row, Why.ALIKE) for row in _spread_out(known, pool, score, k)]
        if refusals < REFUSALS_BEFORE_CROWD:
            return alike
    some = pool if len(pool) <= SAMPLE else np.sort(rng.choice(pool, SAMPLE, replace=False))
    first = [(row, Why.FIRST) for row in _spread_out(known, some, crowd(known, some, rng), k)]
    return _alternate(first, alike) if refusals % 2 else _alternate(alike, first)


def _alternate(a: list[tuple[int, Why]], b: list[tuple[int, Why]]) -> list[tuple[int, Why]]:
    """Alternate between two lists, without repeats, up to the length of the longer one."""
    kinds: dict[int, Why] = {}
    for row, why in (each for pair in zip_longest(a, b) for each in pair if each is not None):
        kinds.setdefault(row, why)
    return list(kinds.items())[: max(len(a), len(b))]


def _train(
    known: Known, predictions: Predictions, pool: Indices, rng: np.random.Generator, k: int
) -> list[tuple[int, Why]]:
    """Select questions once the model is on.

    Of ten, two are claimed faces unlike the answered ones, one is another unlike face and one a spot check; the others are
    those of which the model is unsure. Where fewer are unsure, more spot checks take their place.
    """
    if k <= 0 or len(pool) == 0:
        return []
    claimed = pool[predictions.matches[pool]]
    edge = _farthest(known, claimed, _random_quota(k, EDGE_EVERY, rng))
    likely = _without(pool[predictions.probability[pool] >= PLAUSIBLE], edge)
    unseen = np.concatenate((edge, _farthest(known, likely, _random_quota(k - len(edge), UNSEEN_EVERY, rng))))
    left = _without(pool, unseen)
    decided = left[doubt(predictions)[left] < DOUBTFUL]
    checks = decided[rng.permutation(len(decided))[: _random_quota(k, CHECK_EVERY, rng)]]
    left = _without(left, checks)
    unsure = left[doubt(predictions)[left] >= DOUBTFUL]
    asked = _spread_out(known, unsure, doubt(predictions)[unsure], k - len(unseen) - len(checks))
    chosen = [(row, Why.UNSURE) for row in asked] + [(int(row), Why.UNSEEN) for row in unseen]
    chosen += [(int(row), Why.SPOT_CHECK) for row in checks]
    rest = _without(left, asked)
    return chosen + [(int(row), Why.SPOT_CHECK) for row in _checks(predictions, rest, rng, k - len(chosen))]


def _without(pool: Indices, taken: Sequence[int] | Indices) -> Indices:
    return np.asarray(pool[~np.isin(pool, taken)])


def _random_quota(k: int, every: int, rng: np.random.Generator) -> int:
    """Return k / every, rounded at random to a whole number with that mean.

    A selection of three questions then holds one in ten sometimes, instead of never.
    """
    whole, rest = divmod(k, every)
    return whole + int(rng.random() < rest / every)


def _spread_out(known: Known, pool: Indices, score: Doubles, k: int) -> list[int]:
    """Return the `k` best by score; of faces that are nearly equal or in one file, all but the best come last."""
    order = pool[np.argsort(-score, kind="stable")[: max(LIKELY, 4 * k)]]
    chosen: list[int] = []
    postponed: list[int] = []
    for row in order:
        if len(chosen) == k:
            break
        apart = distances_to(known.encodings[chosen], known.encodings[row]) if chosen else np.ones(1)
        fresh = apart.min() >= SAME_PHOTO and known.files[row] not in known.files[chosen]
        (chosen if fresh else postponed).append(int(row))
    return (chosen + postponed)[:k]


def _farthest(known: Known, pool: Indices, k: int) -> Indices:
    """Return the `k` faces of `pool` least similar to any answered face, most distant first."""
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
    """Add to each question the most similar confirmed faces, or those of the portrait or bootstrap where none is confirmed."""
    target = (known.labels == Label.TARGET) & known.encoded & ~known.poor
    pools = [target & (known.sources == source) for source in (Source.HUMAN, Source.PORTRAIT, Source.BOOTSTRAP)]
    examples = next((np.flatnonzero(p) for p in pools if p.any()), np.zeros(0, np.int64))
    questions = []
    for row, why in chosen:
        others = examples[examples != row]
        order = np.argsort(distances_to(known.encodings[others], known.encodings[row]), kind="stable")[:SIMILAR]
        questions.append(Question(row, why, tuple(int(i) for i in others[order])))
    return questions
