"""The choice of questions on made-up people."""

from dataclasses import replace

import numpy as np
import pytest

from tests.vision.recognition.crowds import at_distance, crowd, trained, with_answer
from vision.recognition import questions
from vision.recognition.labelled_faces import Known, Label, Source
from vision.recognition.matching import infer
from vision.recognition.questions import Why, choose, doubt, mistaken, spot_checks

COUNTS = (30, 40, *[1] * 60)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_first_question_without_labels_is_about_the_most_frequent_person():
    known, who = crowd((40, 15, *[1] * 30))
    first = choose(known, infer(known), rng(), 1)[0]
    assert who[first.face] == 0
    assert first.why == Why.FIRST
    assert first.similar == ()


def test_question_after_a_rejection_is_about_a_dissimilar_face():
    known, who = crowd((15, 40, *[1] * 30), within=0.55)
    first = choose(known, infer(known), rng(), 1)[0]
    assert who[first.face] == 1
    known = with_answer(known, [first.face], Label.OTHER)
    assert who[choose(known, infer(known), rng(), 1)[0].face] == 0


def test_most_similar_faces_are_asked_while_few_are_confirmed():
    known, who = crowd(COUNTS)
    known = with_answer(known, [0], Label.TARGET, Source.PORTRAIT)
    asked = choose(known, infer(known), rng(), 10)
    assert {q.why for q in asked} == {Why.ALIKE}
    assert all(who[q.face] == 0 for q in asked)
    assert len({q.face for q in asked}) == 10


def test_question_has_the_most_similar_confirmed_faces():
    known, _ = trained(COUNTS)
    for question in choose(known, infer(known), rng(), 5):
        assert known.confirmed[list(question.similar)].all()
        apart = np.linalg.norm(known.encodings[list(question.similar)] - known.encodings[question.face], axis=1)
        assert len(question.similar) == 3
        assert (np.diff(apart) >= 0).all()


def test_answered_skipped_and_unencoded_faces_are_not_asked():
    known, _ = trained(COUNTS)
    encodings = known.encodings.copy()
    encodings[50] = np.nan
    known = replace(known, encodings=encodings, asked=np.arange(len(known)) % 2 == 0)
    faces = [q.face for q in choose(known, infer(known), rng(), 200)]
    assert len(faces) == len(set(faces))
    assert not known.human[faces].any()
    assert not known.asked[faces].any()
    assert 50 not in faces
    assert len(faces) == int((known.open & known.encoded & ~known.asked).sum())


def test_poor_faces_are_asked_last():
    known, _ = trained(COUNTS)
    known = replace(known, poor=np.arange(len(known)) % 3 == 0)
    faces = [q.face for q in choose(known, infer(known), rng(), 200)]
    poor = known.poor[faces]
    assert poor.any()
    assert not poor[: int((~poor).sum())].any()


def test_duplicate_photographs_are_asked_later():
    known, _ = crowd(COUNTS)
    encodings = known.encodings.copy()
    encodings[1:6] = encodings[1]
    known = with_answer(replace(known, encodings=encodings), [0], Label.TARGET, Source.PORTRAIT)
    assert len({q.face for q in choose(known, infer(known), rng(), 10)} & {1, 2, 3, 4, 5}) <= 1


def in_one_file(known: Known, rows: np.ndarray | list[int]) -> Known:
    files = known.files.copy()
    files[rows] = files[rows[0]]
    return replace(known, files=files)


def test_one_face_of_a_file_is_asked_at_a_time():
    known, _ = crowd(COUNTS)
    known = in_one_file(known, [0, 1, 2])
    score = np.linspace(1, 0, len(known))
    pool = np.arange(len(known))
    assert questions._spread_out(known, pool, score, 4) == [0, 3, 4, 5]
    assert questions._spread_out(known, pool[:5], score[:5], 5) == [0, 3, 4, 1, 2]


def test_after_a_rejection_in_a_crowded_photograph_its_other_faces_but_the_likeliest_come_last():
    known, who = trained(COUNTS, yes=8)
    members = np.flatnonzero(who > 1)[-(questions.CROWD + 1) :]
    known = with_answer(in_one_file(known, members), members[:1], Label.OTHER)
    found = infer(known)
    likeliest = int(members[1:][np.argmax(found.probability[members[1:]])])
    order = [q.face for q in choose(known, found, rng(), 200)]
    places = [order.index(row) for row in members[1:] if row != likeliest]
    assert min(places) >= len(order) - len(places)
    assert order.index(likeliest) < min(places)


def test_crowded_photograph_without_a_rejection_is_asked_like_others():
    known, who = trained(COUNTS)
    members = np.flatnonzero(who > 1)[-questions.CROWD :]
    for each in (in_one_file(known, members), with_answer(in_one_file(known, members[:-1]), members[:1], Label.OTHER)):
        rows = np.flatnonzero(each.open)
        assert not questions._in_asked_crowd(each, infer(each), rows).any()


def test_rejection_in_a_crowd_is_no_error_before_the_first_reference_face():
    known, who = crowd(COUNTS)
    members = np.flatnonzero(who > 1)[-(questions.CROWD + 1) :]
    known = with_answer(in_one_file(known, members), members[:1], Label.OTHER)
    assert len(choose(known, infer(known), rng(), 10)) == 10


def test_file_that_shows_the_person_twice_is_asked_about_early():
    known, who = trained(COUNTS, yes=8)
    mine = np.flatnonzero(who == 0)
    first, copy = int(mine[20]), int(mine[21])
    encodings = known.encodings.copy()
    encodings[copy] = at_distance(encodings[first], 0.15, rng())
    known = in_one_file(replace(known, encodings=encodings), [first, copy])
    found = infer(known)
    assert found.matches[[first, copy]].all()
    assert questions._shown_twice(known, found, np.flatnonzero(known.open), 5) == [first]
    for seed in range(10):
        asked = [q.face for q in choose(known, found, rng(seed), 2)]
        assert first in asked
        assert len(set(asked)) == 2
    apart = replace(known, files=np.arange(len(known)))
    assert questions._shown_twice(apart, found, np.flatnonzero(known.open), 5) == []
    unlikely = replace(found, probability=np.full(len(known), 0.4, np.float32))
    assert questions._shown_twice(known, unlikely, np.flatnonzero(known.open), 5) == []


def test_uncertainty_is_greatest_at_probability_one_half():
    known, _ = trained(COUNTS)
    found = replace(infer(known), probability=np.array([0.0, 0.1, 0.5, 0.9, 1.0], np.float32))
    assert np.argmax(doubt(found)) == 2
    assert doubt(found)[2] == pytest.approx(1.0)
    assert doubt(found)[1] == pytest.approx(doubt(found)[3])
    assert doubt(found)[0] < 1e-6


def test_running_model_asks_about_uncertain_faces_and_some_random_ones():
    known, _ = trained(COUNTS, yes=5)
    found = infer(known)
    unsure = np.full(len(known), 0.001, np.float32)
    unsure[20:60] = 0.5
    asked = [q for seed in range(20) for q in choose(known, replace(found, probability=unsure), rng(seed), 10)]
    reasons = [q.why for q in asked]
    assert 0.6 < reasons.count(Why.UNSURE) / len(reasons) < 0.95
    assert reasons.count(Why.UNSEEN) > 0
    assert reasons.count(Why.SPOT_CHECK) > 0
    assert all(unsure[q.face] < 0.1 for q in asked if q.why == Why.SPOT_CHECK)


def test_spot_checks_are_asked_if_the_model_is_sure_of_everything():
    known, _ = trained(COUNTS)
    found = infer(known)
    sure = replace(
        found, probability=np.full(len(known), 0.001, np.float32), suggestion=np.zeros_like(found.suggestion)
    )
    assert {q.why for q in choose(known, sure, rng(), 10)} == {Why.SPOT_CHECK}


def test_answer_that_looks_wrong_is_asked_again_once():
    known, who = trained(COUNTS, yes=8)
    wrong = int(np.flatnonzero(who == 1)[30])
    known = with_answer(known, [wrong], Label.TARGET)
    found = infer(known)
    assert mistaken(known, found).tolist() == [wrong]
    again = [q for q in choose(known, found, rng(), 10) if q.why == Why.MISTAKEN]
    assert [q.face for q in again] == [wrong]
    assert wrong not in again[0].similar
    agreed = with_answer(known, [wrong], Label.TARGET)
    assert wrong not in mistaken(agreed, infer(agreed))


def test_possible_mistakes_take_at_most_a_fifth_of_the_questions():
    known, who = trained(COUNTS, yes=12)
    known = with_answer(known, np.flatnonzero(who == 1)[10:18], Label.TARGET)
    found = replace(infer(known), trust=np.where(who == 1, 0.1, 1.0).astype(np.float32))
    assert sum(q.why == Why.MISTAKEN for q in choose(known, found, rng(), 10)) == 2


def test_spot_checks_cover_all_faces_but_prefer_uncertain_ones():
    known, _ = trained((30, 300), no=0)
    p = np.where(np.arange(len(known)) < 60, 0.2, 0.0005).astype(np.float32)
    found = replace(infer(known), probability=p)
    drawn = np.concatenate([spot_checks(known, found, rng(seed), 10) for seed in range(600)])
    assert len(set(spot_checks(known, found, rng(), 10))) == 10
    rate = np.bincount(drawn, minlength=len(known))[known.open] / 600
    likely = p[known.open] > 0.1
    assert rate[likely].mean() > 3 * rate[~likely].mean()
    assert (rate[~likely] > 0).mean() > 0.8


def test_one_question_in_five_is_about_the_claimed_face_least_similar_to_answered_ones():
    known, _ = trained(COUNTS, yes=5)
    found = infer(known)
    claimed = np.flatnonzero(found.matches)
    seen = known.encodings[known.human]
    apart = np.linalg.norm(known.encodings[claimed][:, None] - seen[None], axis=2).min(axis=1)
    edge = int(claimed[np.argmax(apart)])
    unsure = found.probability.copy()
    unsure[~found.matches] = 0.3
    asked = choose(known, replace(found, probability=unsure), rng(), 10)
    (there,) = [q for q in asked if q.face == edge]
    assert there.why == Why.UNSEEN
    assert 1 <= sum(found.matches[q.face] for q in asked if q.why == Why.UNSEEN) <= 3


def test_second_person_among_the_matches_is_found_within_a_few_questions():
    """A second person is so similar that the model claims their faces too: one rejection removes the others."""
    wrong = []
    for seed in range(6):
        known, who = crowd((30, 20, *[1] * 60), seed)
        shift = known.encodings[who == 1].mean(axis=0) - known.encodings[who == 0].mean(axis=0)
        encodings = known.encodings.copy()
        encodings[who == 1] -= 0.62 * shift
        known = replace(known, encodings=encodings)
        known = with_answer(known, np.flatnonzero(who == 0)[:6], Label.TARGET)
        assert (infer(known).matches & (who == 1)).any()
        chance = rng(seed)
        for _ in range(10):
            question = choose(known, infer(known), chance, 1)[0]
            known = with_answer(known, [question.face], Label.TARGET if who[question.face] == 0 else Label.OTHER)
        wrong.append(int((infer(known).matches & (who != 0)).sum()))
    assert sum(wrong) <= 3


def test_half_of_the_spot_checks_are_the_likeliest_unclaimed_faces():
    known, _ = trained((30, 300), no=0)
    p = np.linspace(0.0001, 0.01, len(known)).astype(np.float32)
    found = replace(infer(known), probability=p)
    likeliest = set(np.flatnonzero(known.open & ~found.matches)[-5:])
    assert set(spot_checks(known, found, rng(), 10)) >= likeliest
    assert len(set(spot_checks(known, found, rng(), 10)) - likeliest) == 5
    assert not likeliest & set(np.flatnonzero(found.matches))


def test_every_second_question_ignores_a_portrait_that_leads_to_rejections_only():
    """The portrait shows a person who is not in the category."""
    known, who = crowd((40, 15, *[1] * 60))
    portrait = int(np.flatnonzero(who == 1)[0])
    known = with_answer(known, [portrait], Label.TARGET, Source.PORTRAIT)
    known = replace(known, files=np.where(np.arange(len(known)) == portrait, -1, known.files))
    asked = []
    for _ in range(16):
        question = choose(known, infer(known), rng(), 1)[0]
        asked.append(question)
        known = with_answer(known, [question.face], Label.TARGET if who[question.face] == 0 else Label.OTHER)
    assert all(who[q.face] == 1 for q in asked[: questions.REFUSALS_BEFORE_CROWD])
    assert infer(known).on
    assert asked[questions.REFUSALS_BEFORE_CROWD + 1].why == Why.FIRST


def test_no_face_is_asked_twice_while_the_portrait_is_misleading():
    known, who = crowd((40, 15, *[1] * 60))
    known = with_answer(known, [int(np.flatnonzero(who == 1)[0])], Label.TARGET, Source.PORTRAIT)
    known = with_answer(known, np.flatnonzero(who == 1)[1:6], Label.OTHER)
    faces = [q.face for q in choose(known, infer(known), rng(), 40)]
    assert len(faces) == len(set(faces)) == 40


def test_questions_are_deterministic_for_a_seed():
    known, _ = trained(COUNTS)
    assert choose(known, infer(known), rng(3)) == choose(known, infer(known), rng(3))


def test_no_question_is_returned_if_every_face_is_answered():
    known, who = trained((6, 4), yes=6, no=4)
    assert len(who) == 10
    assert choose(known, infer(known), rng()) == []


def test_frequency_score_is_zero_beside_a_rejected_face():
    known, who = crowd((10, 10))
    known = with_answer(known, [10], Label.OTHER)
    thick = questions.crowd(known, np.arange(20), rng())
    assert thick[who == 0].min() > 0
    assert thick[10] == 0
