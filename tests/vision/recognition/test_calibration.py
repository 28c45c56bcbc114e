"""Calibration of probabilities, and the threshold for an error budget."""

import numpy as np
import pytest

from vision.recognition import calibration
from vision.recognition.calibration import (
    CONSTANTS,
    Measures,
    Weights,
    cut,
    log_odds,
    logit_of,
    probability,
    share_of,
    sigmoid,
)

ENCODERS = pytest.mark.parametrize("weights", [each.first for each in CONSTANTS.values()], ids=list(CONSTANTS))


def measures(*distances: float) -> Measures:
    d = np.array(distances, np.float32)
    return Measures(d, d + 0.1, np.full(len(d), 0.7, np.float32))


@ENCODERS
def test_probability_grows_with_proximity_to_confirmed_faces(weights: Weights):
    logits = logit_of(measures(0.2, 0.4, 0.5, 0.6, 0.8), weights)
    assert (np.diff(logits) < 0).all()
    assert logits[0] > 5
    assert logits[-1] < -5


@ENCODERS
def test_probability_falls_with_proximity_to_a_rejected_face(weights: Weights):
    d = np.full(3, 0.45, np.float32)
    logits = logit_of(Measures(d, d, np.array([0.3, 0.5, 0.7], np.float32)), weights)
    assert (np.diff(logits) > 0).all()


@ENCODERS
def test_distant_rejected_face_has_no_influence(weights: Weights):
    d = np.full(2, 0.45, np.float32)
    near, far = logit_of(Measures(d, d, np.array([calibration.FAR, 2.0], np.float32)), weights)
    assert near == far


def test_probability_falls_with_proximity_to_the_crowd_and_ignores_distant_rivals():
    d = np.full(4, 0.45, np.float32)
    weights = CONSTANTS["sface-1"].full
    rivals = np.array([0.4, 0.6, calibration.FAR, 2.0], np.float32)
    logits = logit_of(Measures(d, d + 0.1, d + 0.3, rivals, np.full(4, 0.75, np.float32)), weights)
    assert logits[0] < logits[1] < logits[2] == logits[3]
    around = np.array([0.7, 0.75, 0.8, 0.85], np.float32)
    assert (np.diff(logit_of(Measures(d, d + 0.1, d + 0.3, d + 0.2, around), weights)) > 0).all()


def test_share_of_the_person_is_estimated_from_unlabelled_faces():
    rng = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.6):
        mine = rng.random(2000) < share
        logits = np.where(mine, rng.normal(4, 2, 2000), rng.normal(-4, 2, 2000))
        assert share_of(logits) == pytest.approx(share, abs=0.03)


def test_answers_shift_the_calibration_curve():
    logits = np.linspace(-3, 3, 20)
    certain = np.zeros(20, bool)
    plain = np.interp(0.0, calibration.LOGITS, calibration.corrected(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool)))
    lower = np.interp(0.0, calibration.LOGITS, calibration.corrected(logits, logits > 2, certain))
    higher = np.interp(0.0, calibration.LOGITS, calibration.corrected(logits, logits > -2, certain))
    assert plain == pytest.approx(0.5, abs=0.01)
    assert lower < 0.35
    assert higher > 0.65


def test_one_wrong_answer_changes_the_curve_little():
    logits, answers = np.linspace(-8, 8, 20), np.linspace(-8, 8, 20) > 0
    slip = answers.copy()
    slip[-1] = False
    certain = np.zeros(20, bool)
    difference = calibration.corrected(logits, answers, certain) - calibration.corrected(logits, slip, certain)
    assert np.abs(difference).max() < 0.1


def test_calibration_curve_is_monotonic():
    curve = calibration.corrected(np.array([-2.0, 1.0, 3.0]), np.array([False, True, False]), np.zeros(3, bool))
    assert (np.diff(curve) >= 0).all()


def test_probabilities_are_never_zero_or_one():
    curve = calibration.corrected(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    low, high = probability(np.array([-40.0, 40.0]), curve, 0.3)
    assert low > 1e-4
    assert high < 1 - 1e-4


def test_threshold_keeps_the_budget_and_claims_as_many_faces_as_possible():
    p = np.array([0.999, 0.999, 0.99, 0.95, 0.92])
    assert cut(p, 100) == 0.99
    assert cut(p, 20) == 0.92
    assert cut(p, 5000) > 1
    assert cut(np.zeros(0), 100) > 1


def test_expected_errors_of_the_threshold_agree_with_the_outcome():
    """If the probabilities are true, the share of wrong faces among the claimed ones is at most the budget."""
    rng = np.random.default_rng(0)
    p = sigmoid(rng.normal(2, 4, 200_000))
    truth = rng.random(len(p)) < p
    for budget in (50, 100, 500):
        claimed = p >= cut(p, budget)
        assert (~truth[claimed]).mean() == pytest.approx(1 / budget, rel=0.15)


def test_sigmoid_is_the_inverse_of_log_odds():
    assert sigmoid(np.array([log_odds(0.2)]))[0] == pytest.approx(0.2)
