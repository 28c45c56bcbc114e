"""Prediction of the faces that show the person. Pure functions of arrays, without databases or pictures.

Volunteers see the distance to the centroid of the confirmed faces. The probability is computed from that distance and two more
(to the nearest confirmed faces and to the nearest "No"), and calibrated with the project's own answers. Faces are claimed, most
probable first, while the expected share of wrong claims is within the error budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.recognition import calibration
from vision.recognition.calibration import WEIGHTS, Doubles, Measures, Weights, log_odds, sigmoid
from vision.recognition.geometry import apart_from_self, distances, distances_to, mean_of_nearest
from vision.recognition.labelled_faces import (
    REFERENCE_ONLY,
    Codes,
    Flags,
    Floats,
    Indices,
    Known,
    Label,
    Source,
    Suggestion,
)

MIN_CONFIRMED = 5
THRESHOLD = 0.6
ERROR_BUDGET = 100
LEAST_CLAIMED = 0.9
"""Least probability of any claimed face: many certain faces must not pay for a guess within the error budget."""
LEAST_CLAIMED_POOR = 0.99
LEAST_UNSURE = 0.02
NOTHING = 1.1
"""Cut of a model that claims nothing."""
TRAINS = 0.995
"""A label from the wiki or a bulk approval trains the model only with this probability, judged by the other labels: a lookalike's
face that trains brings in the lookalike's other faces. Chosen with people whose lookalikes occur repeatedly, where more of these
trained at 0.95."""
NEAREST = 3
MOST_REFERENCES = 512
RELIABILITY = {
    Source.PORTRAIT: 0.98,
    Source.BOOTSTRAP: 0.85,
    Source.BULK: 0.97,
    Source.HUMAN: 0.97,
    Source.IMPLIED: 0.97,
}
"""Prior probability that a label of this source is right, before the other labels are considered. Chosen: a volunteer presses one
wrong key in 33, one in seven statements on the wiki is wrong, portraits are hardly ever wrong."""
RELIABILITY_OF = np.array([RELIABILITY.get(source, 0.5) for source in Source])


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The fitted model.

    `centroid` (128,) is None without a reference face. `references` and `refusals` are rows of the project's faces.
    """

    centroid: Floats | None
    references: Indices
    refusals: Indices
    confirmed: int
    on: bool
    trust: Doubles
    weights: Weights = WEIGHTS


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions with one row per face. The `probability` of an answered face is computed from the other faces.

    `distance` is NaN without a centroid. `cut` is the least probability claimed. `expected_wrong` is the sum of
    1 - probability over the claimed faces.
    """

    distance: Floats
    probability: Floats
    suggestion: Codes
    trust: Floats
    cut: float
    on: bool
    confirmed: int
    share: float
    expected_wrong: float

    @property
    def matches(self) -> Flags:
        return np.asarray(self.suggestion == Suggestion.MATCH)


def fit(known: Known, *, min_confirmed: int = MIN_CONFIRMED, weights: Weights = WEIGHTS) -> Model:
    """Fit the model to the labels. It is on with at least `min_confirmed` faces confirmed by a human."""
    confirmed = int((known.confirmed & known.encoded).sum())
    on = confirmed >= min_confirmed
    trust = _first_trust(known)
    for _ in range(2):
        model = _with_trust(known, trust, confirmed, on, weights)
        if model.centroid is None:
            return model
        trust = _trust(known, model)
    return _with_trust(known, trust, confirmed, on, weights)


def measure(known: Known, model: Model, *, rows: Indices | None = None) -> Measures:
    """Measure the distances of the faces `rows` (None: of all). A face is never its own reference."""
    assert model.centroid is not None
    rows = np.arange(len(known)) if rows is None else rows
    own = known.encodings[rows]
    centroid = _without_self(distances_to(own, model.centroid), rows, model)
    nearest, refused = centroid.copy(), np.full(len(rows), calibration.FAR, np.float32)
    band = np.flatnonzero(centroid < calibration.FAR)
    nearest[band] = _nearest(known, rows[band], model.references, NEAREST, centroid[band])
    refused[band] = _nearest(known, rows[band], model.refusals, 1, refused[band])
    return Measures(centroid, nearest, refused)


def predict(
    known: Known,
    model: Model,
    *,
    threshold: float = THRESHOLD,
    error_budget: int = ERROR_BUDGET,
) -> Predictions:
    """Return probabilities of all faces, and suggestions for those that no human has answered."""
    n = len(known)
    if model.centroid is None:
        return _without_centroid(known, model)
    measures = measure(known, model)
    logits = calibration.logit_of(measures, model.weights)
    open_ = known.open & known.encoded
    share = calibration.share_of(logits[open_])
    logits = logits + log_odds(share)
    answered = known.human & known.encoded & ((known.labels == Label.TARGET) | (known.labels == Label.OTHER))
    curve = calibration.corrected(
        logits[answered], known.labels[answered] == Label.TARGET, known.answers[answered] >= 2
    )
    probability = calibration.probability(logits, curve, share)
    probability[~known.encoded] = 0.0
    probability = one_per_file(probability, known)
    suggestion, cut = decide(known, model, measures.centroid, probability, threshold, error_budget)
    wrong = float((1 - probability[suggestion == Suggestion.MATCH]).sum())
    return Predictions(
        measures.centroid,
        probability.astype(np.float32),
        suggestion,
        model.trust.astype(np.float32) if len(model.trust) else np.ones(n, np.float32),
        cut,
        model.on,
        model.confirmed,
        share,
        wrong,
    )


def infer(
    known: Known,
    *,
    threshold: float = THRESHOLD,
    error_budget: int = ERROR_BUDGET,
    min_confirmed: int = MIN_CONFIRMED,
    weights: Weights = WEIGHTS,
) -> Predictions:
    """Run `fit` and `predict`."""
    model = fit(known, min_confirmed=min_confirmed, weights=weights)
    return predict(known, model, threshold=threshold, error_budget=error_budget)


def least_claimed(error_budget: int) -> float:
    """Return the least probability of a claim: no claim may be more than ten times as doubtful as the budget's average."""
    return max(LEAST_CLAIMED, 1 - 10 / error_budget)


def claimable(known: Known, distance: Floats, probability: Doubles, threshold: float = THRESHOLD) -> Flags:
    """Return the faces that may be claimed if the error budget is large enough."""
    sure = probability >= np.where(known.poor, LEAST_CLAIMED_POOR, 0.0)
    return np.asarray(known.open & known.encoded & (distance <= threshold) & sure)


def one_per_file(probability: Doubles, known: Known) -> Doubles:
    """Condition the probabilities on at most one face of a file being the person's: Bayes' rule over the file's faces.

    Two faces that are equally likely end below a half each. Answered faces keep theirs. Files marked `twice` are left alone.
    """
    rows = np.flatnonzero((known.files != REFERENCE_ONLY) & ~known.twice)
    _, place, count = np.unique(known.files[rows], return_inverse=True, return_counts=True)
    rows, place = rows[count[place] > 1], place[count[place] > 1]
    if len(rows) == 0:
        return probability
    p = np.clip(probability[rows], 1e-9, 1 - 1e-9)
    odds = np.where(known.human[rows], 0.0, p / (1 - p))
    taken = np.bincount(place, known.confirmed[rows], minlength=len(count)) > 0
    shared = np.where(taken[place], 0.0, odds / (1 + np.bincount(place, odds, minlength=len(count))[place]))
    result = probability.copy()
    result[rows] = np.where(known.human[rows], probability[rows], shared)
    return result


def decide(
    known: Known,
    model: Model,
    distance: Floats,
    probability: Doubles,
    threshold: float = THRESHOLD,
    error_budget: int = ERROR_BUDGET,
) -> tuple[Codes, float]:
    """Return the suggestion of each face and the cut; `distance` is the distance to the centroid."""
    suggestion = np.zeros(len(known), np.int8)
    if not model.on:
        return suggestion, NOTHING
    open_ = known.open & known.encoded
    may = claimable(known, distance, probability, threshold)
    cut = calibration.cut(probability[may], error_budget, least_claimed(error_budget))
    match = may & (probability >= cut)
    suggestion[open_] = Suggestion.NO_MATCH
    suggestion[open_ & (probability >= LEAST_UNSURE)] = Suggestion.UNSURE
    suggestion[match] = Suggestion.MATCH
    return suggestion, cut


def _first_trust(known: Known) -> Doubles:
    """Return the initial trust: human labels, else the portrait, else bootstrapped and bulk-approved labels."""
    usable = known.encoded & ~known.poor
    target = known.labels == Label.TARGET
    for sources in ((Source.HUMAN,), (Source.PORTRAIT,), (Source.BOOTSTRAP, Source.BULK)):
        chosen = usable & target & np.isin(known.sources, sources)
        if chosen.any():
            break
    else:
        chosen = known.encoded & known.confirmed
    if (known.confirmed & usable).any():
        chosen |= usable & target & (known.sources == Source.PORTRAIT)
    refused = known.encoded & ((known.labels == Label.OTHER) | (known.labels == Label.NOT_FACE))
    return np.asarray(chosen | refused, np.float64)


def _with_trust(known: Known, trust: Doubles, confirmed: int, on: bool, weights: Weights) -> Model:
    target = known.labels == Label.TARGET
    references = np.flatnonzero(target & (trust >= 0.5))
    refusals = np.flatnonzero(~target & (trust >= 0.5))
    if len(references) == 0:
        return Model(None, references, refusals, confirmed, False, trust, weights)
    centroid = known.encodings[references].mean(axis=0)
    near = np.argsort(distances_to(known.encodings[refusals], centroid), kind="stable")[:MOST_REFERENCES]
    return Model(centroid, references, refusals[near], confirmed, on, trust, weights)


def _trust(known: Known, model: Model) -> Doubles:
    """Return the probability that each label is right: Bayes' rule with the other labels and its source's reliability."""
    labelled = (known.labels != Label.NONE) & (known.labels != Label.UNSURE)
    rows = np.flatnonzero(known.encoded & labelled)
    logits = calibration.logit_of(measure(known, model, rows=rows), model.weights)
    target = known.labels[rows] == Label.TARGET
    agrees = np.where(target, sigmoid(logits), sigmoid(-logits))
    right = RELIABILITY_OF[known.sources[rows]]
    posterior = agrees * right / (agrees * right + (1 - agrees) * (1 - right))
    weak = ~np.isin(known.sources[rows], (Source.HUMAN, Source.IMPLIED))
    if model.confirmed:
        posterior[weak & (posterior < TRAINS)] = 0.0
    posterior[known.answers[rows] >= 2] = 1.0
    posterior[target & known.poor[rows]] = 0.0
    trust = np.zeros(len(known))
    trust[rows] = posterior
    if not (trust[known.labels == Label.TARGET] >= 0.5).any():
        return model.trust
    return trust


def _thinned(rows: Indices, most: int) -> Indices:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _without_self(centroid: Floats, rows: Indices, model: Model) -> Floats:
    """Correct the distances of references to the centroid of the other references; 0 for the only reference."""
    count = len(model.references)
    others = count / (count - 1) if count > 1 else 0.0
    return np.where(np.isin(rows, model.references), centroid * others, centroid).astype(np.float32)


def _nearest(known: Known, rows: Indices, references: Indices, k: int, missing: Floats) -> Floats:
    references = _thinned(references, MOST_REFERENCES)
    table = distances(known.encodings[rows], known.encodings[references])
    table = apart_from_self(table, rows, references)
    found = mean_of_nearest(table, k, np.nan)
    return np.where(np.isfinite(found), found, missing).astype(np.float32)


def _without_centroid(known: Known, model: Model) -> Predictions:
    n = len(known)
    nothing = np.full(n, np.nan, np.float32)
    return Predictions(
        nothing,
        nothing,
        np.zeros(n, np.int8),
        np.ones(n, np.float32),
        NOTHING,
        False,
        model.confirmed,
        0.0,
        0.0,
    )
