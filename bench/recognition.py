"""How many answers the model needs and how often it is wrong, on labelled photographs, beside the usual recipe.

    python -m bench.recognition --photos DIR [--photos DIR ...] [--shares 0.6,0.3,0.1] [--answers 10,20,40] [--seed N] [--json FILE]

DIR/NAME/*.jpg is a labelled set. Each person with 20 or more photographs becomes the subject of projects of the given shares,
played through by four volunteers (bench/projects.py). Ends with 1 when a target is missed, with 2 when its input is no good.
The constants of vision/calibration.py were fitted on half of the people (bench/constants.py): "held out" is the other half. It was
looked at while the model was built (which distances to use was decided on both halves), and it holds no whole photographs: the two
people with 20 of those are in the first half. Figures of people that nobody here has seen may be a little worse.

Targets are judged at 20 answers; wrong ones by budget and the interval's coverage are pooled over sets
(bench/targets.py), so look at the rows too: among whole photographs at a share of 0.1 the interval holds the truth
less often than promised, because its source labels bystanders as the person.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import encodings, targets
from bench.projects import VOLUNTEERS, People, in_development, make_project, people, unlike
from bench.runs import BASELINE, BUDGETS, SPOT_CHECKS, Result, play, play_baseline
from bench.times import measured
from vision.settings import SearchSettings

SEEDS, QUICK_SEEDS, QUICK_PEOPLE = 10, 1, 4
PROCESSES = 2


class Job(NamedTuple):
    subject: tuple[str, str]
    share: float
    volunteer: str
    seed: int


class Played(NamedTuple):
    job: Job
    results: list[Result]


_pool: People
_answers: tuple[int, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    try:
        faces = encodings.load(options.photos, SearchSettings(mirror=not options.no_mirror), options.cache)
    except (NotADirectoryError, FileNotFoundError) as error:
        print(f"Cannot read the photographs: {error}", file=sys.stderr)
        return 2
    pool = people(faces)
    subjects = pool.subjects()
    if not subjects:
        print("No person has 20 photographs with a face: nothing to measure.", file=sys.stderr)
        return 2
    if options.quick:
        subjects = subjects[:: max(1, len(subjects) // QUICK_PEOPLE)]
    jobs = [
        Job(subject, share, volunteer, options.seed + number)
        for subject in subjects
        for share in options.shares
        for volunteer in VOLUNTEERS
        for number in range(QUICK_SEEDS if options.quick else SEEDS)
    ]
    played = play_all(pool, jobs, options.answers)
    report = make_report(played, faces, pool, options)
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["missed"] else 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", required=True, metavar="DIR", help="DIR/NAME/*.jpg")
    parser.add_argument("--shares", type=_shares, default=(0.6, 0.3, 0.1), help="of the faces that are the person's")
    parser.add_argument("--answers", type=_counts, default=(10, 20, 40), help="after how many answers to look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where encodings are kept (default: the user's cache)"
    )
    parser.add_argument("--no-mirror", action="store_true", help="encodings without the mirror image")
    parser.add_argument("--quick", action="store_true", help="few people, one seed: to see that it runs")
    return parser.parse_args(arguments)


def _shares(text: str) -> tuple[float, ...]:
    shares = tuple(float(part) for part in text.split(","))
    if not all(0 < share < 1 for share in shares):
        raise argparse.ArgumentTypeError("shares lie between 0 and 1")
    return shares


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(sorted(int(part) for part in text.split(",")))
    if counts[0] < 1:
        raise argparse.ArgumentTypeError("at least one answer")
    return counts


def play_all(pool: People, jobs: Sequence[Job], answers: tuple[int, ...]) -> list[Played]:
    """Every job with both methods. A job's randomness comes from its own fields alone."""
    # The processes are the parallelism: numpy's threads would only get in their way.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with get_context("spawn").Pool(PROCESSES, _hold, (pool, answers)) as processes:
        return processes.map(_play, jobs, chunksize=8)


def _hold(pool: People, answers: tuple[int, ...]) -> None:
    global _pool, _answers
    _pool, _answers = pool, answers


def _play(job: Job) -> Played:
    person = list("/".join(job.subject).encode())
    rng = np.random.default_rng([job.seed, round(1000 * job.share), VOLUNTEERS.index(job.volunteer), *person])
    project = make_project(_pool, job.subject, job.share, job.volunteer, rng)
    results = play(project, job.volunteer, _answers, rng) + play_baseline(project, job.volunteer, _answers, rng)
    return Played(job, results)


def make_report(
    played: Sequence[Played], faces: encodings.Faces, pool: People, options: argparse.Namespace
) -> dict[str, Any]:
    """`rows` count everybody; `held_out_rows` only the people on whom no constant was fitted."""
    rows = rows_of(played)
    held_out = rows_of([each for each in played if not in_development(each.job.subject[1])])
    times = measured(np.random.default_rng(options.seed))
    missed = targets.missed(rows, "all") + targets.missed(held_out, "held out") + targets.too_slow(times)
    return {
        "photos": len(faces.photos),
        "photos_without_a_usable_face": len(faces.photos) - len(pool.names),
        "labelled_but_unlike": unlike(pool),
        "detector": SearchSettings(mirror=not options.no_mirror).detector_version,
        "encoder": SearchSettings(mirror=not options.no_mirror).encoder_version,
        "quick": options.quick,
        "rows": rows,
        "held_out_rows": held_out,
        "times": times,
        "missed": missed,
    }


def rows_of(played: Iterable[Played]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, float, int, str, str], list[tuple[Job, Result]]] = {}
    for job, results in played:
        for result in results:
            key = (job.subject[0], job.share, result.answers, job.volunteer, result.method)
            groups.setdefault(key, []).append((job, result))
    return [_row(key, groups[key]) for key in sorted(groups, key=_order)]


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
    losses = [result.log_loss for result in results if np.isfinite(result.log_loss)]
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
        "log_loss": _mean(losses),
        "coverage": _mean(covered),
        "upper_bound_share": _mean(bounds),
        "claimed_at": {str(b): sum(result.right[b] + result.wrong[b] for result in results) for b in BUDGETS},
    }


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


COLUMNS = (
    ("precision_mean", "precision", 4),
    ("precision_worst", "worst", 3),
    ("recall_mean", "recall", 4),
    ("recall_worst", "worst", 3),
    ("answers_to_model", "on after", 1),
    ("log_loss", "log loss", 5),
    ("coverage", "covered", 3),
    ("upper_bound_share", "unfound<=", 4),
)


def show(report: dict[str, Any]) -> None:
    for rows, title in ((report["held_out_rows"], "People held out"), (report["rows"], "All people")):
        print(
            f"\n{title}. Interval of the unfound after {SPOT_CHECKS} spot checks; wrong ones at budgets of 1 in 50, 100, 500."
        )
        head = f"{'set':10}{'share':>6}{'answers':>8} {'volunteer':14}{'method':9}"
        print(head + "".join(f"{name:>10}" for _, name, _ in COLUMNS) + "".join(f"{f'1/{b}':>9}" for b in BUDGETS))
        for row in rows:
            line = f"{row['set'][:9]:10}{row['share']:>6}{row['answers']:>8} {row['volunteer']:14}{row['method']:9}"
            cells = [_cell(row[key], digits, 10) for key, _, digits in COLUMNS]
            print(line + "".join(cells) + "".join(_cell(row["budgets"][str(b)], 4, 9) for b in BUDGETS))
    if report["labelled_but_unlike"]:
        print(
            "\nCounted as the person's though they look like somebody else:", ", ".join(report["labelled_but_unlike"])
        )
    print("\nSeconds, by number of faces:")
    for size, seconds in report["times"].items():
        print(f"{size:>8}  inference {seconds['inference']:.3f}  ten questions {seconds['questions']:.4f}")
    print("\nAll targets met." if not report["missed"] else "\nMissed:\n  " + "\n  ".join(report["missed"]))


def _cell(value: float | None, digits: int, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{digits}f}"


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"Took {time.monotonic() - started:.0f} s.")
    sys.exit(code)
