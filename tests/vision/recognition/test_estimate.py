"""The estimate of faces not found yet, and when to stop answering."""

import numpy as np
import pytest

from tests.vision.recognition.crowds import trained, with_answer
from vision.recognition import estimate
from vision.recognition.estimate import Unfound, from_predictions, looked_at, stop, unfound
from vision.recognition.labelled_faces import Label
from vision.recognition.matching import infer
from vision.recognition.questions import spot_checks

NONE = np.zeros(0)
NO_HITS = np.zeros(0, bool)


def test_estimate_is_zero_if_no_face_is_left():
    assert unfound(NONE, NONE, NO_HITS, 30) == Unfound(0.0, 0, 0)


def test_estimate_grows_with_the_probabilities_of_the_remaining_faces():
    few = unfound(np.full(100, 0.01), NONE, NO_HITS, 50)
    many = unfound(np.full(100, 0.2), NONE, NO_HITS, 50)
    assert few.expected < many.expected
    assert many.low <= 20 <= many.high


def test_confirmed_spot_checks_raise_the_estimate_and_rejected_ones_lower_it():
    left, checked = np.full(200, 0.05), np.full(30, 0.05)
    hits = unfound(left, checked, np.arange(30) < 6, 50)
    misses = unfound(left, checked, np.zeros(30, bool), 50)
    plain = unfound(left, NONE, NO_HITS, 50)
    assert misses.high < plain.high < hits.high
    assert misses.expected < plain.expected < hits.expected


def test_unexpected_confirmation_widens_the_interval():
    left, checked = np.full(300, 0.0005), np.full(40, 0.0005)
    none, one = (unfound(left, checked, np.arange(40) < n, 50) for n in (0, 1))
    assert one.high > none.high
    assert one.expected > 2 * none.expected


def test_spot_checks_of_the_likeliest_faces_count_more():
    left = np.concatenate((np.full(380, 0.0003), np.full(20, 0.004)))
    near, far = np.full(20, 0.004), np.full(20, 0.0003)
    assert looked_at(left[:-20], near) == pytest.approx(0.5 + 0.5 * 20 / 400)
    assert looked_at(left[20:], far) == pytest.approx(0.5 * 20 / 400)
    assert looked_at(NONE, near) == 1.0
    likely = unfound(left[:-20], near, np.zeros(20, bool), 60)
    other = unfound(left[20:], far, np.zeros(20, bool), 60)
    assert likely.expected < other.expected


def test_estimate_is_at_most_the_number_of_remaining_faces():
    found = unfound(np.array([0.9, 0.8]), np.full(5, 0.5), np.ones(5, bool), 10)
    assert 0 <= found.low <= found.expected <= found.high <= 2


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_interval_contains_the_truth_in_nine_of_ten_runs(factor):
    """Even if the model's probabilities are too high or too low, and some of the person's faces are unusual."""
    rng, held = np.random.default_rng(7), []
    for _ in range(300):
        p = rng.beta(0.1, 4, 500)
        truth = rng.random(500) < np.minimum(1, factor * p)
        odd = rng.random(500) < rng.gamma(0.5, 2) * 0.01 * 60 / 500
        truth |= odd
        order = np.argsort(rng.exponential(size=500) / np.sqrt(p * (1 - p) + 1e-6))
        checked, left = order[:40], order[40:]
        result = unfound(p[left], p[checked], truth[checked], 60)
        held.append(result.low <= truth[left].sum() <= result.high)
    assert np.mean(held) >= 0.88


def test_estimate_during_a_simulated_project():
    known, who = trained((40, 60, *[1] * 100), yes=8)
    rng, checked = np.random.default_rng(0), np.zeros(200, bool)
    for _ in range(4):
        drawn = spot_checks(known, infer(known), rng, 10)
        checked[drawn] = True
        known = with_answer(
            with_answer(known, drawn[who[drawn] == 0], Label.TARGET), drawn[who[drawn] != 0], Label.OTHER
        )
    found = infer(known)
    missing = from_predictions(known, found, checked)
    truth = int((known.open & ~found.matches & (who == 0)).sum())
    assert missing.low <= truth <= missing.high
    matches = int((found.matches | known.confirmed).sum())
    assert missing.high <= max(2, 0.05 * matches)
    assert stop(missing, matches, 0).may == (missing.high <= max(1, 0.05 * matches))


def test_stopping_is_suggested_after_enough_checks_with_a_low_estimate():
    assert stop(Unfound(0.2, 0, 1), 19, 0).may
    assert stop(Unfound(1.0, 0, 5), 100, 3).may
    assert not stop(Unfound(3.0, 1, 6), 100, 0).may
    assert not stop(Unfound(0.0, 0, 0), 0, 0).may


def test_expected_errors_are_the_sum_of_the_error_probabilities():
    assert estimate.expected_wrong(np.array([0.99, 0.95, 1.0])) == pytest.approx(0.06)
