"""How many answers the model needs and how often it is wrong, on labelled photographs, beside the usual recipe.

    python -m bench.recognition --photos DIR [--photos DIR ...] [--shares 0.6,0.3,0.1] [--answers 10,20,40] [--seed N] [--json FILE]

DIR/NAME/*.jpg is a labelled set. Each person with 20 or more photographs becomes the subject of projects of the given shares,
played through by four volunteers (bench/learning/projects.py). It ends with 1 when a target is missed, with 2 when its input
cannot be used.
The weights of vision/recognition/calibration.py were fitted on half of the people (bench/constants.py,
bench.learning.projects.first_half). "Held out" is everybody by weights that were fitted without them: the second half by those
in use, the first half, in runs of their own, by those that the second half gives. "All" is everybody by those in use. Both
halves were looked at while the model was built (which distances to use, where spot checks go): figures of people that nobody
here has seen may be a little worse.

Targets are judged row by row at 20 answers, the log loss in every row (bench/learning/targets.py; "both open" is the log loss on
the faces that neither method asked about). What error budgets promise is judged for each set and volunteer,
pooled over shares and answers, and for each share where chance does not explain what went over.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bench import constants
from bench.learning import encodings, targets
from bench.learning.projects import VOLUNTEERS, People, first_half, make_project, people, unlike
from bench.learning.rows import Job, Played, budget_rows, held_out, rows_of
from bench.learning.runs import BUDGETS, SPOT_CHECKS, paired, play, play_baseline
from bench.learning.times import measured
from vision.detection.settings import SearchSettings
from vision.recognition.calibration import WEIGHTS

SEEDS, QUICK_SEEDS, QUICK_PEOPLE = 10, 1, 4
PROCESSES = 2


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
        for number in range(QUICK_SEEDS if options.quick else options.seeds)
    ]
    first = first_half(pool)
    jobs += [job._replace(crossed=True) for job in jobs if job.subject[1] in first]
    played = play_all(pool, jobs, options.answers)
    report = make_report(played, first, faces, pool, options)
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
    parser.add_argument("--seeds", type=int, default=SEEDS, help="projects of each kind for each person")
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
    weights = constants.saved("second") if job.crossed else WEIGHTS
    ours = play(project, job.volunteer, _answers, rng, weights)
    return Played(job, paired(project, ours, play_baseline(project, job.volunteer, _answers, rng)))


def make_report(
    played: Sequence[Played],
    first: frozenset[str],
    faces: encodings.Faces,
    pool: People,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """`rows` are everybody by the constants in use; `held_out_rows` everybody by constants that were fitted without them."""
    rows = rows_of([each for each in played if not each.job.crossed])
    others = rows_of(held_out(played, first))
    times = measured(np.random.default_rng(options.seed))
    missed = targets.missed(rows, "all") + targets.missed(others, "held out") + targets.too_slow(times)
    return {
        "photos": len(faces.photos),
        "photos_without_a_usable_face": len(faces.photos) - len(pool.names),
        "labelled_but_unlike": unlike(pool),
        "detector": SearchSettings(mirror=not options.no_mirror).detector_version,
        "encoder": SearchSettings(mirror=not options.no_mirror).encoder_version,
        "quick": options.quick,
        "rows": rows,
        "held_out_rows": others,
        "budget_rows": budget_rows(rows),
        "held_out_budget_rows": budget_rows(others),
        "times": times,
        "missed": missed,
    }


COLUMNS = (
    ("precision_mean", "precision", 4),
    ("precision_worst", "worst", 3),
    ("recall_mean", "recall", 4),
    ("recall_worst", "worst", 3),
    ("answers_to_model", "on after", 1),
    ("log_loss", "log loss", 5),
    ("log_loss_both", "both open", 5),
    ("coverage", "covered", 3),
    ("upper_bound_share", "unfound<=", 4),
)


def show(report: dict[str, Any]) -> None:
    for prefix, title in (("held_out_", "Everybody by constants fitted without them"), ("", "All by those in use")):
        rows = report[f"{prefix}rows"]
        print(
            f"\n{title}. Interval of the unfound after {SPOT_CHECKS} spot checks; wrong ones at budgets of 1 in 50, 100, 500."
        )
        head = f"{'set':10}{'share':>6}{'answers':>8} {'volunteer':14}{'method':9}"
        print(head + "".join(f"{name:>10}" for _, name, _ in COLUMNS) + "".join(f"{f'1/{b}':>9}" for b in BUDGETS))
        for row in rows:
            line = f"{row['set'][:9]:10}{row['share']:>6}{row['answers']:>8} {row['volunteer']:14}{row['method']:9}"
            cells = [_cell(row[key], digits, 10) for key, _, digits in COLUMNS]
            print(line + "".join(cells) + "".join(_cell(row["budgets"][str(b)], 4, 9) for b in BUDGETS))
        show_budgets(report[f"{prefix}budget_rows"])
    if report["labelled_but_unlike"]:
        print(
            "\nCounted as the person's though they look like somebody else:", ", ".join(report["labelled_but_unlike"])
        )
    print("\nSeconds, by number of faces:")
    for size, seconds in report["times"].items():
        print(f"{size:>8}  inference {seconds['inference']:.3f}  ten questions {seconds['questions']:.4f}")
    print("\nAll targets met." if not report["missed"] else "\nMissed:\n  " + "\n  ".join(report["missed"]))


def show_budgets(rows: Sequence[dict[str, Any]]) -> None:
    print("\nOurs, at any number of answers: wrong of claimed by budget; * is more than promised")
    for row in rows:
        cells = []
        for budget in map(str, BUDGETS):
            wrong, claimed = row["wrong"][budget], row["claimed"][budget]
            over = "*" if wrong > claimed / int(budget) else " "
            cells.append(f"{f'1/{budget}':>8}: {wrong:>3} of {claimed:>6}{over}")
        print(f"{row['set'][:9]:10}{row['share']:>6} {row['volunteer']:14}" + "".join(cells))


def _cell(value: float | None, digits: int, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{digits}f}"


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"Took {time.monotonic() - started:.0f} s.")
    sys.exit(code)
