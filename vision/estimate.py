"""What is probably still unfound, and whether one may stop: from the spot checks and the model's own probabilities.

The faces that are neither answered nor claimed hold the person with about their probabilities, plus a few "odd" faces that no
distance can tell. How far the model is off is one factor per kind of face: a Gamma distribution around 1, sharpened by each spot
check (Poisson counts, so that the posterior is a Gamma distribution, and what is left is negative binomial).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.calibration import Doubles
from vision.known import Flags, Known, Label
from vision.matching import Predictions

LEVEL = 0.9
CERTAINTY = 2.0
"""Weight of the model's own probabilities, in expected finds."""
WORTH_MISSING = 0.05


@dataclass(frozen=True, slots=True)
class Unfound:
    """How many matches are probably left among the faces found, with an interval that holds the truth at LEVEL."""

    expected: float
    low: int
    high: int


def unfound(left: Doubles, checked: Doubles, hits: Flags, *, level: float = LEVEL) -> Unfound:
    """How many of the faces neither answered nor claimed are the person's; `left` are their probabilities.

    `checked`: probabilities, without their own answer, of the faces that were drawn by chance among such and answered;
    `hits`: which of these were the person's.
    """
    if len(left) == 0:
        return Unfound(0.0, 0, 0)
    remaining, seen = float(left.sum()), float(checked.sum())
    shape, rate = CERTAINTY + float(hits.sum()), CERTAINTY + seen
    low, high = _interval(shape, rate / (rate + remaining), level, len(left))
    return Unfound(min(shape / rate * remaining, len(left)), low, high)


def _interval(shape: float, success: float, level: float, most: int) -> tuple[int, int]:
    """The shortest interval of a negative binomial count that holds `level` of it."""
    counts = np.arange(1, most + 1)
    steps = np.log((counts - 1 + shape) / counts * (1 - success))
    logs = np.concatenate(([0.0], np.cumsum(steps))) + shape * np.log(success)
    mass = np.exp(logs - logs.max())
    mass /= mass.sum()
    low = high = int(np.argmax(mass))
    held = mass[low]
    while held < level:
        below = mass[low - 1] if low > 0 else -1.0
        above = mass[high + 1] if high < most else -1.0
        if above >= below:
            high, held = high + 1, held + above
        else:
            low, held = low - 1, held + below
    return low, high


@dataclass(frozen=True, slots=True)
class Stop:
    """`may` says that one may stop; `unsure` faces could still be asked about, `unfound` are probably missed."""

    may: bool
    unsure: int
    unfound: Unfound


def stop(missing: Unfound, found: int, unsure: int) -> Stop:
    """One may stop when at most WORTH_MISSING of the matches found (or none) are probably still unfound, at the upper end."""
    return Stop(found > 0 and missing.high <= WORTH_MISSING * found, unsure, missing)


def expected_wrong(claimed: Doubles) -> float:
    """How many of the claimed faces are probably not the person: the sum of what each lacks to certainty."""
    return float((1 - claimed).sum())


def from_predictions(known: Known, predictions: Predictions, checked: Flags) -> Unfound:
    """`unfound` for a project, where `checked` marks the faces that were asked about as spot checks."""
    p = predictions.probability.astype(np.float64)
    left = known.open & known.encoded & ~predictions.matches
    drawn = checked & known.human & known.encoded & (p < predictions.cut)
    mine = known.labels == Label.TARGET
    return unfound(p[left], p[drawn], mine[drawn])
