"""The constants in use are those computed by bench/constants.py, which recovers known values from simulated data."""

import json
from dataclasses import astuple

import numpy as np
import pytest

from bench import constants
from bench.constants import Look, baseline, fitted, logistic, looked
from bench.learning.projects import People, first_half
from bench.learning.runs import BASELINE_MIDDLE, BASELINE_SLOPE
from tests.vision.recognition.crowds import crowd
from vision.recognition import calibration
from vision.recognition.calibration import WEIGHTS, Weights, log_odds, sigmoid

GIVEN = json.loads(constants.SAVED.read_text())


def test_weights_in_use_are_those_of_the_first_half():
    assert constants.saved("first") == WEIGHTS


def test_usual_recipe_is_evaluated_with_its_best_curve():
    assert GIVEN["first"]["baseline"] == {"slope": BASELINE_SLOPE, "middle": BASELINE_MIDDLE}


@pytest.mark.parametrize("half", ["first", "second"])
def test_deviations_in_use_are_hardly_worse_than_the_best_ones(half: str):
    losses = GIVEN[half]["deviations"]
    used = losses[f"{calibration.SHIFT_DEVIATION} {calibration.SCALE_DEVIATION}"]
    assert used <= 1.05 * min(losses.values())


def test_weights_of_the_less_certain_half_are_in_use():
    first, second = constants.saved("first"), constants.saved("second")
    assert abs(first.centroid + first.nearest) < abs(second.centroid + second.nearest)


def test_known_weights_are_recovered():
    rng, weights = np.random.default_rng(0), Weights(24.0, -30.0, -20.0, 10.0)
    looks = []
    for number in range(20):
        mine = rng.random(400) < 0.3
        centre = np.where(mine, 0.42, 0.62)[:, None]
        table = np.clip(rng.normal(centre, 0.09, (400, 3)), 0, calibration.FAR)
        truth = rng.random(400) < sigmoid(weights.intercept + table @ np.array(astuple(weights)[1:]) + log_odds(0.3))
        looks.append(Look(f"person {number}", table, truth, table[:10], truth[:10], table[:, 0]))
    found = Weights(*logistic(looks))
    assert found.centroid == pytest.approx(weights.centroid, rel=0.15)
    assert found.nearest == pytest.approx(weights.nearest, rel=0.15)
    assert found.refused == pytest.approx(weights.refused, rel=0.25)
    middle, slope = baseline(looks)
    assert slope < -15
    assert 0.44 <= middle <= 0.6


def test_half_is_fitted_from_its_own_people_only_and_deterministically():
    known, who = crowd((24, 24, *[2] * 60), seed=3)
    pool = People(known.encodings, known.poor, ("made up",) * len(who), tuple(f"person {number:02}" for number in who))
    half = pool.only(first_half(pool))
    assert half.subjects() == [("made up", "person 01")]
    given = [fitted(list(looked(half, 1))) for _ in range(2)]
    assert given[0] == given[1]
    assert given[0]["people"] == 1
