"""One project played through by one volunteer, with our model and with the usual recipe, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.learning.projects import ERRING, ERRS, Project, answered
from vision.recognition import estimate
from vision.recognition.calibration import Constants, Doubles, sigmoid
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
OUR_QUESTIONS, RANDOM, GREEDY = WAYS = ("ours", "random", "greedy")
ENOUGH_RECALL, ENOUGH_PRECISION = 0.95, 0.995
MOST_ANSWERS, GREEDY_TRIED = 80, 6
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
    recall_poor: float = np.nan
    """Recall of the person's small and blurred faces; NaN where there are none."""


def play(
    project: Project,
    volunteer: str,
    checkpoints: tuple[int, ...],
    rng: np.random.Generator,
    constants: Constants | None = None,
) -> list[Result]:
    """Our model's results at each number of answers."""
    known, errs = project.known, ERRS if volunteer == ERRING else 0.0
    results, queue, on_after = [], list[Question](), max(checkpoints) + 1
    for count in range(1, max(checkpoints) + 1):
        if not queue:
            predictions = infer(known, constants=constants)
            queue = choose(known, predictions, rng, ROUND if predictions.on else 1)
        if queue:
            known = answered(project, known, queue.pop(0), errs, rng)
        if on_after > count and int(known.confirmed.sum()) >= MIN_CONFIRMED:
            on_after = count
        if count in checkpoints:
            results.append(_ours(project, known, count, on_after, errs, rng, constants))
    return results


def _ours(
    project: Project,
    known: Known,
    count: int,
    on_after: int,
    errs: float,
    rng: np.random.Generator,
    constants: Constants | None,
) -> Result:
    model = fit(known, constants=constants)
    by_budget = {budget: predict(known, model, error_budget=budget) for budget in BUDGETS}
    predictions = by_budget[100]
    right = {b: int((p.matches & project.truth).sum()) for b, p in by_budget.items()}
    wrong = {b: int((p.matches & ~project.truth).sum()) for b, p in by_budget.items()}
    recall = _recall(project, known, predictions.matches)
    if not predictions.on:
        return Result(OURS, count, False, on_after, right, wrong, recall, np.nan)
    chances = np.where(known.open, predictions.probability.astype(np.float64), np.nan)
    loss = log_loss(chances[known.open], project.truth[known.open])
    covered, bound = _unfound(project, known, errs, rng, constants)
    poor = _recall(project, known, predictions.matches, known.poor)
    return Result(OURS, count, True, on_after, right, wrong, recall, loss, chances, covered, bound, recall_poor=poor)


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


def _recall(project: Project, known: Known, matches: Flags, among: Flags | None = None) -> float:
    mine = project.truth & project.scored
    if among is not None:
        mine = mine & among
    return float(((matches | known.confirmed) & mine).sum() / mine.sum()) if mine.any() else float("nan")


def answers_needed(project: Project, how: str, rng: np.random.Generator, constants: Constants | None = None) -> int:
    """Return after how many truthful answers recall is ENOUGH_RECALL and precision ENOUGH_PRECISION; MOST_ANSWERS + 1 if never.

    `how`: OUR_QUESTIONS; RANDOM ones; or GREEDY: of GREEDY_TRIED random faces the one after whose answer most is found, which
    takes knowing the truth.
    """
    known = project.known
    queue: list[Question] = []
    for count in range(1, MOST_ANSWERS + 1):
        predictions = infer(known, constants=constants)
        if how == OUR_QUESTIONS and not queue:
            queue = choose(known, predictions, rng, ROUND if predictions.on else 1)
        if how != OUR_QUESTIONS:
            queue = [_drawn(project, known, how, rng, constants)]
        if not queue:
            return MOST_ANSWERS + 1
        known = answered(project, known, queue.pop(0), 0.0, rng)
        if _enough(project, known, infer(known, constants=constants).matches):
            return count
    return MOST_ANSWERS + 1


def _drawn(project: Project, known: Known, how: str, rng: np.random.Generator, constants: Constants | None) -> Question:
    rows = np.flatnonzero(known.open & known.encoded)
    if how == RANDOM:
        return Question(int(rng.choice(rows)), Why.UNSEEN)
    tried = rng.choice(rows, min(GREEDY_TRIED, len(rows)), replace=False)

    def found(face: int) -> float:
        after = answered(project, known, Question(face, Why.UNSEEN), 0.0, rng)
        matches = infer(after, constants=constants).matches
        wrong = float((matches & ~project.truth).sum())
        return _recall(project, after, matches) - wrong + 0.01 * float(project.truth[face])

    return Question(int(max(tried.tolist(), key=found)), Why.UNSEEN)


def _enough(project: Project, known: Known, matches: Flags) -> bool:
    right, wrong = int((matches & project.truth).sum()), int((matches & ~project.truth).sum())
    precise = wrong <= (1 - ENOUGH_PRECISION) * max(right + wrong, 1)
    return precise and _recall(project, known, matches) >= ENOUGH_RECALL


def _unfound(
    project: Project, known: Known, errs: float, rng: np.random.Generator, constants: Constants | None
) -> tuple[bool, float]:
    """Whether the interval after SPOT_CHECKS holds the truth, and its upper end as a share of the matches found.

    A check whose answer nothing else speaks for is asked again, as in the product; that is one of the SPOT_CHECKS too.
    """
    checked = np.zeros(len(known), bool)
    for _ in range(SPOT_CHECKS // CHECKED_AT_ONCE):
        predictions = infer(known, constants=constants)
        again = [int(face) for face in mistaken(known, predictions) if checked[face]]
        drawn = spot_checks(known, predictions, rng, max(0, CHECKED_AT_ONCE - len(again)))
        checked[drawn] = True
        for face in [*again[:CHECKED_AT_ONCE], *drawn.tolist()]:
            known = answered(project, known, Question(face, Why.SPOT_CHECK), errs, rng)
    predictions = infer(known, constants=constants)
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
    encodings = known.encodings if project.usual is None else project.usual
    distance = distances_to(encodings, encodings[known.confirmed].mean(axis=0))
    open_ = known.open
    matches = open_ & (distance <= THRESHOLD)
    right, wrong = int((matches & project.truth).sum()), int((matches & ~project.truth).sum())
    chances = np.where(open_, sigmoid(BASELINE_SLOPE * (distance.astype(np.float64) - BASELINE_MIDDLE)), np.nan)
    loss = log_loss(chances[open_], project.truth[open_])
    recall = _recall(project, known, matches)
    by_budget = dict.fromkeys(BUDGETS, right), dict.fromkeys(BUDGETS, wrong)
    return Result(BASELINE, count, True, on_after, *by_budget, recall, loss, chances)
