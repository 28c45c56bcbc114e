"""What the model must show in bench/recognition.py, and what it did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.projects import BOOTSTRAP, ERRING, TRUE
from bench.runs import BASELINE, BUDGETS, OURS

Row = dict[str, Any]
ANSWERS = 20
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
    """Nine of ten runs, over all sets: where a source labels bystanders as the person, no interval can know of them."""
    said = []
    for share in sorted({row["share"] for row in rows}):
        chosen = [row for row in rows if (row["volunteer"], row["answers"], row["share"]) == (TRUE, ANSWERS, share)]
        runs = sum(row["people"] * row["seeds"] for row in chosen if row["coverage"] is not None)
        held = sum(row["people"] * row["seeds"] * row["coverage"] for row in chosen if row["coverage"] is not None)
        if chosen and held < 0.9 * runs:
            said.append(f"{who}, share {share}: the interval held the truth in {held:.0f} of {runs} runs, not in 90 %")
    return said


def _over_budget(rows: Sequence[Row], who: str) -> list[str]:
    """What is promised is promised on average: each volunteer's wrong ones are pooled over sets, shares and answers."""
    said = []
    for volunteer in sorted({row["volunteer"] for row in rows}):
        for budget in BUDGETS:
            counted = [row for row in rows if row["volunteer"] == volunteer and row["budgets"][str(budget)] is not None]
            claimed = sum(row["claimed_at"][str(budget)] for row in counted)
            wrong = sum(row["claimed_at"][str(budget)] * row["budgets"][str(budget)] for row in counted)
            if wrong > claimed / budget:
                said.append(f"{who}, {volunteer}: {wrong:.0f} of {claimed} wrong at a budget of 1 in {budget}")
    return said


def _less_sure(rows: Sequence[Row], who: str) -> list[str]:
    """The log loss is to be better than that of the usual recipe's distance, over all rows where both have one."""
    baseline = {_key(row): row["log_loss"] for row in rows if row["method"] == BASELINE}
    pairs = [(row["log_loss"], baseline.get(_key(row))) for row in rows if row["method"] == OURS]
    both = [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]
    mine, theirs = sum(pair[0] for pair in both), sum(pair[1] for pair in both)
    return [f"{who}: log loss {mine:.3f}, usual recipe {theirs:.3f} (sums)"] if both and mine >= theirs else []


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
