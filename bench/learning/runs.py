"""One project played through by one volunteer, with our model and with the usual recipe, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.learning.projects import ERRING, ERRS, Project, answered
from vision.recognition import estimate
from vision.recognition.calibration import WEIGHTS, Doubles, Weights, sigmoid
from vision.recognition.geometry import distances_to
from vision.recognition.labelled_faces import Flags, Known
from vision.recognition.matching import MIN_CONFIRMED, THRESHOLD, fit, infer, predict
from vision.recognition.questions import Question, Why, choose, mistaken, spot_checks

OURS, BASELINE = METHODS = ("ours", "baseline")
BUDGETS = (50, 100, 500)
SPOT_CHECKS, CHECKED_AT_ONCE = 40, 5
ROUND = 5
"""Once the model is on, questions are ranked anew after so many answers (the product does so within 2 s of an answer)."""
CERTAIN = 1e-6
BASELINE_SLOPE, BASELINE_MIDDLE = -52.5, 0.495
"""The usual recipe's distance as a probability: the best logistic curve on the first half of the people (bench/constants.py)."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Counts after so many answers. `right` and `wrong` are matches claimed of faces no human answered, by error budget.

    `log_loss` is over the faces left open. `chances` are the probabilities of all faces, NaN where one was answered; None while
    the method is off. `log_loss_both` is over the faces that both methods leave open (`paired`), NaN where one of them is off.
    """

    method: str
    answers: int
    on: bool
    answers_to_model: int
    right: dict[int, int]
    wrong: dict[int, int]
    recall: float
    log_loss: float
    chances: Doubles | None = None
    covered: bool | None = None
    upper_bound_share: float | None = None
    log_loss_both: float = np.nan


def play(
    project: Project,
    volunteer: str,
    checkpoints: tuple[int, ...],
    rng: np.random.Generator,
    weights: Weights = WEIGHTS,
) -> list[Result]:
    """Our model's results at each number of answers."""
    known, errs = project.known, ERRS if volunteer == ERRING else 0.0
    results, queue, on_after = [], list[Question](), max(checkpoints) + 1
    for count in range(1, max(checkpoints) + 1):
        if not queue:
            predictions = infer(known, weights=weights)
            queue = choose(known, predictions, rng, ROUND if predictions.on else 1)
        if queue:
            known = answered(project, known, queue.pop(0), errs, rng)
        if on_after > count and int(known.confirmed.sum()) >= MIN_CONFIRMED:
            on_after = count
        if count in checkpoints:
            results.append(_ours(project, known, count, on_after, errs, rng, weights))
    return results


def _ours(
    project: Project, known: Known, count: int, on_after: int, errs: float, rng: np.random.Generator, weights: Weights
) -> Result:
    model = fit(known, weights=weights)
    by_budget = {budget: predict(known, model, error_budget=budget) for budget in BUDGETS}
    predictions = by_budget[100]
    right = {b: int((p.matches & project.truth).sum()) for b, p in by_budget.items()}
    wrong = {b: int((p.matches & ~project.truth).sum()) for b, p in by_budget.items()}
    recall = _recall(project, known, predictions.matches)
    if not predictions.on:
        return Result(OURS, count, False, on_after, right, wrong, recall, np.nan)
    chances = np.where(known.open, predictions.probability.astype(np.float64), np.nan)
    loss = log_loss(chances[known.open], project.truth[known.open])
    covered, bound = _unfound(project, known, errs, rng, weights)
    return Result(OURS, count, True, on_after, right, wrong, recall, loss, chances, covered, bound)


def paired(project: Project, ours: Sequence[Result], baseline: Sequence[Result]) -> list[Result]:
    """The results of both methods with `log_loss_both`, and without `chances`."""
    done = [replace(result, chances=None) for result in (*ours, *baseline)]
    for place, (mine, theirs) in enumerate(zip(ours, baseline, strict=True)):
        if mine.chances is None or theirs.chances is None:
            continue
        both = np.isfinite(mine.chances) & np.isfinite(theirs.chances)
        for at, result in ((place, mine), (len(ours) + place, theirs)):
            assert result.chances is not None
            done[at] = replace(done[at], log_loss_both=log_loss(result.chances[both], project.truth[both]))
    return done


def _recall(project: Project, known: Known, matches: Flags) -> float:
    mine = project.truth & project.scored
    return float(((matches | known.confirmed) & mine).sum() / mine.sum())


def _unfound(
    project: Project, known: Known, errs: float, rng: np.random.Generator, weights: Weights
) -> tuple[bool, float]:
    """Whether the interval after SPOT_CHECKS holds the truth, and its upper end as a share of the matches found.

    A check whose answer nothing else speaks for is asked again, as in the product; that is one of the SPOT_CHECKS too.
    """
    checked = np.zeros(len(known), bool)
    for _ in range(SPOT_CHECKS // CHECKED_AT_ONCE):
        predictions = infer(known, weights=weights)
        again = [int(face) for face in mistaken(known, predictions) if checked[face]]
        drawn = spot_checks(known, predictions, rng, max(0, CHECKED_AT_ONCE - len(again)))
        checked[drawn] = True
        for face in [*again[:CHECKED_AT_ONCE], *drawn.tolist()]:
            known = answered(project, known, Question(face, Why.SPOT_CHECK), errs, rng)
    predictions = infer(known, weights=weights)
    missing = estimate.from_predictions(known, predictions, checked)
    left = known.open & ~predictions.matches
    truth = int((left & project.truth).sum())
    found = int((predictions.matches | (known.confirmed & project.scored)).sum())
    return missing.low <= truth <= missing.high, missing.high / max(found, 1)


def log_loss(probability: np.ndarray, truth: Flags) -> float:
    p = np.clip(probability.astype(np.float64), CERTAIN, 1 - CERTAIN)
    return float(-np.log(np.where(truth, p, 1 - p)).mean()) if len(p) else 0.0


def play_baseline(
    project: Project, volunteer: str, checkpoints: tuple[int, ...], rng: np.random.Generator
) -> list[Result]:
    """The usual recipe: questions in random order, mean of the confirmed faces, cut at 0.6 after 5 confirmed."""
    errs = ERRS if volunteer == ERRING else 0.0
    order = rng.permutation(np.flatnonzero(project.scored & project.known.encoded))
    known = replace(
        project.known, labels=np.zeros_like(project.known.labels), sources=np.zeros_like(project.known.sources)
    )
    results, on_after = [], len(order) + 1
    for count, face in enumerate(order, start=1):
        known = answered(project, known, Question(int(face), Why.UNSEEN), errs, rng)
        if on_after > count and int(known.confirmed.sum()) >= MIN_CONFIRMED:
            on_after = count
        if count in checkpoints:
            results.append(_baseline(project, known, count, on_after))
        if count >= max(on_after, *checkpoints):
            break
    if len(order) < max(checkpoints):
        results += [_baseline(project, known, c, on_after) for c in checkpoints if c > len(order)]
    return results


def _baseline(project: Project, known: Known, count: int, on_after: int) -> Result:
    on = on_after <= count
    if not on:
        nothing = dict.fromkeys(BUDGETS, 0)
        none = np.zeros(len(known), bool)
        return Result(BASELINE, count, False, on_after, nothing, nothing, _recall(project, known, none), np.nan)
    distance = distances_to(known.encodings, known.encodings[known.confirmed].mean(axis=0))
    open_ = known.open
    matches = open_ & (distance <= THRESHOLD)
    right, wrong = int((matches & project.truth).sum()), int((matches & ~project.truth).sum())
    chances = np.where(open_, sigmoid(BASELINE_SLOPE * (distance.astype(np.float64) - BASELINE_MIDDLE)), np.nan)
    loss = log_loss(chances[open_], project.truth[open_])
    recall = _recall(project, known, matches)
    by_budget = dict.fromkeys(BUDGETS, right), dict.fromkeys(BUDGETS, wrong)
    return Result(BASELINE, count, True, on_after, *by_budget, recall, loss, chances)
