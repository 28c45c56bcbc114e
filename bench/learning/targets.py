"""What the model must show in bench/recognition.py, and what it did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import exp, lgamma, log
from typing import Any

from bench.learning.projects import BOOTSTRAP, ERRING, TRUE
from bench.learning.rows import budget_rows
from bench.learning.runs import BASELINE, BUDGETS, OURS

Row = dict[str, Any]
ANSWERS = 20
COVERAGE = 0.9
CHANCE = 0.05
"""A promise counts as broken in one row when so many wrong ones would come by chance, were it kept, less often than this."""
LEAST_RUNS = 5
INFERENCE_S, INFERENCE_FACES = 1.0, "100000"
QUESTIONS_S, QUESTIONS_FACES = 0.05, "20000"


def missed(rows: Sequence[Row], who: str) -> list[str]:
    """A sentence for each target that a row misses."""
    ours = [row for row in rows if row["method"] == OURS]
    return [
        *_each(ours, who, TRUE, "precision_mean", lambda v: v >= 0.995, "at least 0.995"),
        *_each(ours, who, TRUE, "precision_worst", lambda v: v >= 0.97, "at least 0.97"),
        *_each(ours, who, TRUE, "recall_mean", lambda v: v >= 0.95, "at least 0.95"),
        *_each(ours, who, TRUE, "answers_to_model", lambda v: v <= 6, "at most 6"),
        *_each(ours, who, ERRING, "precision_mean", lambda v: v >= 0.985, "at least 0.985"),
        *_each(ours, who, BOOTSTRAP, "precision_mean", lambda v: v >= 0.985, "at least 0.985"),
        *_each(ours, who, TRUE, "coverage", lambda v: v >= COVERAGE, "at least 0.9"),
        *_uncovered(ours, who),
        *_each(ours, who, TRUE, "upper_bound_share", lambda v: v <= 0.05, "at most 0.05"),
        *_over_budget(ours, who),
        *_less_sure(rows, who),
    ]


def _each(
    rows: Iterable[Row], who: str, volunteer: str, key: str, holds: Callable[[float], bool], wanted: str
) -> list[str]:
    chosen = [row for row in rows if row["volunteer"] == volunteer and row["answers"] == ANSWERS]
    return [
        f"{_name(row, who)}: {key} {row[key]}, not {wanted}"
        for row in chosen
        if row[key] is None or not holds(row[key])
    ]


def _uncovered(rows: Sequence[Row], who: str) -> list[str]:
    """Nine of ten runs also of every volunteer, set and share, whatever the number of answers before the checks."""
    said = []
    for kind, share, volunteer in sorted({(row["set"], row["share"], row["volunteer"]) for row in rows}):
        chosen = [row for row in rows if (row["set"], row["share"], row["volunteer"]) == (kind, share, volunteer)]
        runs = sum(row["runs_covered"] for row in chosen)
        held = sum(row["runs_covered"] * row["coverage"] for row in chosen if row["runs_covered"])
        if held < COVERAGE * runs:
            said.append(
                f"{who}, {kind}, share {share}, {volunteer}: the interval held the truth in {held:.0f} of {runs} runs, not in 90 %"
            )
    return said


def _over_budget(rows: Sequence[Row], who: str) -> list[str]:
    """What is promised is promised on average: the wrong ones of each set and volunteer, pooled over shares and answers.

    Of one share alone there are too few to tell 1 in 500: there the promise is broken when chance does not explain it (CHANCE).
    """
    said = []
    each = budget_rows(rows)
    for kind, volunteer in sorted({(row["set"], row["volunteer"]) for row in each}):
        chosen = [row for row in each if (row["set"], row["volunteer"]) == (kind, volunteer)]
        for budget in BUDGETS:
            claimed, wrong = (sum(row[key][str(budget)] for row in chosen) for key in ("claimed", "wrong"))
            if wrong > claimed / budget:
                said.append(f"{who}, {kind}, {volunteer}: {wrong} of {claimed} wrong at a budget of 1 in {budget}")
    for row in each:
        for budget in BUDGETS:
            claimed, wrong = row["claimed"][str(budget)], row["wrong"][str(budget)]
            if wrong > claimed / budget and by_chance(wrong, claimed / budget) < CHANCE:
                where = f"{row['set']}, share {row['share']}, {row['volunteer']}"
                said.append(f"{who}, {where}: {wrong} of {claimed} wrong at a budget of 1 in {budget}")
    return said


def by_chance(wrong: int, expected: float) -> float:
    """How often at least `wrong` come where `expected` do on average (Poisson)."""
    if expected <= 0:
        return float(wrong <= 0)
    return 1 - sum(exp(k * log(expected) - expected - lgamma(k + 1)) for k in range(wrong))


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
