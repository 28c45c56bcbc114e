"""The constants of vision/calibration.py, fitted anew on the development half of the people, beside those in use.

    python -m bench.constants --photos DIR [--photos DIR ...] [--seeds N]

Plays the projects of bench/recognition.py with other seeds and looks at the faces left open after 8, 12, 20 and 40 answers. What
it prints is put into the code by hand. People held out (bench.projects.in_development) are never looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import encodings
from bench.projects import ERRING, ERRS, VOLUNTEERS, People, answered, in_development, make_project, people
from bench.runs import BASELINE_MIDDLE, BASELINE_SLOPE, ROUND, log_loss
from vision import calibration
from vision.calibration import Doubles, log_odds, sigmoid
from vision.geometry import distances_to
from vision.known import Flags, Known, Label
from vision.matching import fit, infer, measure
from vision.questions import Question, choose

LOOKS = (8, 12, 20, 40)
SHARES = (0.6, 0.3, 0.1)
FIRST_SEED = 1000
STEPS = 60
RIDGE = 0.3
SHIFTS = (0.5, 1.0, 1.5, 2.0, 3.0)
SCALES = (0.05, 0.15, 0.25, 0.4)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The measures (n x 3) and the truth of the faces left open, the same of the answered ones, and the person."""

    name: str
    open: Doubles
    truth: Flags
    asked: Doubles
    said: Flags
    baseline: Doubles


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    looks = list(looked(people(encodings.load(options.photos)), options.seeds))
    weights = logistic(looks)
    now = (calibration.INTERCEPT, calibration.CENTROID, calibration.NEAREST, calibration.REFUSED)
    print("INTERCEPT, CENTROID, NEAREST, REFUSED:", np.round(weights, 1), "in use:", now)
    middle, slope = baseline(looks)
    print(f"BASELINE_SLOPE {slope:.1f}, BASELINE_MIDDLE {middle:.3f}; in use: {BASELINE_SLOPE}, {BASELINE_MIDDLE}")
    print(f"ODD {odd(looks):.4f}; in use: {calibration.ODD}")
    print("Log loss of open faces by SHIFT_DEVIATION (down) and SCALE_DEVIATION (across):", SCALES)
    for shift in SHIFTS:
        print(f"{shift:5}", *(f"{corrected_loss(looks, weights, shift, scale):.5f}" for scale in SCALES))


def looked(pool: People, seeds: int) -> Iterator[Look]:
    for subject in pool.subjects():
        if not in_development(subject[1]):
            continue
        for share in SHARES:
            for volunteer in VOLUNTEERS:
                for number in range(seeds):
                    rng = np.random.default_rng([FIRST_SEED + number, round(100 * share)])
                    yield from _looked(pool, subject, share, volunteer, rng)


def _looked(
    pool: People, subject: tuple[str, str], share: float, volunteer: str, rng: np.random.Generator
) -> Iterator[Look]:
    project = make_project(pool, subject, share, volunteer, rng)
    known, queue = project.known, list[Question]()
    for count in range(1, max(LOOKS) + 1):
        if not queue:
            predictions = infer(known)
            queue = choose(known, predictions, rng, ROUND if predictions.on else 1)
        if queue:
            known = answered(project, known, queue.pop(0), ERRS if volunteer == ERRING else 0.0, rng)
        if count in LOOKS and (look := _look(subject[1], known, project.truth)) is not None:
            yield look


def _look(name: str, known: Known, truth: Flags) -> Look | None:
    model = fit(known)
    if not model.on:
        return None
    found = measure(known, model)
    columns = (found.centroid, found.nearest, np.minimum(found.refused, calibration.FAR))
    table = np.column_stack(columns).astype(np.float64)
    asked = known.human & known.encoded
    plain = distances_to(known.encodings, known.encodings[known.confirmed].mean(axis=0)).astype(np.float64)
    said = known.labels[asked] == Label.TARGET
    return Look(name, table[known.open], truth[known.open], table[asked], said, plain[known.open])


def _share(look: Look) -> float:
    return (float(look.truth.sum()) + 0.6) / (len(look.truth) + 2.0)


def logistic(looks: Sequence[Look]) -> Doubles:
    """Logistic regression by Fisher's scoring, the log odds of the share added; a face is odd or a double now and then."""
    table, truth = np.concatenate([look.open for look in looks]), np.concatenate([look.truth for look in looks])
    offset = np.concatenate([np.full(len(look.truth), log_odds(_share(look))) for look in looks])
    share = sigmoid(offset)
    odd_rate = np.minimum(calibration.ODD * share / (1 - share), calibration.MOST_ODD)
    middle, spread = table.mean(axis=0), table.std(axis=0)
    design = np.column_stack((np.ones(len(table)), (table - middle) / spread))
    weights = np.array([0.0, -3.0, -3.0, 1.0])
    for _ in range(STEPS):
        p = sigmoid(design @ weights + offset)
        q = (1 - calibration.ALWAYS_WRONG) * p + odd_rate * (1 - p)
        slope = (1 - calibration.ALWAYS_WRONG - odd_rate) * p * (1 - p)
        gradient = design.T @ (slope * (truth - q) / (q * (1 - q))) - RIDGE * weights
        information = (design * (slope**2 / (q * (1 - q)))[:, None]).T @ design + RIDGE * np.eye(4)
        weights = weights + 0.5 * np.linalg.solve(information, gradient)
    scaled = weights[1:] / spread
    return np.concatenate(([weights[0] - (scaled * middle).sum()], scaled))


def baseline(looks: Sequence[Look]) -> tuple[float, float]:
    """The distance's middle and slope with the least log loss, for the usual recipe."""
    distance, truth = np.concatenate([look.baseline for look in looks]), np.concatenate([look.truth for look in looks])
    tried = [(m, s) for m in np.arange(0.44, 0.60, 0.005) for s in np.arange(-80.0, -15.0, 2.5)]
    return min(tried, key=lambda pair: log_loss(sigmoid(pair[1] * (distance - pair[0])), truth))


def odd(looks: Sequence[Look]) -> float:
    """The mean over people of the share of their faces beyond every threshold: FAR from the centroid, less 0.05."""
    by_person: dict[str, list[float]] = {}
    for look in looks:
        mine = look.truth.sum() + look.said.sum()
        by_person.setdefault(look.name, []).append(
            float((look.open[look.truth, 0] > calibration.FAR - 0.05).sum() / mine)
        )
    return float(np.mean([np.mean(shares) for shares in by_person.values()]))


def corrected_loss(looks: Sequence[Look], weights: Doubles, shift: float, scale: float) -> float:
    losses = []
    for look in looks:
        share = _share(look)
        logits = np.clip(weights[0] + look.open @ weights[1:], -40, 40) + log_odds(share)
        asked = np.clip(weights[0] + look.asked @ weights[1:], -40, 40) + log_odds(share)
        curve = calibration.corrected(asked, look.said, np.zeros(len(asked), bool), shift, scale)
        losses.append(log_loss(calibration.probability(logits, curve, share), look.truth))
    return float(np.mean(losses))


if __name__ == "__main__":
    main()
