"""Calibration of distances to probabilities, and of an error budget to a cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.recognition.labelled_faces import Flags, Floats

Doubles = NDArray[np.float64]

FAR = 0.8
"""Distances beyond this carry no information except that two faces differ."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Coefficients of the measures (`Measures`), in log odds per 1.0 of distance.

    Without the last two only the labelled faces count, not the crowd of all other faces.
    """

    intercept: float
    centroid: float
    nearest: float
    refused: float
    rival: float = 0.0
    crowd: float = 0.0


@dataclass(frozen=True, slots=True)
class Constants:
    """The weights for one encoder: `first` finds the crowd, `full` weighs it as well.

    Fitted by bench/constants.py: logistic regression on the faces that were unanswered after 8 to 40 answers, with the log odds
    of the share added, on eight sets of people of equal weight. bench/RESULTS.md reports each set by weights fitted without it.
    """

    first: Weights
    full: Weights


DEFAULT_ENCODER = "sface-1"
CONSTANTS = {
    "sface-1": Constants(Weights(27.2, -10.1, -48.0, 12.7), Weights(-14.1, -20.0, -36.7, 4.0, 16.4, 49.3)),
    "dlib-resnet-v1+mirror": Constants(Weights(4.0, -25.9, 0.0, 13.8), Weights(0.5, -28.4, 0.0, 3.3, 6.0, 10.8)),
}
"""By version of the encoder."""
ODD = 0.004
"""Share of a person's faces that no distance can identify: turned away, or another person's face labelled with the person's name.
Chosen, between the less than 0.001 of most people in bench/recognition.py and the 0.06 of one person in whole photographs."""
MOST_ODD = 0.05
ALWAYS_WRONG = 2e-4
"""Probability that a face is a lookalike's, however similar it is. Chosen: there are too few faces to measure it, and error budgets
go down to 1 in 500."""
WRONG_ANSWER = 0.03
"""Assumed error rate of a volunteer. Chosen: one wrong key in 33."""

SHIFT_DEVIATION, SCALE_DEVIATION = 2.0, 0.15
"""Prior standard deviations of shift and (log) scale between projects. The log loss of sets that were not fitted is flat from 1.0
to 2.0 (bench/constants.json); the larger value claims less where a project differs from all of these."""
SHIFTS = np.linspace(-8, 4, 49)
"""More is allowed downwards: people who look alike shift the curve down, and nothing shifts it up as far."""
SCALES = np.exp(np.linspace(-0.6, 0.6, 9))
LOGITS = np.linspace(-40, 40, 801)


def sigmoid(x: Doubles) -> Doubles:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


# Probability at each of LOGITS, for each scale and shift: (scales, shifts, logits).
TABLE = sigmoid(SCALES[:, None, None] * LOGITS + SHIFTS[None, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """What the model measures of n faces, each (n,); None where it was not measured.

    Distances to the centroid, to the nearest confirmed faces, and to the nearest "No". `rival`: to the nearest faces of the
    crowd, that is of all that are probably not the person's, unlabelled ones included. `crowd`: the root mean square distance
    to all of the crowd.
    """

    centroid: Floats
    nearest: Floats
    refused: Floats
    rival: Floats | None = None
    crowd: Floats | None = None


def logit_of(measures: Measures, weights: Weights) -> Doubles:
    """Return the log odds that each face is the person's, assuming that half of all faces are."""
    value = (
        weights.intercept
        + weights.centroid * measures.centroid.astype(np.float64)
        + weights.nearest * measures.nearest
        + weights.refused * np.minimum(measures.refused, FAR)
    )
    if measures.rival is not None and measures.crowd is not None:
        value = value + weights.rival * np.minimum(measures.rival, FAR) + weights.crowd * measures.crowd
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
