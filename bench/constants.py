"""Fit the constants of vision/recognition/calibration.py anew, on all sets of people and on all but one.

    python -m bench.constants --photos DIR [--photos DIR ...] [--encoder sface] [--seeds N] [--json FILE]

Each DIR (DIR/NAME/*.jpg) is a set. The constants in use are those of all sets; bench/recognition.py also reports every set by
the constants that were fitted without it. bench/constants.json is what the command gave for both encoders on six sets of
people, the portraits and the scenes; tests/bench/test_constants.py holds it and the code together.

The projects of bench/recognition.py are played with other seeds and truthful answers, and the faces left open after 8, 12, 20
and 40 answers are looked at. Questions are asked with the constants START. `first` is fitted on the distances to labelled faces
alone, `full` on these and on how a face lies to the crowd (vision.recognition.calibration.Measures). Every set has the same
weight, whatever its size.
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
from bench.learning.projects import TRUE, People, answered, make_project, people
from bench.learning.runs import ROUND
from vision.detection.settings import ENCODER_VERSIONS, SearchSettings
from vision.recognition import calibration
from vision.recognition.calibration import CONSTANTS, Constants, Doubles, Measures, Weights, log_odds, sigmoid
from vision.recognition.labelled_faces import Flags, Known, Label
from vision.recognition.matching import fit, infer, measure_with_crowd
from vision.recognition.questions import Question, choose

_DLIB = Weights(25.0, -30.0, -30.0, 15.0)
START = {
    "sface-1": Constants(Weights(27.2, -20.8, -47.9, 21.9), Weights(-9.0, -34.0, -25.0, 6.5, 18.3, 39.3)),
    "dlib-resnet-v1+mirror": Constants(_DLIB, _DLIB),
}
"""What the projects are played with, so that what is fitted does not depend on what is in use."""
LOOKS = (8, 12, 20, 40)
SHARES = (0.6, 0.3, 0.1)
FIRST_SEED = 1000
STEPS = 60
RIDGE = 0.3
FACES_OF_A_SET = 20_000
"""Weight of a set, in faces."""
FIRST, FULL = ("centroid", "nearest", "refused"), ("centroid", "nearest", "refused", "rival", "crowd")
SIGN = {"centroid": -1, "nearest": -1, "refused": 1, "rival": 1, "crowd": 1}
DEVIATIONS = (0.5, 1.0, 1.5, 2.0, 3.0)
SAVED = Path(__file__).with_suffix(".json")
IN_USE = "in use"


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Measures (n, 5) and truth (n,) of the open faces of a project, the same of the answered ones, and its set."""

    set: str
    name: str
    open: Doubles
    truth: Flags
    answered: Doubles
    answers: Flags


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--encoder", action="append", choices=tuple(ENCODER_VERSIONS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    given = {}
    for encoder in options.encoder or tuple(ENCODER_VERSIONS):
        version = ENCODER_VERSIONS[encoder]
        faces = encodings.load(options.photos, SearchSettings(encoder=encoder))
        given[version] = fitted(list(looked(people(faces, encoder=version), options.seeds)))
        show(version, given[version])
    if options.json:
        options.json.write_text(json.dumps(given, indent=1) + "\n")


def saved(encoder: str, without: str = "") -> Constants:
    """Return constants kept in bench/constants.json: those in use, or those fitted without a set (if it was among the sets)."""
    given = json.loads(SAVED.read_text())[encoder]
    chosen = given["without"].get(without, given[IN_USE])
    return Constants(Weights(**chosen["first"]), Weights(**chosen["full"]))


def fitted(looks: Sequence[Look]) -> dict[str, Any]:
    """Return the constants of all sets, and of all but each; rounded as they are used."""
    sets = sorted({look.set for look in looks})
    return {
        "people": len({(look.set, look.name) for look in looks}),
        IN_USE: _constants(looks),
        "without": {name: _constants([look for look in looks if look.set != name]) for name in sets if len(sets) > 1},
        "deviations": corrected_loss(looks),
    }


def _constants(looks: Sequence[Look]) -> dict[str, dict[str, float]]:
    return {"first": asdict(logistic(looks, FIRST)), "full": asdict(logistic(looks, FULL))}


def show(encoder: str, given: dict[str, Any]) -> None:
    print(f"\n{encoder}, {given['people']} people")
    print(f"in use: {CONSTANTS[encoder]}")
    for name, constants in {IN_USE: given[IN_USE], **given["without"]}.items():
        first, full = ([*values.values()] for values in constants.values())
        print(f"{name if name == IN_USE else f'without {name}':22} first {first} full {full}")
    print("log loss of open faces by SHIFT_DEVIATION:", given["deviations"], "in use:", calibration.SHIFT_DEVIATION)


def looked(pool: People, seeds: int) -> Iterator[Look]:
    for subject in pool.subjects():
        for share in SHARES:
            for number in range(seeds):
                rng = np.random.default_rng([FIRST_SEED + number, round(100 * share), *"/".join(subject).encode()])
                yield from _looked(pool, subject, share, rng)


def _looked(pool: People, subject: tuple[str, str], share: float, rng: np.random.Generator) -> Iterator[Look]:
    project = make_project(pool, subject, share, TRUE, rng)
    known, queue = project.known, list[Question]()
    for count in range(1, max(LOOKS) + 1):
        if not queue:
            predictions = infer(known, constants=START[known.encoder])
            queue = choose(known, predictions, rng, ROUND if predictions.on else 1)
        if queue:
            known = answered(project, known, queue.pop(0), 0.0, rng)
        if count in LOOKS and (look := _look(subject, known, project.truth)) is not None:
            yield look


def _look(subject: tuple[str, str], known: Known, truth: Flags) -> Look | None:
    model = fit(known, constants=START[known.encoder])
    if not model.on:
        return None
    measures, _ = measure_with_crowd(known, model)
    if measures.rival is None or not (known.open & known.encoded).any():
        return None
    table = columns(measures)
    open_, answered_ = known.open & known.encoded, known.human & known.encoded
    target = known.labels[answered_] == Label.TARGET
    return Look(*subject, table[open_], truth[open_], table[answered_], target)


def columns(measures: Measures) -> Doubles:
    """Return the measures as a table (n, 5), in the order of FULL."""
    assert measures.rival is not None
    assert measures.crowd is not None
    refused, rival = (np.minimum(each, calibration.FAR) for each in (measures.refused, measures.rival))
    return np.column_stack((measures.centroid, measures.nearest, refused, rival, measures.crowd)).astype(np.float64)


def _share(look: Look) -> float:
    return (float(look.truth.sum()) + 0.6) / (len(look.truth) + 2.0)


def logistic(looks: Sequence[Look], names: Sequence[str]) -> Weights:
    """Return the weights of these measures by logistic regression.

    A measure that would count in the wrong direction is left out: two of them say nearly the same, and the weights that balance
    them on these people would not on others.
    """
    kept = list(names)
    while True:
        intercept, slopes = _regression(looks, kept)
        wrong = [(abs(slope), name) for name, slope in zip(kept, slopes, strict=True) if slope * SIGN[name] < 0]
        if not wrong:
            break
        kept.remove(max(wrong)[1])
    found = dict.fromkeys(FULL, 0.0) | dict(zip(kept, slopes, strict=True))
    return Weights(round(intercept, 1), **{name: round(slope, 1) for name, slope in found.items()})


def _regression(looks: Sequence[Look], names: Sequence[str]) -> tuple[float, list[float]]:
    """Return intercept and slopes by Fisher scoring, the log odds of the share added.

    A few faces are odd, or a double's (calibration.ODD, ALWAYS_WRONG), so that single faces do not decide.
    """
    table = np.concatenate([look.open[:, [FULL.index(name) for name in names]] for look in looks])
    truth = np.concatenate([look.truth for look in looks])
    offset = np.concatenate([np.full(len(look.truth), log_odds(_share(look))) for look in looks])
    weight = _weight_of_faces(looks)
    share = sigmoid(offset)
    odd = np.minimum(calibration.ODD * share / (1 - share), calibration.MOST_ODD)
    middle, spread = table.mean(axis=0), table.std(axis=0)
    design = np.column_stack((np.ones(len(table)), (table - middle) / spread))
    found = np.zeros(design.shape[1])
    found[1] = -3.0
    for _ in range(STEPS):
        p = sigmoid(design @ found + offset)
        q = (1 - calibration.ALWAYS_WRONG) * p + odd * (1 - p)
        slope = (1 - calibration.ALWAYS_WRONG - odd) * p * (1 - p)
        gradient = design.T @ (weight * slope * (truth - q) / (q * (1 - q))) - RIDGE * found
        scaled = design * (weight * slope**2 / (q * (1 - q)))[:, None]
        found = found + 0.5 * np.linalg.solve(scaled.T @ design + RIDGE * np.eye(len(found)), gradient)
    slopes = found[1:] / spread
    return float(found[0] - (slopes * middle).sum()), slopes.tolist()


def _weight_of_faces(looks: Sequence[Look]) -> Doubles:
    counts: dict[str, int] = {}
    for look in looks:
        counts[look.set] = counts.get(look.set, 0) + len(look.truth)
    return np.concatenate([np.full(len(look.truth), FACES_OF_A_SET / counts[look.set]) for look in looks])


def corrected_loss(looks: Sequence[Look]) -> dict[str, float]:
    """Return the mean log loss of open faces by SHIFT_DEVIATION, each set by the constants fitted without it."""
    losses: dict[str, list[float]] = {str(deviation): [] for deviation in DEVIATIONS}
    for name in sorted({look.set for look in looks}):
        weights = logistic([look for look in looks if look.set != name] or looks, FULL)
        slopes = np.array([getattr(weights, each) for each in FULL])
        own = [look for look in looks if look.set == name]
        for deviation in DEVIATIONS:
            each = [_loss(look, weights.intercept, slopes, deviation) for look in own]
            losses[str(deviation)].append(float(np.mean(each)))
    return {deviation: round(float(np.mean(each)), 5) for deviation, each in losses.items()}


def _loss(look: Look, intercept: float, slopes: Doubles, deviation: float) -> float:
    share = _share(look)
    low, high = calibration.LOGITS[0], calibration.LOGITS[-1]
    logits = np.clip(intercept + look.open @ slopes, low, high) + log_odds(share)
    answered_ = np.clip(intercept + look.answered @ slopes, low, high) + log_odds(share)
    curve = calibration.corrected(answered_, look.answers, np.zeros(len(answered_), bool), deviation)
    p = np.clip(calibration.probability(logits, curve, share), 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(look.truth, p, 1 - p)).mean())


if __name__ == "__main__":
    main()
