import numpy as np
import pytest

from vision.recognition import calibration
from vision.recognition.calibration import Measures, cut, log_odds, logit_of, probability, share_of, sigmoid


def measures(*distances: float) -> Measures:
    d = np.array(distances, np.float32)
    return Measures(d, d + 0.1, np.full(len(d), 0.7, np.float32))


def test_nearer_is_likelier():
    logits = logit_of(measures(0.2, 0.4, 0.5, 0.6, 0.8))
    assert (np.diff(logits) < 0).all()
    assert logits[0] > 5
    assert logits[-1] < -5


def test_nearer_to_a_no_is_less_likely():
    d = np.full(3, 0.45, np.float32)
    logits = logit_of(Measures(d, d, np.array([0.3, 0.5, 0.7], np.float32)))
    assert (np.diff(logits) > 0).all()


def test_beyond_far_a_no_says_no_more():
    d = np.full(2, 0.45, np.float32)
    near, far = logit_of(Measures(d, d, np.array([calibration.FAR, 2.0], np.float32)))
    assert near == far


def test_the_share_is_found_from_unlabelled_faces():
    rng = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.6):
        mine = rng.random(2000) < share
        logits = np.where(mine, rng.normal(4, 2, 2000), rng.normal(-4, 2, 2000))
        assert share_of(logits) == pytest.approx(share, abs=0.03)


def test_answers_move_the_curve_towards_what_they_say():
    logits = np.linspace(-3, 3, 20)
    certain = np.zeros(20, bool)
    plain = np.interp(0.0, calibration.LOGITS, calibration.corrected(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool)))
    lower = np.interp(0.0, calibration.LOGITS, calibration.corrected(logits, logits > 2, certain))
    higher = np.interp(0.0, calibration.LOGITS, calibration.corrected(logits, logits > -2, certain))
    assert plain == pytest.approx(0.5, abs=0.01)
    assert lower < 0.35
    assert higher > 0.65


def test_one_slip_of_the_volunteer_changes_little():
    logits, said = np.linspace(-8, 8, 20), np.linspace(-8, 8, 20) > 0
    slip = said.copy()
    slip[-1] = False
    certain = np.zeros(20, bool)
    difference = calibration.corrected(logits, said, certain) - calibration.corrected(logits, slip, certain)
    assert np.abs(difference).max() < 0.1


def test_the_curve_rises():
    curve = calibration.corrected(np.array([-2.0, 1.0, 3.0]), np.array([False, True, False]), np.zeros(3, bool))
    assert (np.diff(curve) >= 0).all()


def test_nothing_is_certain():
    curve = calibration.corrected(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    low, high = probability(np.array([-40.0, 40.0]), curve, 0.3)
    assert low > 1e-4
    assert high < 1 - 1e-4


def test_the_cut_keeps_the_budget_and_claims_as_many_as_it_may():
    p = np.array([0.999, 0.999, 0.99, 0.95, 0.92])
    assert cut(p, 100) == 0.99
    assert cut(p, 20) == 0.92
    assert cut(p, 5000) > 1
    assert cut(np.zeros(0), 100) > 1


def test_what_the_cut_expects_is_what_comes():
    """Of faces whose probabilities are true, no more than the budget is wrong among those claimed."""
    rng = np.random.default_rng(0)
    p = sigmoid(rng.normal(2, 4, 200_000))
    truth = rng.random(len(p)) < p
    for budget in (50, 100, 500):
        claimed = p >= cut(p, budget)
        assert (~truth[claimed]).mean() == pytest.approx(1 / budget, rel=0.15)


def test_log_odds_and_sigmoid_undo_each_other():
    assert sigmoid(np.array([log_odds(0.2)]))[0] == pytest.approx(0.2)
