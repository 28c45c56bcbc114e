"""From distances to probabilities, and from an error budget to a cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.recognition.labelled_faces import Flags, Floats

Doubles = NDArray[np.float64]

FAR = 0.75
"""Distances beyond this say no more than that two faces differ."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the three distances (`Measures`), in log odds for each 1.0 of distance."""

    intercept: float
    centroid: float
    nearest: float
    refused: float


WEIGHTS = Weights(21.5, -31.3, -22.8, 13.3)
"""Fitted by bench/constants.py on the first half of its people: logistic regression on the faces that were left open after 8 to 40
answers, with the log odds of the share added. The second half gives steeper ones (bench/constants.json); reports on the first half
are made with those. Which distances to use was decided by looking at both halves. `centroid` and `nearest` go together: the data
tell their sum better than how to divide it."""
ODD = 0.004
"""The share of a person's faces that no distance can tell: turned away, or a bystander's under the person's name. Chosen, between
the less than 0.001 that bench/constants.py measures in both halves and the 0.06 of one person in whole photographs."""
MOST_ODD = 0.05
ALWAYS_WRONG = 2e-4
"""However alike, a face may be a double's. Chosen: there are too few faces to measure it, and 1 in 500 is a budget."""
WRONG_ANSWER = 0.03
"""What a volunteer is believed to err. Chosen: a slip of one key in 33."""

SHIFT_DEVIATION, SCALE_DEVIATION = 1.0, 0.15
"""How far projects differ. In both halves the log loss is within 2 % of its least here, and flat from 0.5 to 2.0 and from 0.05
to 0.25 (bench/constants.py)."""
SHIFTS = np.linspace(-3, 3, 25)
SCALES = np.exp(np.linspace(-0.6, 0.6, 9))
LOGITS = np.linspace(-40, 40, 801)


def sigmoid(x: Doubles) -> Doubles:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


# What becomes of each of LOGITS by each scale and shift.
TABLE = sigmoid(SCALES[:, None, None] * LOGITS + SHIFTS[None, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Distances of n faces: to the centroid, to the nearest confirmed faces, and to the nearest "No"."""

    centroid: Floats
    nearest: Floats
    refused: Floats


def logit_of(measures: Measures, weights: Weights = WEIGHTS) -> Doubles:
    """The log odds that a face is the person's, were half of the faces the person's."""
    value = (
        weights.intercept
        + weights.centroid * measures.centroid.astype(np.float64)
        + weights.nearest * measures.nearest
        + weights.refused * np.minimum(measures.refused, FAR)
    )
    return np.where(np.isfinite(value), np.clip(value, LOGITS[0], LOGITS[-1]), LOGITS[0])


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def share_of(logits: Doubles, rounds: int = 8) -> float:
    """The share of the person's faces, by expectation maximisation (Saerens, Latinne, Decaestecker 2002)."""
    share = 0.3
    for _ in range(rounds):
        found = float(sigmoid(logits + log_odds(share)).sum())
        share = (found + 0.6) / (len(logits) + 2.0)
    return share


def corrected(
    logits: Doubles,
    answers: Flags,
    certain: Flags,
    shift_deviation: float = SHIFT_DEVIATION,
    scale_deviation: float = SCALE_DEVIATION,
) -> Doubles:
    """What the answers of one project make of the logits: the probability at each of LOGITS.

    It is averaged over all shifts and scales by how well each explains the answers.
    `logits` and `answers` are those of the faces that humans answered, each measured without itself.
    """
    noise = np.where(certain, 1e-3, WRONG_ANSWER)
    values = SCALES[:, None, None] * logits + SHIFTS[None, :, None]
    yes = (1 - noise) * sigmoid(values) + noise * sigmoid(-values)
    fit = np.log(np.where(answers, yes, 1 - yes)).sum(axis=2)
    fit -= 0.5 * (SHIFTS / shift_deviation) ** 2 + 0.5 * (np.log(SCALES)[:, None] / scale_deviation) ** 2
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()
    return np.asarray(np.tensordot(weight, TABLE, 2))


def probability(logits: Doubles, curve: Doubles, share: float) -> Doubles:
    """Probabilities by `curve`, never surer than the data can be: some of the person's faces are odd, some others doubles."""
    odd = min(ODD * share / (1 - share), MOST_ODD)
    p = np.interp(logits, LOGITS, curve)
    return np.asarray((1 - ALWAYS_WRONG) * p + odd * (1 - p))


def cut(probabilities: Doubles, budget: int, least: float = 0.0) -> float:
    """The smallest probability that may be claimed so that of all claimed at most 1 in `budget` is expected to be wrong.

    Nothing below `least` is claimed. More than 1 where nothing may be.
    """
    ranked = np.sort(probabilities)[::-1]
    wrong = np.cumsum(1 - ranked)
    allowed = np.flatnonzero((wrong <= np.arange(1, len(ranked) + 1) / budget) & (ranked >= least))
    return float(ranked[allowed[-1]]) if len(allowed) else 1.1
