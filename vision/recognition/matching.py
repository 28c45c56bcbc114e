"""Prediction of the faces that show the person. Pure functions of arrays, without databases or pictures.

Volunteers see the distance to the centroid of the confirmed faces. The probability is computed from that distance and two more
(to the nearest confirmed faces and to the nearest "No"), and calibrated with the project's own answers. Faces are claimed, most
probable first, while the expected share of wrong claims is within the error budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.recognition import calibration
from vision.recognition.calibration import CONSTANTS, Constants, Doubles, Measures, log_odds, sigmoid
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
LEAST_CLAIMED_POOR = 0.95
"""Small and blurred faces get lower probabilities than they should (of those at 0.75 nine in ten were right), so that little
caution is needed; with 0.99 nearly all that was missed of South Asians were poor faces."""
LEAST_UNSURE = 0.02
NOTHING = 1.1
"""Cut of a model that claims nothing."""
TRAINS = 0.995
"""A label from the wiki or a bulk approval trains the model only with this probability, judged by the other labels: a lookalike's
face that trains brings in the lookalike's other faces. Chosen with people whose lookalikes occur repeatedly, where more of these
trained at 0.95."""
NEAREST = 3
MOST_REFERENCES = 512
COPY, COPY_LAG = 0.3, 4
"""Two faces of one file this near are one person, shown twice: of 673 pairs of faces in photographs of several people none was
nearer than 0.35; the two halves of 60 stereo cards made of photographs were 0.07 to 0.29 apart."""
HARD = 0.25
"""Share of the crowd within the distance threshold above which people are hard to tell apart. With SFace it is 0.00 to
0.03 in the western sets of bench/recognition.py, up to 0.3 among Africans and South Asians, 0.3 to 0.6 among East Asians."""
LEAST_CROWD = 5
MOST_MEASURED, MEASURED_AT_ONCE, MOST_RIVALS = 20_000, 2048, 1000
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
    constants: Constants


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
    look_alikes: float = 0.0
    """Share of the crowd within the distance threshold of the person: how hard the project's people are to tell apart."""

    @property
    def hard(self) -> bool:
        """Whether the people of this project are hard to tell apart, so that each suggestion should be looked at."""
        return self.on and self.look_alikes > HARD

    @property
    def matches(self) -> Flags:
        return np.asarray(self.suggestion == Suggestion.MATCH)


def fit(known: Known, *, min_confirmed: int = MIN_CONFIRMED, constants: Constants | None = None) -> Model:
    """Fit the model to the labels. It is on with at least `min_confirmed` faces confirmed by a human.

    `constants`: those of the faces' encoder unless others are given.
    """
    constants = constants or CONSTANTS[known.encoder]
    confirmed = int((known.confirmed & known.encoded).sum())
    on = confirmed >= min_confirmed
    trust = _first_trust(known)
    for _ in range(2):
        model = _with_trust(known, trust, confirmed, on, constants)
        if model.centroid is None:
            return model
        trust = _trust(known, model)
    return _with_trust(known, trust, confirmed, on, constants)


def measure(known: Known, model: Model, *, rows: Indices | None = None) -> Measures:
    """Measure the distances of the faces `rows` (None: of all). A face is never its own reference."""
    assert model.centroid is not None
    rows = np.arange(len(known)) if rows is None else rows
    own = known.encodings[rows]
    centroid = _without_self(distances_to(own, model.centroid), rows, model)
    nearest, refused = centroid.copy(), np.full(len(rows), calibration.FAR, np.float32)
    band = np.flatnonzero(centroid < calibration.FAR)
    if len(band) > MOST_MEASURED:
        band = band[np.argpartition(centroid[band], MOST_MEASURED)[:MOST_MEASURED]]
    nearest[band] = _nearest(known, rows[band], model.references, NEAREST, centroid[band])
    refused[band] = _nearest(known, rows[band], model.refusals, 1, refused[band])
    return Measures(centroid, nearest, refused)


def measure_with_crowd(known: Known, model: Model) -> tuple[Measures, Indices]:
    """Measure all faces, and how they lie to the crowd: the faces that are probably not the person's, returned as rows.

    Whether a face is unusually near to the person depends on how near other people of this project come: in a category of
    people who look alike everybody is near to everybody. No label is needed to see that. And a look-alike's faces are nearer
    to each other than to the person's.
    """
    measures = measure(known, model)
    logits = calibration.logit_of(measures, model.constants.first)
    crowd = _crowd(known, logits)
    if len(crowd) < LEAST_CROWD:
        return measures, crowd
    rival = _rival(known, logits, measures.centroid, crowd)
    around = _root_mean_square_distance(known.encodings, known.encodings[crowd])
    return Measures(measures.centroid, measures.nearest, measures.refused, rival, around), crowd


def _crowd(known: Known, logits: Doubles) -> Indices:
    """Return the faces that were refused, or that the labelled faces alone make improbable."""
    open_ = known.open & known.encoded
    share = calibration.share_of(logits[open_]) if open_.any() else 0.5
    probability = one_per_file(sigmoid(logits + log_odds(share)), known)
    refused = (known.labels == Label.OTHER) | (known.labels == Label.NOT_FACE)
    crowd = known.encoded & (known.files != REFERENCE_ONLY) & (refused | (known.open & (probability < 0.5)))
    return np.flatnonzero(crowd)


def _rival(known: Known, logits: Doubles, centroid: Floats, crowd: Indices) -> Floats:
    """Return the distance of each face to the nearest faces of the crowd in other files, at most FAR.

    Of a large project only the MOST_MEASURED likeliest faces are measured; the others are taken for someone else's (0). Of a
    large crowd the MOST_RIVALS nearest to the centroid are looked at: rivals of faces near the centroid are near it too.
    """
    rival = np.zeros(len(known), np.float32)
    rows = np.flatnonzero(known.encoded)
    if len(rows) > MOST_MEASURED:
        rows = rows[np.argpartition(-logits[rows], MOST_MEASURED)[:MOST_MEASURED]]
    if len(crowd) > MOST_RIVALS:
        crowd = crowd[np.argpartition(centroid[crowd], MOST_RIVALS)[:MOST_RIVALS]]
    for part in np.array_split(rows, -(-len(rows) // MEASURED_AT_ONCE) or 1):
        table = distances(known.encodings[part], known.encodings[crowd])
        table[known.files[part][:, None] == known.files[crowd][None, :]] = np.inf
        rival[part] = mean_of_nearest(table, NEAREST, calibration.FAR)
    return rival


def _root_mean_square_distance(encodings: Floats, others: Floats) -> Floats:
    """Return the root mean square distance of each encoding to all others: from their mean, without a table of distances."""
    squares = np.einsum("ij,ij->i", encodings, encodings)
    middle, square = others.mean(axis=0), float(np.einsum("ij,ij->i", others, others).mean())
    return np.asarray(np.sqrt(np.maximum(squares + square - 2 * (encodings @ middle), 0)), np.float32)


def _logits(measures: Measures, constants: Constants) -> Doubles:
    return calibration.logit_of(measures, constants.first if measures.rival is None else constants.full)


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
    open_ = known.open & known.encoded
    measures, crowd = measure_with_crowd(known, model)
    logits = _logits(measures, model.constants)
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
        float((measures.centroid[crowd] <= threshold).mean()) if len(crowd) else 0.0,
    )


def infer(
    known: Known,
    *,
    threshold: float = THRESHOLD,
    error_budget: int = ERROR_BUDGET,
    min_confirmed: int = MIN_CONFIRMED,
    constants: Constants | None = None,
) -> Predictions:
    """Run `fit` and `predict`."""
    model = fit(known, min_confirmed=min_confirmed, constants=constants)
    return predict(known, model, threshold=threshold, error_budget=error_budget)


def least_claimed(error_budget: int) -> float:
    """Return the least probability of a claim: no claim may be more than ten times as doubtful as the budget's average."""
    return max(LEAST_CLAIMED, 1 - 10 / error_budget)


def claimable(known: Known, distance: Floats, probability: Doubles, threshold: float = THRESHOLD) -> Flags:
    """Return the faces that may be claimed if the error budget is large enough."""
    sure = probability >= np.where(known.poor, LEAST_CLAIMED_POOR, 0.0)
    return np.asarray(known.open & known.encoded & (distance <= threshold) & sure)


def one_per_file(probability: Doubles, known: Known) -> Doubles:
    """Condition the probabilities on at most one person of a file being the person: Bayes' rule over the file's faces.

    Two faces of different people that are equally likely end below a half each; two of one person (`copies`) do not compete.
    Answered faces keep theirs. Files marked `twice` are left alone.
    """
    rows = np.flatnonzero((known.files != REFERENCE_ONLY) & ~known.twice)
    _, place, count = np.unique(known.files[rows], return_inverse=True, return_counts=True)
    rows, place = rows[count[place] > 1], place[count[place] > 1]
    if len(rows) == 0:
        return probability
    p = np.clip(probability[rows], 1e-9, 1 - 1e-9)
    odds = np.where(known.human[rows], 0.0, p / (1 - p))
    taken = np.bincount(place, known.confirmed[rows], minlength=len(count)) > 0
    person = _people(known, rows)
    best = np.zeros(len(known))
    np.maximum.at(best, person, odds)
    together = np.zeros(len(count))
    heads = person == rows
    np.add.at(together, place[heads], best[rows[heads]])
    rivals = np.maximum(together[place] - best[person], 0.0)
    shared = np.where(taken[place], 0.0, odds / (1 + odds + rivals))
    result = probability.copy()
    result[rows] = np.where(known.human[rows], probability[rows], shared)
    return result


def copies(known: Known, rows: Indices) -> tuple[Indices, Indices]:
    """Return pairs of faces, of these rows, that show one person twice in one file: stereo cards, photo booths, mirrors.

    Faces of one file have neighbouring rows; of a crowd only neighbours up to COPY_LAG apart are compared.
    """
    order = rows[np.argsort(known.files[rows], kind="stable")]
    first, second = [], []
    for lag in range(1, COPY_LAG + 1):
        a, b = order[:-lag], order[lag:]
        together = np.flatnonzero((known.files[a] == known.files[b]) & known.encoded[a] & known.encoded[b])
        a, b = a[together], b[together]
        near = np.linalg.norm(known.encodings[a] - known.encodings[b], axis=1) < COPY
        first.append(a[near])
        second.append(b[near])
    return np.concatenate(first), np.concatenate(second)


def _people(known: Known, rows: Indices) -> Indices:
    """Return for each row the first face of the same person in its file: itself, unless they are copies."""
    first = np.arange(len(known))
    for a, b in zip(*copies(known, rows), strict=True):
        first[first == first[b]] = first[a]
    return np.asarray(first[rows], np.int64)


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


def _with_trust(known: Known, trust: Doubles, confirmed: int, on: bool, constants: Constants) -> Model:
    target = known.labels == Label.TARGET
    references = np.flatnonzero(target & (trust >= 0.5))
    refusals = np.flatnonzero(~target & (trust >= 0.5))
    if len(references) == 0:
        return Model(None, references, refusals, confirmed, False, trust, constants)
    centroid = known.encodings[references].mean(axis=0)
    near = np.argsort(distances_to(known.encodings[refusals], centroid), kind="stable")[:MOST_REFERENCES]
    return Model(centroid, references, refusals[near], confirmed, on, trust, constants)


def _trust(known: Known, model: Model) -> Doubles:
    """Return the probability that each label is right: Bayes' rule with the other labels and its source's reliability."""
    labelled = (known.labels != Label.NONE) & (known.labels != Label.UNSURE)
    rows = np.flatnonzero(known.encoded & labelled)
    logits = calibration.logit_of(measure(known, model, rows=rows), model.constants.first)
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
