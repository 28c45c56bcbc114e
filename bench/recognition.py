"""How many answers the model needs and how often it is wrong, in every set of labelled photographs, beside the usual recipe.

    python -m bench.recognition --photos DIR [--photos DIR ...] [--encoder sface] [--shares 0.6,0.3,0.1] [--seeds N] [--json FILE]

Each DIR is a set: DIR/NAME/*.jpg are photographs of NAME, who is the largest or most central face; they are searched as the
product does, and cached by their content. Each person with 20 or more photographs (10 in a set in which nobody has 20) becomes
the subject of projects of the given shares, whose other photographs come from the same set. Five volunteers play each project
(bench/learning/projects.py); targets are judged after 20 answers, after 10 in small sets.

"in use" are the constants of vision/recognition/calibration.py; "held out" those fitted without the set (bench/constants.py). The
budget of wrong claims is judged for each set and volunteer by the lower end of a one-sided 95 % interval, clustered by person.
The usual recipe has dlib's encodings of the same faces. Ends with 1 when a target is missed, with 2 when its input cannot be used.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bench import constants
from bench.learning import encodings, targets
from bench.learning.projects import TRUE, VOLUNTEERS, People, make_project, people
from bench.learning.rows import Job, Played, budget_rows, rows_of
from bench.learning.runs import BUDGETS, SPOT_CHECKS, WAYS, answers_needed, paired, play, play_baseline
from bench.learning.times import measured
from vision.detection.settings import DLIB, ENCODER_VERSIONS, SFACE, SearchSettings

SEEDS, QUICK_SEEDS, QUICK_PEOPLE = 5, 1, 4
NEEDED_SEEDS = 1
PROCESSES = 2
SMALL_ANSWERS = 10

_pool: People
_answers: tuple[int, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    report: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "bench.recognition", *(arguments or sys.argv[1:])])
    }
    missed: list[str] = []
    for encoder in options.encoder or [SFACE]:
        try:
            pool = load(options, encoder)
        except (NotADirectoryError, FileNotFoundError) as error:
            print(f"Cannot read the photographs: {error}", file=sys.stderr)
            return 2
        if not pool.subjects():
            print("No person has enough photographs with a face: nothing to measure.", file=sys.stderr)
            return 2
        report[encoder] = measure(pool, options)
        show(encoder, report[encoder])
        if encoder == SFACE:
            missed += report[encoder]["missed"]
    report["times"] = measured(np.random.default_rng(options.seed))
    report["missed"] = missed + targets.too_slow(report["times"])
    show_end(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if report["missed"] else 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", required=True, metavar="DIR", help="DIR/NAME/*.jpg")
    parser.add_argument(
        "--encoder", action="append", choices=tuple(ENCODER_VERSIONS), help="targets are those of sface"
    )
    parser.add_argument(
        "--shares", type=_shares, default=(0.6, 0.3, 0.1), help="of the photographs that are the person's"
    )
    parser.add_argument("--answers", type=_counts, default=(20,), help="after how many answers to look, besides 10")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="projects of each kind for each person")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where encodings are kept (default: the user's cache)"
    )
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


def load(options: argparse.Namespace, encoder: str) -> People:
    """Return the people of all sets, with encodings of this encoder and dlib's."""
    faces = encodings.load(options.photos, SearchSettings(encoder=encoder), options.cache)
    usual = encodings.load(options.photos, SearchSettings(encoder=DLIB), options.cache)
    return people(faces, usual, ENCODER_VERSIONS[encoder])


def measure(pool: People, options: argparse.Namespace) -> dict[str, Any]:
    """Play all projects with the constants in use and with those fitted without the set; return rows and missed targets."""
    subjects = pool.subjects()
    if options.quick:
        subjects = subjects[:: max(1, len(subjects) // QUICK_PEOPLE)]
    seeds = QUICK_SEEDS if options.quick else options.seeds
    jobs = [
        Job(subject, share, volunteer, options.seed + number, held_out)
        for subject in subjects
        for share in options.shares
        for volunteer in VOLUNTEERS
        for number in range(seeds)
        for held_out in (False, True)
    ]
    played = play_all(pool, jobs, options.answers)
    small = {kind for kind, _ in subjects if pool.small(kind)}
    result: dict[str, Any] = {"needed": needed(pool, subjects, options.shares, min(seeds, NEEDED_SEEDS)), "missed": []}
    for name, held_out in (("in use", False), ("held out", True)):
        rows = rows_of([each for each in played if each.job.held_out == held_out])
        result[name] = {"rows": rows, "budgets": budget_rows(rows)}
        result["missed"] += targets.missed(rows, name, small)
    result["missed"] += targets.too_many_answers(result["needed"], small)
    return result


def play_all(pool: People, jobs: Sequence[Job], answers: tuple[int, ...]) -> list[Played]:
    """Play every job with both methods. A job's randomness comes from its own fields alone."""
    with _processes(pool, answers) as processes:
        return list(processes.map(_play, jobs, chunksize=8))


def needed(
    pool: People, subjects: Sequence[tuple[str, str]], shares: Sequence[float], seeds: int
) -> list[dict[str, Any]]:
    """Return the numbers of answers to enough recall and precision by set, share and way of asking."""
    jobs = [
        (Job(s, share, TRUE, seed), way) for s in subjects for share in shares for seed in range(seeds) for way in WAYS
    ]
    with _processes(pool, ()) as processes:
        counts = processes.map(_needed, jobs, chunksize=4)
    groups: dict[tuple[str, float, str], list[int]] = {}
    for (job, way), count in zip(jobs, counts, strict=True):
        groups.setdefault((job.subject[0], job.share, way), []).append(count)
    return [
        {"set": kind, "share": share, "way": way, "median": float(np.median(group)), "runs": len(group)}
        for (kind, share, way), group in sorted(groups.items())
    ]


def _processes(pool: People, answers: tuple[int, ...]) -> Any:
    # The processes are the parallelism: numpy's threads would only get in their way.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    return get_context("spawn").Pool(PROCESSES, _hold, (pool, answers))


def _hold(pool: People, answers: tuple[int, ...]) -> None:
    global _pool, _answers
    _pool, _answers = pool, answers


def _rng(job: Job) -> np.random.Generator:
    person = list("/".join(job.subject).encode())
    return np.random.default_rng([job.seed, round(1000 * job.share), VOLUNTEERS.index(job.volunteer), *person])


def _play(job: Job) -> Played:
    rng = _rng(job)
    project = make_project(_pool, job.subject, job.share, job.volunteer, rng)
    answers = tuple(sorted({SMALL_ANSWERS, *_answers}))
    ours = play(project, job.volunteer, answers, rng, _constants(job))
    return Played(job, paired(project, ours, play_baseline(project, job.volunteer, answers, rng)))


def _needed(given: tuple[Job, str]) -> int:
    job, way = given
    rng = _rng(job)
    project = make_project(_pool, job.subject, job.share, job.volunteer, rng)
    return answers_needed(project, way, rng, _constants(job))


def _constants(job: Job) -> Any:
    return constants.saved(_pool.encoder, job.subject[0]) if job.held_out else None


COLUMNS = (
    ("precision_mean", "precision", 4),
    ("precision_worst", "worst", 3),
    ("recall_mean", "recall", 3),
    ("recall_worst", "worst", 3),
    ("recall_poor", "of poor", 3),
    ("nothing_claimed", "none", 0),
    ("answers_to_model", "on after", 1),
    ("log_loss", "log loss", 4),
    ("coverage", "covered", 3),
    ("upper_bound_share", "unfound<=", 3),
)


def show(encoder: str, report: dict[str, Any]) -> None:
    for name in ("held out", "in use"):
        print(f"\n{encoder}, constants {name}. Interval of the unfound after {SPOT_CHECKS} spot checks.")
        print(
            f"{'set':12}{'share':>6}{'answers':>8} {'volunteer':14}{'method':9}"
            + "".join(f"{t:>10}" for _, t, _ in COLUMNS)
        )
        for row in sorted(report[name]["rows"], key=_worst_first):
            line = f"{row['set'][:11]:12}{row['share']:>6}{row['answers']:>8} {row['volunteer']:14}{row['method']:9}"
            print(line + "".join(_cell(row[key], digits) for key, _, digits in COLUMNS))
        show_people(report[name]["rows"])
        show_budgets(report[name]["budgets"])
    print(
        "\nAnswers to recall .95 at precision .995 (median; 81: not in 80): ours, random questions, greedy with the truth"
    )
    for row in report["needed"]:
        print(f"{row['set'][:11]:12}{row['share']:>6} {row['way']:8}{row['median']:>6.0f}")


def _worst_first(row: dict[str, Any]) -> tuple[object, ...]:
    precision = row["precision_mean"] if row["precision_mean"] is not None else 1.0
    return row["method"], row["volunteer"] != TRUE, -row["answers"], precision, row["recall_mean"]


def show_people(rows: Sequence[dict[str, Any]]) -> None:
    print("\nWorst people of each set (truthful answers): precision, recall")
    for row in rows:
        if row["method"] == "ours" and row["volunteer"] == TRUE:
            worst = ", ".join(
                f"{p['name']} {_short(p['precision'])}/{p['recall']:.2f}" for p in row["people_worst_first"][:3]
            )
            print(f"{row['set'][:11]:12}{row['share']:>6}{row['answers']:>4}  {worst}")


def show_budgets(rows: Sequence[dict[str, Any]]) -> None:
    print(
        "\nOurs, at any number of answers: wrong of claimed by budget; * where the lower bound is above what is promised"
    )
    for row in rows:
        cells = []
        for budget in map(str, BUDGETS):
            wrong, claimed = row["wrong"][budget], row["claimed"][budget]
            over = "*" if row["lower"][budget] > 1 / int(budget) else " "
            cells.append(f"{f'1/{budget}':>8}: {wrong:>3} of {claimed:>6}{over}")
        print(f"{row['set'][:11]:12}{row['share']:>6} {row['volunteer']:14}" + "".join(cells))


def show_end(report: dict[str, Any]) -> None:
    print("\nSeconds, by number of faces:")
    for size, seconds in report["times"].items():
        print(f"{size:>8}  inference {seconds['inference']:.3f}  ten questions {seconds['questions']:.4f}")
    print("\nAll targets met." if not report["missed"] else "\nMissed:\n  " + "\n  ".join(report["missed"]))
    print(report["command"])


def _cell(value: float | None, digits: int) -> str:
    return f"{'-':>10}" if value is None else f"{value:>10.{digits}f}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"Took {time.monotonic() - started:.0f} s.")
    sys.exit(code)
