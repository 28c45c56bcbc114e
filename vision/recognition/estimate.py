"""Estimate of the matches still unfound, and the stopping rule, from spot checks and the model's probabilities.

The faces that are neither answered nor claimed are the person's with about their probabilities, plus a few "odd" faces that no
distance can identify. The error of the model is one factor per kind of face: a Gamma prior around 1, updated by each spot check
(counts are Poisson, so that the posterior is a Gamma distribution, and the number left is negative binomial).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.recognition.calibration import Doubles
from vision.recognition.labelled_faces import REFERENCE_ONLY, Flags, Known, Label
from vision.recognition.matching import Predictions

LEVEL = 0.9
"""Probability with which an interval is to contain the true number."""
CERTAINTY = 2.0
"""Weight of the model's own probabilities, in expected matches."""
ODD_SHARE, ODD_SHAPE = 0.01, 0.5
"""Odd faces as a share of the matches found, and how much that differs between projects (the shape of a Gamma distribution).
Chosen, not fitted: portraits have hardly any; of two people in whole photographs one has none and one 3 in 50. Twice the share
would make the interval wider than WORTH_MISSING in projects where nothing was ever missed."""
NEAR = 0.5
"""Share of the odd faces expected where the model still has some doubt; the others may have any probability. Chosen: of the 3
above, 2 were among the 17 most probable of 450 refused faces, and the third was a bystander's."""
CLEARLY_NO = 0.02
"""A face of the person with a lower probability is called odd."""
WORTH_MISSING = 0.05
"""Share of the matches found that may remain unfound when the volunteer stops."""


@dataclass(frozen=True, slots=True)
class Unfound:
    """Estimated number of matches left among the detected faces, with an interval that contains the truth at LEVEL."""

    expected: float
    low: int
    high: int


def unfound(left: Doubles, checked: Doubles, hits: Flags, found: int, *, level: float = LEVEL) -> Unfound:
    """Estimate how many of the faces that are neither answered nor claimed are the person's.

    `left`: probabilities of those faces. `checked`: probabilities, without their own answer, of the faces that were drawn
    at random among such faces and answered; `hits`: which of these were the person's. `found`: matches found so far.
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
    """Return the share of the odd faces expected among `checked`, of all faces that are clearly no matches.

    The share NEAR of them is distributed in proportion to each face's probability above the least one; the rest is
    distributed evenly.
    """
    if len(left) == 0:
        return 1.0
    least = min(left.min(), checked.min(initial=1.0))
    above, done = float((left - least).sum()), float((checked - least).sum())
    near = done / (above + done) if above + done > 0 else 0.0
    return NEAR * near + (1 - NEAR) * len(checked) / (len(left) + len(checked))


def _counts(shape: float, rate: float, exposure: float, most: int) -> Doubles:
    """Return the probabilities of 0..most matches whose rate is Gamma(shape, rate) distributed (negative binomial)."""
    success = rate / (rate + exposure)
    counts = np.arange(1, most + 1)
    steps = np.log((counts - 1 + shape) / counts * (1 - success) + 1e-300)
    return np.asarray(np.exp(np.concatenate(([0.0], np.cumsum(steps))) + shape * np.log(success)))


def _shortest(mass: Doubles, level: float) -> tuple[int, int]:
    """Return the first and last count of the shortest interval with a probability of at least `level`."""
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
    """Whether the volunteer may stop (`may`).

    `unsure`: number of faces that could still be asked about; `unfound`: estimate of the matches missed.
    """

    may: bool
    unsure: int
    unfound: Unfound


def stop(missing: Unfound, found: int, unsure: int) -> Stop:
    """Allow stopping when the upper bound of the unfound matches is one, or WORTH_MISSING of those found."""
    return Stop(found > 0 and missing.high <= max(1.0, WORTH_MISSING * found), unsure, missing)


def expected_wrong(claimed: Doubles) -> float:
    """Return the expected number of wrong claims: the sum of 1 - probability over the claimed faces."""
    return float((1 - claimed).sum())


def from_predictions(known: Known, predictions: Predictions, checked: Flags) -> Unfound:
    """Estimate `unfound` for a project; `checked` marks the faces that were asked about as spot checks."""
    p = predictions.probability.astype(np.float64)
    left = known.open & known.encoded & ~predictions.matches
    drawn = checked & known.human & known.encoded & (p < predictions.cut)
    mine = known.labels == Label.TARGET
    found = int((predictions.matches | (known.confirmed & (known.files != REFERENCE_ONLY))).sum())
    return unfound(p[left], p[drawn], mine[drawn], found)
