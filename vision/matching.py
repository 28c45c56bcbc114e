"""Which faces are the person's. Pure functions of arrays; nothing here knows of databases or pictures.

The measure people see is the distance to the centroid of the confirmed faces. A probability is made of it and of two
more distances (to the nearest confirmed faces and to the nearest "No"), corrected by the project's own answers. A face is
claimed while the expected share of wrong ones keeps within the error budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision import calibration
from vision.calibration import Doubles, Measures, log_odds, sigmoid
from vision.geometry import apart_from_self, distances, distances_to, mean_of_nearest
from vision.known import REFERENCE_ONLY, Codes, Flags, Floats, Indices, Known, Label, Reason, Source, Suggestion

MIN_CONFIRMED = 5
THRESHOLD = 0.6
ERROR_BUDGET = 100
LEAST_CLAIMED = 0.9
LEAST_UNSURE = 0.02
NEAREST = 3
MOST_REFERENCES = 512
RELIABILITY = {
    Source.PORTRAIT: 0.98,
    Source.BOOTSTRAP: 0.85,
    Source.BULK: 0.97,
    Source.HUMAN: 0.97,
    Source.IMPLIED: 0.97,
}


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """`centroid` is None without a known face. `references` and `refusals` are rows of the project's faces."""

    centroid: Floats | None
    references: Indices
    weights: Doubles
    refusals: Indices
    confirmed: int
    on: bool
    trust: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One row per face. `probability` of an answered face is what the others say of it.

    `distance` is NaN without a centroid. `cut` is the least probability claimed. `expected_wrong` is the sum over the
    claimed faces of what they lack to certainty.
    """

    distance: Floats
    probability: Floats
    suggestion: Codes
    reason: Codes
    trust: Floats
    cut: float
    on: bool
    confirmed: int
    share: float
    expected_wrong: float

    @property
    def matches(self) -> Flags:
        return np.asarray(self.suggestion == Suggestion.MATCH)


def fit(known: Known, *, min_confirmed: int = MIN_CONFIRMED) -> Model:
    """The model of what is known. It is on with `min_confirmed` faces confirmed by a human."""
    confirmed = int((known.confirmed & known.encoded).sum())
    on = confirmed >= min_confirmed
    trust = _first_trust(known)
    for _ in range(2):
        model = _with_trust(known, trust, confirmed, on)
        if model.centroid is None:
            return model
        trust = _trust(known, model)
    return _with_trust(known, trust, confirmed, on)


def measure(known: Known, model: Model, *, rows: Indices | None = None) -> Measures:
    """The distances of the faces `rows` (None: of all). A face is never its own reference."""
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
    """Probabilities of all faces, and suggestions for those about which no human has spoken."""
    n = len(known)
    if model.centroid is None:
        return _silent(known, model)
    measures = measure(known, model)
    logits = calibration.logit_of(measures)
    open_ = known.open & known.encoded
    share = calibration.share_of(logits[open_])
    logits = logits + log_odds(share)
    said = known.human & known.encoded & ((known.labels == Label.TARGET) | (known.labels == Label.OTHER))
    curve = calibration.corrected(logits[said], known.labels[said] == Label.TARGET, known.answers[said] >= 2)
    probability = calibration.probability(logits, curve, share)
    probability[~known.encoded] = 0.0
    probability = one_per_file(probability, known)
    suggestion, reason, cut = decide(known, model, measures, probability, threshold, error_budget)
    wrong = float((1 - probability[suggestion == Suggestion.MATCH]).sum())
    return Predictions(
        measures.centroid,
        probability.astype(np.float32),
        suggestion,
        reason,
        model.trust.astype(np.float32) if len(model.trust) else np.ones(n, np.float32),
        cut,
        model.on,
        model.confirmed,
        share,
        wrong,
    )


def infer(
    known: Known, *, threshold: float = THRESHOLD, error_budget: int = ERROR_BUDGET, min_confirmed: int = MIN_CONFIRMED
) -> Predictions:
    """`fit` and `predict` in one."""
    return predict(known, fit(known, min_confirmed=min_confirmed), threshold=threshold, error_budget=error_budget)


def one_per_file(probability: Doubles, known: Known) -> Doubles:
    """Probabilities given that at most one face of a file is the person's (Bayes' rule over the faces of the file)."""
    single = np.flatnonzero((known.files != REFERENCE_ONLY) & ~known.twice)
    _, place, count = np.unique(known.files[single], return_inverse=True, return_counts=True)
    crowded = single[count[place] > 1]
    if len(crowded) == 0:
        return probability
    result = probability.copy()
    _, place = np.unique(known.files[crowded], return_inverse=True)
    given = np.clip(probability[crowded], 1e-9, 1 - 1e-9)
    odds = given / (1 - given)
    target = np.bincount(place, known.confirmed[crowded]) > 0
    total = 1 + np.bincount(place, odds)
    shared = np.where(target[place], np.where(known.confirmed[crowded], given, 0.0), odds / total[place])
    answered = known.human[crowded]
    result[crowded] = np.where(answered, given, shared)
    return result


def decide(
    known: Known, model: Model, measures: Measures, probability: Doubles, threshold: float, error_budget: int
) -> tuple[Codes, Codes, float]:
    """Suggestion and reason of each face, and the cut."""
    n = len(known)
    suggestion, reason = np.zeros(n, np.int8), np.zeros(n, np.int8)
    open_ = known.open
    reason[~open_] = Reason.HUMAN
    if not model.on:
        reason[open_] = Reason.OFF
        return suggestion, reason, 1.1
    near = measures.centroid <= threshold
    may = open_ & near & known.encoded
    cut = calibration.cut(probability[may], error_budget, LEAST_CLAIMED)
    match = may & (probability >= cut)
    unsure = open_ & ~match & known.encoded & (probability >= LEAST_UNSURE)
    suggestion[open_] = Suggestion.NO_MATCH
    suggestion[unsure] = Suggestion.UNSURE
    suggestion[match] = Suggestion.MATCH
    reason[open_] = Reason.DIFFERENT
    reason[open_ & (measures.refused < measures.nearest)] = Reason.LIKE_A_NO
    reason[unsure] = Reason.OVER_BUDGET
    reason[unsure & known.poor] = Reason.POOR
    reason[open_ & ~near & (probability >= LEAST_UNSURE)] = Reason.BEYOND_THRESHOLD
    reason[match] = Reason.ALIKE
    reason[open_ & ~known.encoded] = Reason.NO_ENCODING
    return suggestion, reason, cut


def _first_trust(known: Known) -> Doubles:
    """Humans are believed at first. Without them the portrait is, and without a portrait the bootstrap."""
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


def _with_trust(known: Known, trust: Doubles, confirmed: int, on: bool) -> Model:
    target = known.labels == Label.TARGET
    references = np.flatnonzero(target & (trust >= 0.5))
    refusals = np.flatnonzero(~target & (trust >= 0.5))
    weights = trust[references]
    if len(references) == 0:
        return Model(None, references, weights, refusals, confirmed, False, trust)
    centroid = np.average(known.encodings[references], axis=0, weights=weights).astype(np.float32)
    near = np.argsort(distances_to(known.encodings[refusals], centroid), kind="stable")[:MOST_REFERENCES]
    return Model(centroid, references, weights, refusals[near], confirmed, on, trust)


def _trust(known: Known, model: Model) -> Doubles:
    """How probably each label is right, by the other labels: Bayes' rule with the reliability of its source."""
    rows = np.flatnonzero(known.encoded & (known.sources != Source.NONE) & (known.labels != Label.NONE))
    logits = calibration.logit_of(measure(known, model, rows=rows))
    target = known.labels[rows] == Label.TARGET
    agrees = np.where(target, sigmoid(logits), sigmoid(-logits))
    right = np.array([RELIABILITY[Source(s)] for s in known.sources[rows]])
    posterior = agrees * right / (agrees * right + (1 - agrees) * (1 - right))
    weak = ~np.isin(known.sources[rows], (Source.HUMAN, Source.IMPLIED))
    if model.confirmed:
        posterior[weak & (posterior < 0.95)] = 0.0
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
    """Distances to the centroid of the other references, for faces that are references themselves."""
    total = model.weights.sum()
    rest = np.full(len(rows), total)
    place = np.searchsorted(model.references, rows)
    place[place == len(model.references)] = 0
    own = model.references[place] == rows
    rest[own] -= model.weights[place[own]]
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = centroid * (total / rest)
    return np.where(own, np.where(rest > 1e-6, left_out, 0.0), centroid).astype(np.float32)


def _nearest(known: Known, rows: Indices, references: Indices, k: int, missing: Floats) -> Floats:
    references = _thinned(references, MOST_REFERENCES)
    table = distances(known.encodings[rows], known.encodings[references])
    table = apart_from_self(table, rows, references)
    found = mean_of_nearest(table, k, np.nan)
    return np.where(np.isfinite(found), found, missing).astype(np.float32)


def _silent(known: Known, model: Model) -> Predictions:
    n = len(known)
    reason = np.where(known.open, Reason.OFF, Reason.HUMAN).astype(np.int8)
    nothing = np.full(n, np.nan, np.float32)
    return Predictions(
        nothing, nothing, np.zeros(n, np.int8), reason, np.ones(n, np.float32), 1.1, False, model.confirmed, 0.0, 0.0
    )
