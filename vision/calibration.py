"""From distances to probabilities, and from an error budget to a cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.known import Flags, Floats

Doubles = NDArray[np.float64]

FAR = 0.75
"""Distances beyond this say no more than that two faces differ."""

# Fitted by bench/constants.py.
INTERCEPT = 24.0
CENTROID, NEAREST, NEIGHBOURS, REFUSED, SPREAD = -50.0, -20.0, -8.0, 16.0, 20.0
TYPICAL_SPREAD = 0.33
SPREAD_WEIGHT = 4.0
WRONG_ANSWER = 0.03

SHIFT_DEVIATION = 1.5
SCALE_DEVIATION = 0.25
SHIFTS = np.linspace(-4.5, 4.5, 31)
SCALES = np.exp(np.linspace(-0.6, 0.6, 9))
LOGITS = np.linspace(-40, 40, 801)


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Distances of n faces: to the centroid, to the nearest confirmed faces, of the neighbours to the centroid, to a "No"."""

    centroid: Floats
    nearest: Floats
    neighbours: Floats
    refused: Floats


def logit_of(measures: Measures, spread: float) -> Doubles:
    """The log odds that a face is the person's, were half of the faces the person's."""
    value = (
        INTERCEPT
        + CENTROID * measures.centroid.astype(np.float64)
        + NEAREST * measures.nearest
        + NEIGHBOURS * measures.neighbours
        + REFUSED * np.minimum(measures.refused, FAR)
        + SPREAD * spread
    )
    return np.where(np.isfinite(value), value, -40.0)


def sigmoid(x: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))


def log_odds(p: float) -> float:
    return float(np.log(p / (1 - p)))


def share_of(logits: Doubles, rounds: int = 8) -> float:
    """The share of the person's faces, by expectation maximisation (Saerens, Latinne, Decaestecker 2002)."""
    share = 0.3
    for _ in range(rounds):
        found = float(sigmoid(logits + log_odds(share)).sum())
        share = (found + 0.6) / (len(logits) + 2.0)
    return share


def corrected(logits: Doubles, answers: Flags, certain: Flags) -> Doubles:
    """What the answers of one project make of the logits: the probability at each of LOGITS.

    It is averaged over all shifts and scales by how well each explains the answers.
    `logits` and `answers` are those of the faces that humans answered, each measured without itself.
    """
    noise = np.where(certain, 1e-3, WRONG_ANSWER)
    values = SCALES[:, None, None] * logits + SHIFTS[None, :, None]
    yes = (1 - noise) * sigmoid(values) + noise * sigmoid(-values)
    fit = np.log(np.where(answers, yes, 1 - yes)).sum(axis=2)
    fit -= 0.5 * (SHIFTS / SHIFT_DEVIATION) ** 2 + 0.5 * (np.log(SCALES)[:, None] / SCALE_DEVIATION) ** 2
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()
    table = sigmoid(SCALES[:, None, None] * LOGITS + SHIFTS[None, :, None])
    return np.asarray((weight[:, :, None] * table).sum(axis=(0, 1)))


def probability(logits: Doubles, curve: Doubles) -> Doubles:
    return np.asarray(np.interp(logits, LOGITS, curve))


def cut(probabilities: Doubles, budget: int, least: float) -> float:
    """The smallest probability that may be claimed so that at most 1 in `budget` is expected to be wrong.

    No face below `least` is claimed, however sure the others are: the many sure ones must not pay for a guess.
    """
    ranked = np.sort(probabilities)[::-1]
    wrong = np.cumsum(1 - ranked)
    allowed = (wrong <= np.arange(1, len(ranked) + 1) / budget) & (ranked >= least)
    return float(ranked[np.flatnonzero(allowed)[-1]]) if allowed.any() else 1.1
