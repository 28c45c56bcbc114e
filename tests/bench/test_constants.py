"""The constants in use are those computed by bench/constants.py, which recovers known values from simulated data."""

import json

import numpy as np
import pytest

from bench import constants
from bench.constants import FIRST, FULL, Look, fitted, logistic, looked
from bench.learning.projects import People
from tests.vision.recognition.crowds import crowd
from vision.recognition import calibration
from vision.recognition.calibration import CONSTANTS, Constants, Weights, log_odds, sigmoid

GIVEN = json.loads(constants.SAVED.read_text())


@pytest.mark.parametrize("encoder", sorted(CONSTANTS))
def test_constants_in_use_are_those_of_all_sets(encoder: str):
    assert constants.saved(encoder) == CONSTANTS[encoder]


@pytest.mark.parametrize("encoder", sorted(CONSTANTS))
def test_a_set_is_reported_by_constants_fitted_without_it(encoder: str):
    without = {name: constants.saved(encoder, name) for name in GIVEN[encoder]["without"]}
    assert {"east_asian", "kpop_women", "african", "south_asian", "western", "ageing"} <= without.keys()
    assert all(each != CONSTANTS[encoder] for each in without.values())
    assert constants.saved(encoder, "a set that was not there") == CONSTANTS[encoder]


def test_deviation_in_use_is_hardly_worse_than_the_best_one():
    losses = GIVEN[calibration.DEFAULT_ENCODER]["deviations"]
    assert losses[str(calibration.SHIFT_DEVIATION)] <= 1.05 * min(losses.values())


def simulated(weights: Weights, kind: str, seed: int) -> list[Look]:
    rng, looks = np.random.default_rng(seed), []
    slopes = np.array([getattr(weights, name) for name in FULL])
    for number in range(20):
        mine = rng.random(400) < 0.3
        centre = np.where(mine[:, None], [0.42, 0.42, 0.6, 0.6, 0.78], [0.66, 0.66, 0.5, 0.5, 0.74])
        table = np.clip(rng.normal(centre, 0.07, (400, 5)), 0, calibration.FAR)
        truth = rng.random(400) < sigmoid(weights.intercept + table @ slopes + log_odds(0.3))
        looks.append(Look(kind, f"person {number}", table, truth, table[:10], truth[:10]))
    return looks


def test_known_weights_are_recovered():
    weights = Weights(-10.0, -24.0, -30.0, 6.0, 16.0, 40.0)
    found = logistic(simulated(weights, "a set", 0), FULL)
    for name in ("centroid", "nearest", "rival", "crowd"):
        assert getattr(found, name) == pytest.approx(getattr(weights, name), rel=0.3)


def test_every_set_has_the_same_weight_whatever_its_size():
    few, many = Weights(2.0, -24.0, -10.0, 6.0), Weights(12.0, -24.0, -10.0, 6.0)
    small, large = simulated(few, "small", 1)[:5], simulated(many, "large", 2)
    repeated = [*small, *small, *small, *small, *large]
    found, balanced = logistic([*small, *large], FIRST), logistic(repeated, FIRST)
    assert found.intercept == pytest.approx(balanced.intercept, abs=0.3)


def test_fit_uses_only_the_given_people_and_is_deterministic():
    known, who = crowd((24, 24, *[2] * 60), seed=3)
    names = tuple(f"person {number:02}" for number in who)
    kinds = tuple("a" if number % 2 else "b" for number in who)
    pool = People(known.encodings, known.poor, known.files, np.ones(len(who), bool), kinds, names)
    assert pool.only({"a"}).subjects() == [("a", "person 01")]
    first, second = (fitted(list(looked(pool, 1))) for _ in range(2))
    assert first == second
    assert first["people"] == 2
    assert first["without"]["a"] == fitted(list(looked(pool.only({"b"}), 1)))[constants.IN_USE]


def test_constants_without_the_crowd_ignore_it():
    assert isinstance(constants.saved("sface-1"), Constants)
    assert constants.saved("sface-1").first.rival == constants.saved("sface-1").first.crowd == 0
