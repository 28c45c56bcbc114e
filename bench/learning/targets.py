"""What the model must show in bench/recognition.py, and what it did not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from bench.learning.projects import BOOTSTRAP, ERRING, TRUE
from bench.learning.rows import lower_bound
from bench.learning.runs import BASELINE, BUDGETS, OUR_QUESTIONS, OURS

Row = dict[str, Any]
ANSWERS, SMALL_ANSWERS = 20, 10
"""Answers after which a set is judged; the smaller number in sets in which nobody has 20 photographs."""
COVERAGE = 0.85
LEAST_RUNS = 5
HARD_SETS = ("east_asian", "kpop_women")
INFERENCE_S, INFERENCE_FACES = 1.0, "100000"
QUESTIONS_S, QUESTIONS_FACES = 0.05, "20000"
NEEDED = {0.3: 20, 0.1: 40}
"""Answers to enough recall and precision, in the median of every set, by share."""


def missed(rows: Sequence[Row], who: str, small: Collection[str] = ()) -> list[str]:
    """Return a sentence for each target that a row misses; `small`: sets that are judged after SMALL_ANSWERS."""
    ours = [row for row in rows if row["method"] == OURS]
    judged = [row for row in ours if row["answers"] == (SMALL_ANSWERS if row["set"] in small else ANSWERS)]
    true = [row for row in judged if row["volunteer"] == TRUE]
    return [
        *_each(true, who, "precision_mean", lambda row: 0.985 if row["set"] in small else 0.995),
        *_each([row for row in true if row["set"] not in small], who, "precision_worst", lambda row: 0.98),
        *_each(true, who, "recall_mean", lambda row: least_recall(row, small)),
        *_each(
            [row for row in judged if row["volunteer"] in (ERRING, BOOTSTRAP)], who, "precision_mean", lambda row: 0.985
        ),
        *_nothing_claimed(true, who),
        *_on_late(true, who),
        *_uncovered(ours, who),
        *_over_budget(ours, who),
        *_less_sure(rows, who),
    ]


def least_recall(row: Row, small: Collection[str]) -> float:
    """Return the recall that a row is to reach."""
    if row["set"] in small:
        return 0.85
    if row["share"] >= 0.3:
        return 0.95
    return 0.88 if row["set"] in HARD_SETS else 0.93


def _each(rows: Iterable[Row], who: str, key: str, least: Callable[[Row], float]) -> list[str]:
    return [
        f"{_name(row, who)}: {key} {row[key]}, not at least {least(row)}"
        for row in rows
        if row[key] is None or row[key] < least(row)
    ]


def _nothing_claimed(rows: Iterable[Row], who: str) -> list[str]:
    return [
        f"{_name(row, who)}: nothing is claimed for {row['nothing_claimed']} of {row['people']} people, more than one in ten"
        for row in rows
        if row["nothing_claimed"] > max(1, row["people"] // 10)
    ]


def _on_late(rows: Iterable[Row], who: str) -> list[str]:
    return [
        f"{_name(row, who)}: the model is on after {row['answers_to_model']} answers, not 6"
        for row in rows
        if row["answers_to_model"] > 6
    ]


def _uncovered(rows: Sequence[Row], who: str) -> list[str]:
    """Check that the interval holds in COVERAGE of the runs of each set and volunteer, bursts among them."""
    sentences = []
    for kind, volunteer in sorted({(row["set"], row["volunteer"]) for row in rows}):
        chosen = [row for row in rows if (row["set"], row["volunteer"]) == (kind, volunteer)]
        runs = sum(row["runs_covered"] for row in chosen)
        held = sum(row["runs_covered"] * row["coverage"] for row in chosen if row["runs_covered"])
        if held < COVERAGE * runs:
            sentences.append(
                f"{who}, {kind}, {volunteer}: the interval held the truth in {held:.0f} of {runs} runs, not in 85 %"
            )
    return sentences


def _over_budget(rows: Sequence[Row], who: str) -> list[str]:
    """Check the budgets of each set and volunteer by the lower bound of the share of wrong claims, 1 in 500 over all sets."""
    sentences = []
    for kind, volunteer in sorted({(row["set"], row["volunteer"]) for row in rows}):
        chosen = [row for row in rows if (row["set"], row["volunteer"]) == (kind, volunteer)]
        for budget in BUDGETS[:-1]:
            sentences += _over(chosen, budget, f"{who}, {kind}, {volunteer}")
    for volunteer in sorted({row["volunteer"] for row in rows}):
        sentences += _over(
            [row for row in rows if row["volunteer"] == volunteer], BUDGETS[-1], f"{who}, all sets, {volunteer}"
        )
    return sentences


def _over(rows: Sequence[Row], budget: int, whose: str) -> list[str]:
    counts = [(f"{row['set']}/{name}", pair) for row in rows for name, pair in row["by_person"][str(budget)].items()]
    wrong, claimed = (sum(pair[at] for _, pair in counts) for at in (0, 1))
    low = lower_bound(counts)
    if low <= 1 / budget:
        return []
    return [f"{whose}: {wrong} of {claimed} wrong at a budget of 1 in {budget} (at least {low:.4f})"]


def too_many_answers(rows: Sequence[Row], small: Collection[str]) -> list[str]:
    """Check the numbers of answers to enough recall and precision of our questions."""
    return [
        f"{row['set']}, share {row['share']}: {row['median']:.0f} answers in the median, not {NEEDED[row['share']]}"
        for row in rows
        if row["way"] == OUR_QUESTIONS
        and row["set"] not in small
        and row["share"] in NEEDED
        and row["median"] > NEEDED[row["share"]]
    ]


def _less_sure(rows: Sequence[Row], who: str) -> list[str]:
    """The log loss is to be better than that of the usual recipe's distance in every row, over the runs where both are on.

    Rows with fewer than LEAST_RUNS of these say nothing. Each method is judged by the faces that it leaves open: on those that both
    leave open (`log_loss_both`, not judged) only easy ones are left, since ours asks about the others.
    """
    baseline = {_key(row): row["log_loss_same_runs"] for row in rows if row["method"] == BASELINE}
    said = []
    for row in rows:
        mine, theirs = row["log_loss_same_runs"], baseline.get(_key(row))
        if row["method"] != OURS or mine is None or theirs is None or row["runs_both"] < LEAST_RUNS:
            continue
        if mine >= theirs:
            said.append(f"{_name(row, who)}: log loss {mine:.5f}, usual recipe {theirs:.5f} in {row['runs_both']} runs")
    return said


def too_slow(times: dict[str, dict[str, float]]) -> list[str]:
    inference, questions = times[INFERENCE_FACES]["inference"], times[QUESTIONS_FACES]["questions"]
    said = []
    if inference >= INFERENCE_S:
        said.append(f"one inference of {INFERENCE_FACES} faces took {inference:.2f} s, not under {INFERENCE_S:g} s")
    if questions >= QUESTIONS_S:
        said.append(f"ten questions of {QUESTIONS_FACES} faces took {questions:.3f} s, not under {QUESTIONS_S:g} s")
    return said


def _key(row: Row) -> tuple[object, ...]:
    return row["set"], row["share"], row["answers"], row["volunteer"]


def _name(row: Row, who: str) -> str:
    return f"{who}, {row['set']}, share {row['share']}, {row['answers']} answers, {row['volunteer']}"
