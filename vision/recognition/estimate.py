"""What is probably still unfound, and whether one may stop: from the spot checks and the model's own probabilities.

The faces that are neither answered nor claimed hold the person with about their probabilities, plus a few "odd" faces that no
distance can tell. How far the model is off is one factor per kind of face: a Gamma distribution around 1, sharpened by each spot
check (Poisson counts, so that the posterior is a Gamma distribution, and what is left is negative binomial).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.recognition.calibration import Doubles
from vision.recognition.labelled_faces import REFERENCE_ONLY, Flags, Known, Label
from vision.recognition.matching import Predictions

LEVEL = 0.9
CERTAINTY = 2.0
"""Weight of the model's own probabilities, in expected finds."""
ODD_SHARE, ODD_SHAPE = 0.01, 0.5
"""Odd faces as a share of the matches found, and how much that differs between projects (the shape of a Gamma distribution).
Chosen, not fitted: portraits have hardly any, of two people in whole photographs one has none and one 3 in 50. Twice the share
would make the interval wider than WORTH_MISSING where nothing was ever missed."""
NEAR = 0.5
"""So many of the odd faces are expected just beyond what the model can tell, the others anywhere. Chosen: of the 3 above 2 were
among the 17 likeliest of 450 refused, the third was a bystander's."""
CLEARLY_NO = 0.02
"""A person's face with less is called odd."""
WORTH_MISSING = 0.05


@dataclass(frozen=True, slots=True)
class Unfound:
    """How many matches are probably left among the faces found, with an interval that holds the truth at LEVEL."""

    expected: float
    low: int
    high: int


def unfound(left: Doubles, checked: Doubles, hits: Flags, found: int, *, level: float = LEVEL) -> Unfound:
    """How many of the faces neither answered nor claimed are the person's; `left` are their probabilities.

    `checked`: probabilities, without their own answer, of the faces that were drawn by chance among such and answered;
    `hits`: which of these were the person's. `found`: matches found so far.
    """
    doubted = checked >= CLEARLY_NO
    rate = CERTAINTY + float(checked[doubted].sum())
    likely = _counts(CERTAINTY + float(hits[doubted].sum()), rate, float(left.sum()), len(left))
    done = looked_at(left[left < CLEARLY_NO], checked[~doubted])
    rate = ODD_SHAPE / max(ODD_SHARE * found, 1e-9) + done
    odd = _counts(ODD_SHAPE + float(hits[~doubted].sum()), rate, 1 - done, len(left))
    mass = np.convolve(likely, odd)[: len(left) + 1]
    mass /= mass.sum()
    return Unfound(float((mass * np.arange(len(mass))).sum()), *_shortest(mass, level))


def looked_at(left: Doubles, checked: Doubles) -> float:
    """The share of the odd faces that are expected among `checked`, of all that are clearly no matches.

    NEAR of them are where the model's own doubt is, in proportion to what a face has above the least probability; the rest
    may be anywhere.
    """
    if len(left) == 0:
        return 1.0
    least = min(left.min(), checked.min(initial=1.0))
    above, done = float((left - least).sum()), float((checked - least).sum())
    near = done / (above + done) if above + done > 0 else 0.0
    return NEAR * near + (1 - NEAR) * len(checked) / (len(left) + len(checked))


def _counts(shape: float, rate: float, exposure: float, most: int) -> Doubles:
    """Chances of 0..most finds, at a rate that is Gamma(shape, rate) distributed: a negative binomial distribution."""
    success = rate / (rate + exposure)
    counts = np.arange(1, most + 1)
    steps = np.log((counts - 1 + shape) / counts * (1 - success) + 1e-300)
    return np.asarray(np.exp(np.concatenate(([0.0], np.cumsum(steps))) + shape * np.log(success)))


def _shortest(mass: Doubles, level: float) -> tuple[int, int]:
    """The shortest run of counts that holds `level`."""
    low = high = int(np.argmax(mass))
    held = mass[low]
    while held < level and high - low + 1 < len(mass):
        below = mass[low - 1] if low > 0 else -1.0
        above = mass[high + 1] if high + 1 < len(mass) else -1.0
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
    """One may stop when at most one match, or WORTH_MISSING of those found, is probably unfound, at the upper end."""
    return Stop(found > 0 and missing.high <= max(1.0, WORTH_MISSING * found), unsure, missing)


def expected_wrong(claimed: Doubles) -> float:
    """How many of the claimed faces are probably not the person: the sum of what each lacks to certainty."""
    return float((1 - claimed).sum())


def from_predictions(known: Known, predictions: Predictions, checked: Flags) -> Unfound:
    """`unfound` for a project, where `checked` marks the faces that were asked about as spot checks."""
    p = predictions.probability.astype(np.float64)
    left = known.open & known.encoded & ~predictions.matches
    drawn = checked & known.human & known.encoded & (p < predictions.cut)
    mine = known.labels == Label.TARGET
    found = int((predictions.matches | (known.confirmed & (known.files != REFERENCE_ONLY))).sum())
    return unfound(p[left], p[drawn], mine[drawn], found)
