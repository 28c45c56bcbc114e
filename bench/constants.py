"""The constants of vision/recognition/calibration.py and of the usual recipe, fitted anew on each half of the people.

    python -m bench.constants --photos DIR [--photos DIR ...] [--seeds N] [--json FILE]

The first half's are those in use; the second half's serve to report on the first half with constants that never saw it
(bench/recognition.py). bench/constants.json is what the command gave on 30 people's portraits and two people's whole photographs
(`--json bench/constants.json`); tests/bench/test_constants.py holds it and the code together.

Plays the projects of bench/recognition.py among the people of one half only, with other seeds, and looks at the faces left
open after 8, 12, 20 and 40 answers. Questions are asked by a model with the weights START, so that what is fitted does not
depend on what is in use. Fitted are the weights, and the slope and middle of the usual recipe. The rest is chosen, and printed
beside what these photographs would say.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.learning import encodings
from bench.learning.projects import ERRING, ERRS, VOLUNTEERS, People, answered, first_half, make_project, people
from bench.learning.runs import BASELINE_MIDDLE, BASELINE_SLOPE, ROUND, log_loss
from vision.recognition import calibration
from vision.recognition.calibration import WEIGHTS, Doubles, Weights, log_odds, sigmoid
from vision.recognition.geometry import distances_to
from vision.recognition.labelled_faces import Flags, Known, Label
from vision.recognition.matching import fit, infer, measure
from vision.recognition.questions import Question, choose

START = Weights(25.0, -30.0, -30.0, 15.0)
LOOKS = (8, 12, 20, 40)
SHARES = (0.6, 0.3, 0.1)
FIRST_SEED = 1000
STEPS = 60
RIDGE = 0.3
SHIFTS = (0.5, 1.0, 1.5, 2.0, 3.0)
SCALES = (0.05, 0.15, 0.25, 0.4)
SAVED = Path(__file__).with_suffix(".json")


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
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    pool = people(encodings.load(options.photos))
    first = first_half(pool)
    halves = {"first": pool.only(first), "second": pool.only(set(pool.names) - first)}
    if not all(half.subjects() for half in halves.values()):
        parser.error("each half needs somebody with 20 photographs of a face")
    given = {name: fitted(list(looked(half, options.seeds))) for name, half in halves.items()}
    for name, values in given.items():
        show(name, values)
    if options.json:
        options.json.write_text(json.dumps(given, indent=1) + "\n")


def saved(half: str) -> Weights:
    """The weights that this command gave, kept in bench/constants.json; `half` is "first" or "second"."""
    return Weights(**json.loads(SAVED.read_text())[half]["weights"])


def fitted(looks: Sequence[Look]) -> dict[str, Any]:
    """Everything that the looks of one half say, rounded as it is used."""
    weights = Weights(*np.round(logistic(looks), 1).tolist())
    middle, slope = baseline(looks)
    return {
        "people": len({look.name for look in looks}),
        "weights": asdict(weights),
        "baseline": {"slope": round(slope, 1), "middle": round(middle, 3)},
        "odd": round(odd(looks), 4),
        "deviations": {
            f"{shift} {scale}": round(corrected_loss(looks, weights, shift, scale), 5)
            for shift in SHIFTS
            for scale in SCALES
        },
    }


def show(half: str, values: dict[str, Any]) -> None:
    print(f"\nThe {half} half, {values['people']} people")
    print(f"WEIGHTS {Weights(**values['weights'])}; in use: {WEIGHTS}")
    slope, middle = values["baseline"]["slope"], values["baseline"]["middle"]
    print(f"BASELINE_SLOPE {slope}, BASELINE_MIDDLE {middle}; in use: {BASELINE_SLOPE}, {BASELINE_MIDDLE}")
    print(f"Odd faces {values['odd']}; ODD in use: {calibration.ODD}")
    used = calibration.SHIFT_DEVIATION, calibration.SCALE_DEVIATION
    print(f"Log loss of open faces by SHIFT_DEVIATION (down) and SCALE_DEVIATION (across); in use: {used}")
    print(" " * 5, *(f"{scale:7}" for scale in SCALES))
    for shift in SHIFTS:
        print(f"{shift:5}", *(f"{values['deviations'][f'{shift} {scale}']:.5f}" for scale in SCALES))


def looked(half: People, seeds: int) -> Iterator[Look]:
    for subject in half.subjects():
        for share in SHARES:
            for volunteer in VOLUNTEERS:
                for number in range(seeds):
                    rng = np.random.default_rng([FIRST_SEED + number, round(100 * share)])
                    yield from _looked(half, subject, share, volunteer, rng)


def _looked(
    half: People, subject: tuple[str, str], share: float, volunteer: str, rng: np.random.Generator
) -> Iterator[Look]:
    project = make_project(half, subject, share, volunteer, rng)
    known, queue = project.known, list[Question]()
    for count in range(1, max(LOOKS) + 1):
        if not queue:
            predictions = infer(known, weights=START)
            queue = choose(known, predictions, rng, ROUND if predictions.on else 1)
        if queue:
            known = answered(project, known, queue.pop(0), ERRS if volunteer == ERRING else 0.0, rng)
        if count in LOOKS and (look := _look(subject[1], known, project.truth)) is not None:
            yield look


def _look(name: str, known: Known, truth: Flags) -> Look | None:
    model = fit(known, weights=START)
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
    tried = [(float(m), float(s)) for m in np.arange(0.44, 0.60, 0.005) for s in np.arange(-80.0, -15.0, 2.5)]
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


def corrected_loss(looks: Sequence[Look], weights: Weights, shift: float, scale: float) -> float:
    slopes = np.array([weights.centroid, weights.nearest, weights.refused])
    losses = []
    for look in looks:
        share = _share(look)
        logits = np.clip(weights.intercept + look.open @ slopes, -40, 40) + log_odds(share)
        asked = np.clip(weights.intercept + look.asked @ slopes, -40, 40) + log_odds(share)
        curve = calibration.corrected(asked, look.said, np.zeros(len(asked), bool), shift, scale)
        losses.append(log_loss(calibration.probability(logits, curve, share), look.truth))
    return float(np.mean(losses))


if __name__ == "__main__":
    main()
