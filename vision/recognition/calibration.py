"""Calibration of distances to probabilities, and of an error budget to a cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.recognition.labelled_faces import Flags, Floats

Doubles = NDArray[np.float64]

FAR = 0.75
"""Distances beyond this carry no information except that two faces differ."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Coefficients of the three distances (`Measures`), in log odds per 1.0 of distance."""

    intercept: float
    centroid: float
    nearest: float
    refused: float


WEIGHTS = Weights(21.5, -31.3, -22.8, 13.3)
"""Fitted by bench/constants.py on the first half of its people: logistic regression on the faces that were unanswered after 8 to 40
answers, with the log odds of the share added. The second half gives steeper coefficients (bench/constants.json); reports on the
first half use those. Which distances to use was decided with both halves. `centroid` and `nearest` are correlated: the data
determine their sum better than each of them."""
ODD = 0.004
"""Share of a person's faces that no distance can identify: turned away, or another person's face labelled with the person's name.
Chosen, between the less than 0.001 that bench/constants.py measures in both halves and the 0.06 of one person in whole
photographs."""
MOST_ODD = 0.05
ALWAYS_WRONG = 2e-4
"""Probability that a face is a lookalike's, however similar it is. Chosen: there are too few faces to measure it, and error budgets
go down to 1 in 500."""
WRONG_ANSWER = 0.03
"""Assumed error rate of a volunteer. Chosen: one wrong key in 33."""

SHIFT_DEVIATION, SCALE_DEVIATION = 1.0, 0.15
"""Prior standard deviations of shift and (log) scale between projects. In both halves the log loss is within 2 % of its minimum
here, and flat from 0.5 to 2.0 and from 0.05 to 0.25 (bench/constants.py)."""
SHIFTS = np.linspace(-3, 3, 25)
SCALES = np.exp(np.linspace(-0.6, 0.6, 9))
LOGITS = np.linspace(-40, 40, 801)


def sigmoid(x: Doubles) -> Doubles:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


# Probability at each of LOGITS, for each scale and shift: (scales, shifts, logits).
TABLE = sigmoid(SCALES[:, None, None] * LOGITS + SHIFTS[None, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Distances of n faces (n,): to the centroid, to the nearest confirmed faces, and to the nearest "No"."""

    centroid: Floats
    nearest: Floats
    refused: Floats


def logit_of(measures: Measures, weights: Weights = WEIGHTS) -> Doubles:
    """Return the log odds that each face is the person's, assuming that half of all faces are."""
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
    """Estimate the share of the person's faces by expectation maximisation (Saerens, Latinne, Decaestecker 2002)."""
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
    """Fit the calibration curve of one project to its answers: the probability at each of LOGITS.

    The curve is the mean over all shifts and scales, weighted by how well each explains the answers.
    `logits` and `answers` are those of the faces that humans answered, each measured without itself; `certain` marks
    answers that are not doubted.
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
    """Return probabilities read from `curve`, limited to the certainty that the data allow.

    Some of the person's faces are odd (unlike the others), and some faces of others are lookalikes.
    """
    odd = min(ODD * share / (1 - share), MOST_ODD)
    p = np.interp(logits, LOGITS, curve)
    return np.asarray((1 - ALWAYS_WRONG) * p + odd * (1 - p))


def cut(probabilities: Doubles, budget: int, least: float = 0.0) -> float:
    """Return the smallest probability to claim such that at most 1 in `budget` of the claims is expected to be wrong.

    Nothing below `least` is claimed. Returns more than 1 where nothing may be claimed.
    """
    ranked = np.sort(probabilities)[::-1]
    wrong = np.cumsum(1 - ranked)
    allowed = np.flatnonzero((wrong <= np.arange(1, len(ranked) + 1) / budget) & (ranked >= least))
    return float(ranked[allowed[-1]]) if len(allowed) else 1.1
