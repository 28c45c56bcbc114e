"""Rows of bench/recognition.py: what runs of one kind come to together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.learning.projects import VOLUNTEERS
from bench.learning.runs import BASELINE, BUDGETS, OURS, Result


class Job(NamedTuple):
    """A project to be played through: the (set, person) it is about, its share and volunteer, and the seed of its chances.

    `held_out`: with the constants that were fitted on the other sets.
    """

    subject: tuple[str, str]
    share: float
    volunteer: str
    seed: int
    held_out: bool = False


class Played(NamedTuple):
    job: Job
    results: list[Result]


def rows_of(played: Iterable[Played]) -> list[dict[str, Any]]:
    """A row for each set, share, volunteer, number of answers and method."""
    groups: dict[tuple[str, float, int, str, str], list[tuple[Job, Result]]] = {}
    for job, results in played:
        for result in results:
            key = (job.subject[0], job.share, result.answers, job.volunteer, result.method)
            groups.setdefault(key, []).append((job, result))
    return [_row(key, groups[key]) for key in sorted(groups, key=_order)]


def budget_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each set, share and volunteer the wrong ones among all that our method claimed at any number of answers, by budget."""
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["method"] == OURS:
            groups.setdefault((row["set"], row["share"], row["volunteer"]), []).append(row)
    return [
        {
            "set": kind,
            "share": share,
            "volunteer": volunteer,
            "claimed": {b: sum(row["claimed_at"][b] for row in group) for b in map(str, BUDGETS)},
            "wrong": {b: sum(row["wrong_at"][b] for row in group) for b in map(str, BUDGETS)},
            "lower": {
                b: lower_bound([pair for row in group for pair in row["by_person"][b].items()])
                for b in map(str, BUDGETS)
            },
        }
        for (kind, share, volunteer), group in groups.items()
    ]


def lower_bound(counts: Iterable[tuple[str, tuple[int, int]]]) -> float:
    """Return the lower end of a one-sided 95 % interval of the share of wrong claims, from (person, (wrong, claimed)).

    People are drawn with replacement (bootstrap): claims about one person stand or fall together.
    """
    by_person: dict[str, list[int]] = {}
    for name, (wrong, claimed) in counts:
        total = by_person.setdefault(name, [0, 0])
        total[0] += wrong
        total[1] += claimed
    table = np.array(list(by_person.values()), np.float64).reshape(-1, 2)
    if not table[:, 0].any():
        return 0.0
    drawn = table[np.random.default_rng(0).integers(0, len(table), (2000, len(table)))].sum(axis=1)
    return float(np.quantile(drawn[:, 0] / np.maximum(drawn[:, 1], 1), 0.05))


def _order(key: tuple[str, float, int, str, str]) -> tuple[object, ...]:
    kind, share, answers, volunteer, method = key
    return kind, -share, VOLUNTEERS.index(volunteer), answers, method == BASELINE


def _row(key: tuple[str, float, int, str, str], group: list[tuple[Job, Result]]) -> dict[str, Any]:
    kind, share, answers, volunteer, method = key
    names = sorted({job.subject[1] for job, _ in group})
    by_person = [[result for job, result in group if job.subject[1] == name] for name in names]
    precisions = [p for results in by_person if (p := _precision(results, 100)) is not None]
    recalls = [float(np.mean([result.recall for result in results])) for results in by_person]
    results = [result for _, result in group]
    covered = [result.covered for result in results if result.covered is not None]
    bounds = [result.upper_bound_share for result in results if result.upper_bound_share is not None]
    return {
        "set": kind,
        "share": share,
        "answers": answers,
        "volunteer": volunteer,
        "method": method,
        "people": len(names),
        "seeds": len({job.seed for job, _ in group}),
        "precision_mean": _mean(precisions),
        "precision_worst": min(precisions, default=None),
        "recall_mean": _mean(recalls),
        "recall_worst": min(recalls),
        "answers_to_model": float(np.median([result.answers_to_model for result in results])),
        "budgets": {str(budget): _wrong(results, budget) for budget in BUDGETS},
        "log_loss": _mean([result.log_loss for result in results if np.isfinite(result.log_loss)]),
        "log_loss_both": _mean([result.log_loss_both for result in results if np.isfinite(result.log_loss_both)]),
        "log_loss_same_runs": _mean([result.log_loss for result in results if np.isfinite(result.log_loss_both)]),
        "runs_both": sum(bool(np.isfinite(result.log_loss_both)) for result in results),
        "coverage": _mean(covered),
        "runs_covered": len(covered),
        "upper_bound_share": _mean(bounds),
        "nothing_claimed": sum(sum(r.right[100] + r.wrong[100] for r in results) == 0 for results in by_person),
        "recall_poor": _mean([result.recall_poor for result in results if np.isfinite(result.recall_poor)]),
        "by_person": {str(b): _by_person(names, by_person, b) for b in BUDGETS},
        "people_worst_first": _worst_first(names, by_person),
        "claimed_at": {str(b): sum(result.right[b] + result.wrong[b] for result in results) for b in BUDGETS},
        "wrong_at": {str(b): sum(result.wrong[b] for result in results) for b in BUDGETS},
    }


def _by_person(names: Sequence[str], by_person: Sequence[Sequence[Result]], budget: int) -> dict[str, tuple[int, int]]:
    """Return (wrong, claimed) of each person."""
    return {
        name: (sum(r.wrong[budget] for r in results), sum(r.right[budget] + r.wrong[budget] for r in results))
        for name, results in zip(names, by_person, strict=True)
    }


def _worst_first(names: Sequence[str], by_person: Sequence[Sequence[Result]]) -> list[dict[str, Any]]:
    rows = [
        {"name": name, "precision": _precision(results, 100), "recall": float(np.mean([r.recall for r in results]))}
        for name, results in zip(names, by_person, strict=True)
    ]
    return sorted(rows, key=lambda row: (row["precision"] if row["precision"] is not None else 1.0, row["recall"]))


def _precision(results: Sequence[Result], budget: int) -> float | None:
    wrong = _wrong(results, budget)
    return None if wrong is None else 1 - wrong


def _wrong(results: Sequence[Result], budget: int) -> float | None:
    """The share of wrong among all that was claimed; None where nothing was."""
    wrong = sum(result.wrong[budget] for result in results)
    claimed = wrong + sum(result.right[budget] for result in results)
    return wrong / claimed if claimed else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
