"""Decisions of the model on made-up people, for whom the truth is known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.vision.recognition.crowds import (
    WITHIN,
    at_distance,
    crowd,
    directions,
    no_codes,
    of_length,
    trained,
    with_answer,
)
from vision.recognition import calibration, matching
from vision.recognition.calibration import CONSTANTS, Constants, Weights
from vision.recognition.labelled_faces import REFERENCE_ONLY, Known, Label, Source, Suggestion
from vision.recognition.matching import fit, infer, measure

COUNTS = (30, 40, *[1] * 60)
SIMILAR = 0.33  # Not so near that the two faces are one person's, shown twice.


def test_matches_are_correct_and_nearly_complete():
    known, who = trained(COUNTS)
    found = infer(known)
    assert found.on
    assert not (found.matches & (who != 0)).any()
    assert (found.matches | known.confirmed)[who == 0].mean() > 0.9


def test_model_is_off_with_fewer_than_five_confirmed_faces():
    known, who = trained(COUNTS, yes=4)
    known = with_answer(known, np.flatnonzero(who == 0)[10:20], Label.TARGET, Source.BULK)
    found = infer(known)
    assert not found.on
    assert set(found.suggestion) == {Suggestion.NONE}
    assert np.isfinite(found.distance).all()
    assert infer(known, min_confirmed=4).on


def test_nothing_is_suggested_without_labels():
    known, _ = crowd((5, 5))
    found = infer(known)
    assert not found.on
    assert np.isnan(found.distance).all()
    assert not found.matches.any()


def test_project_without_faces_gives_an_empty_result():
    assert len(infer(Known(np.zeros((0, 128), np.float32), *no_codes(0), np.zeros(0, np.int64))).suggestion) == 0


def test_suggestion_never_contradicts_an_answer_of_a_human():
    known, who = trained(COUNTS)
    mine = np.flatnonzero(who == 0)[6:9]
    known = with_answer(with_answer(known, mine[:1], Label.OTHER), mine[1:2], Label.UNSURE)
    known = with_answer(known, mine[2:], Label.NOT_FACE)
    found = infer(known)
    assert set(found.suggestion[known.human]) == {Suggestion.NONE}


def test_distance_is_to_the_mean_of_confirmed_faces_and_limited_by_the_threshold():
    known, _ = trained(COUNTS, yes=20)
    found = infer(known)
    centroid = known.encodings[known.confirmed].mean(axis=0)
    np.testing.assert_allclose(
        found.distance[known.open], np.linalg.norm(known.encodings - centroid, axis=1)[known.open], atol=0.01
    )
    strict = infer(known, threshold=0.4)
    assert strict.matches.any()
    assert (strict.distance[strict.matches] <= 0.4).all()
    left = found.matches & ~strict.matches
    assert left.any()


def test_distance_of_a_confirmed_face_excludes_itself():
    known, _ = trained(COUNTS, yes=5)
    measures = measure(known, fit(known))
    mine = np.flatnonzero(known.confirmed)
    others = [np.delete(mine, i) for i in range(len(mine))]
    expected = [
        np.linalg.norm(known.encodings[m] - known.encodings[o].mean(axis=0)) for m, o in zip(mine, others, strict=True)
    ]
    np.testing.assert_allclose(measures.centroid[mine], expected, atol=0.02)
    assert (measures.nearest[mine] > 0.3).all()


def test_result_is_deterministic():
    known, _ = trained(COUNTS)
    np.testing.assert_array_equal(infer(known).probability, infer(known).probability)


def test_result_does_not_depend_on_the_order_of_faces():
    known, who = trained(COUNTS)
    order = np.random.default_rng(1).permutation(len(who))
    shuffled = Known(known.encodings[order], known.labels[order], known.sources[order], known.files[order])
    np.testing.assert_allclose(infer(shuffled).probability, infer(known).probability[order], atol=1e-3)


def test_stricter_budget_claims_fewer_faces_and_expects_fewer_errors():
    known, _ = trained((60, 60, *[1] * 60), yes=5)
    by_budget = [infer(known, error_budget=budget) for budget in (10, 100, 1000)]
    claimed = [int(found.matches.sum()) for found in by_budget]
    assert claimed == sorted(claimed, reverse=True)
    for budget, found in zip((10, 100, 1000), by_budget, strict=True):
        assert found.expected_wrong <= found.matches.sum() / budget + 1e-6


def test_strict_budget_claims_no_single_uncertain_face():
    assert [matching.least_claimed(budget) for budget in (20, 100, 500, 1000)] == pytest.approx([0.9, 0.9, 0.98, 0.99])
    known, _ = trained((60, 60, *[1] * 60), yes=5)
    found = infer(known, error_budget=1000)
    assert found.matches.any()
    assert found.probability[found.matches].min() >= 0.99


def with_double(distance: float) -> tuple[Known, int, int]:
    """Return a project in which one file has a face of the person and another face at a given distance from it."""
    known, who = trained(COUNTS, yes=10)
    mine, other = int(np.flatnonzero(who == 0)[12]), int(np.flatnonzero(who == 1)[20])
    encodings, files = known.encodings.copy(), known.files.copy()
    encodings[mine] = of_length(encodings[mine] + encodings[known.confirmed].mean(axis=0))
    encodings[other] = at_distance(encodings[mine], distance, np.random.default_rng(3))
    files[other] = files[mine]
    return replace(known, encodings=encodings, files=files), mine, other


def test_two_similar_faces_in_one_file_are_asked_instead_of_claimed():
    known, mine, other = with_double(SIMILAR)
    found = infer(known)
    assert set(found.suggestion[[mine, other]]) == {Suggestion.UNSURE}
    assert found.probability[mine] + found.probability[other] <= 1


def test_file_confirmed_to_show_the_person_twice_can_match_twice():
    known, mine, other = with_double(SIMILAR)
    known = replace(known, twice=known.files == known.files[mine])
    assert infer(known).matches[[mine, other]].all()


def test_other_person_in_the_file_does_not_affect_the_match():
    known, mine, other = with_double(0.8)
    found = infer(known)
    assert found.suggestion[mine] == Suggestion.MATCH
    assert found.suggestion[other] == Suggestion.NO_MATCH


def test_face_shown_twice_in_one_file_keeps_its_probability():
    """The two halves of a stereo card."""
    known, mine, copy = with_double(0.2)
    found = infer(known)
    assert found.matches[[mine, copy]].all()
    alone = infer(replace(known, files=np.arange(len(known))))
    np.testing.assert_allclose(found.probability[[mine, copy]], alone.probability[[mine, copy]], atol=0.02)


def test_other_person_beside_a_face_shown_twice_competes_with_it():
    known, mine, copy = with_double(0.2)
    third = int(np.flatnonzero(known.open & (known.files > known.files.max() - 1))[0])
    encodings, files = known.encodings.copy(), known.files.copy()
    encodings[third] = at_distance(encodings[mine], SIMILAR + 0.05, np.random.default_rng(8))
    files[third] = files[mine]
    known = replace(known, encodings=encodings, files=files)
    rows = [mine, copy, third]
    p = np.zeros(len(known))
    p[rows] = (0.8, 0.8, 0.8)
    shared = matching.one_per_file(p, known)[rows]
    assert shared == pytest.approx([4 / 9] * 3)  # odds 4 : 4 : 1, the copies counted once


def test_only_near_faces_of_one_file_are_copies():
    known, mine, copy = with_double(0.2)
    rows = np.arange(len(known))
    assert [tuple(map(int, pair)) for pair in zip(*matching.copies(known, rows), strict=True)] == [(mine, copy)]
    for other in (with_double(SIMILAR)[0], replace(known, files=rows)):
        assert not len(matching.copies(other, rows)[0])


def test_poor_face_is_claimed_only_with_a_higher_probability():
    known, _ = trained((4,), yes=0, no=0)
    poor = replace(known, poor=np.array([False, True, False, True]))
    probability = np.array([0.93, 0.93, 0.96, 0.96])
    assert 0.93 < matching.LEAST_CLAIMED_POOR < 0.96
    assert matching.claimable(poor, np.full(4, 0.3, np.float32), probability).tolist() == [True, False, True, True]


def test_no_other_face_matches_beside_a_confirmed_one():
    known, mine, other = with_double(SIMILAR)
    found = infer(with_answer(known, [mine], Label.TARGET))
    assert found.suggestion[other] == Suggestion.NO_MATCH


def test_other_face_becomes_likelier_after_the_first_was_rejected():
    known, mine, other = with_double(SIMILAR)
    before, after = infer(known), infer(with_answer(known, [other], Label.OTHER))
    assert after.probability[mine] > before.probability[mine]


def test_rejection_lowers_the_probability_of_similar_faces():
    known, who = trained(COUNTS, yes=8, no=0)
    twin = np.flatnonzero(who == 1)
    middle = known.encodings[known.confirmed].mean(axis=0)
    away = np.random.default_rng(4).normal(size=128)
    noise = np.random.default_rng(5).normal(size=(len(twin), 128)) * 0.2 / np.sqrt(128)
    encodings = known.encodings.copy()
    encodings[twin] = middle + 0.42 * away / np.linalg.norm(away) + noise
    known = replace(known, encodings=encodings)
    before, after = infer(known), infer(with_answer(known, twin[:3], Label.OTHER))
    assert (after.probability[twin[3:]] < before.probability[twin[3:]]).all()
    assert not after.matches[twin].any()


def test_one_wrong_confirmation_among_six_changes_neither_centroid_nor_matches():
    known, who = trained(COUNTS, yes=6)
    wrong = int(np.flatnonzero(who == 1)[30])
    found, plain = infer(with_answer(known, [wrong], Label.TARGET)), infer(known)
    assert found.trust[wrong] < 0.5
    assert not (found.matches & (who != 0)).any()
    assert np.abs(found.distance - plain.distance)[known.open & (who == 0)].max() < 0.01


def test_bulk_approvals_and_bootstrap_train_only_if_they_agree_with_answers():
    known, who = trained(COUNTS)
    wrong, right = np.flatnonzero(who == 1)[10:22], np.flatnonzero(who == 0)[10:16]
    for source in (Source.BULK, Source.BOOTSTRAP):
        model = fit(with_answer(with_answer(known, wrong, Label.TARGET, source), right, Label.TARGET, source))
        assert not np.isin(wrong, model.references).any()
        assert np.isin(right, model.references).sum() >= 4
        assert model.confirmed == 6


def test_bootstrap_labels_train_only_if_the_other_labels_support_them():
    known, who = trained(COUNTS)
    claimed = np.flatnonzero(who == 0)[10:16]
    known = with_answer(known, claimed, Label.TARGET, Source.BOOTSTRAP)
    model = fit(known)
    trains = np.isin(claimed, model.references)
    assert trains.any()
    assert (model.trust[claimed][trains] >= matching.TRAINS).all()
    assert (model.trust[claimed][~trains] == 0).all()


def test_claims_and_probabilities_use_different_weights():
    known, who = trained(COUNTS, yes=8)
    wrong = int(np.flatnonzero(who == 1)[30])
    known = with_answer(known, [wrong], Label.TARGET)
    nothing = Weights(0.0, 0.0, 0.0, 0.0)
    blind = Constants(nothing, nothing)
    assert infer(known).trust[wrong] < 0.5 < infer(known, constants=blind).trust[wrong]
    assert infer(known).matches.any()
    assert not infer(known, constants=blind).matches.any()


FIRST = CONSTANTS["sface-1"].first
LABELLED_ALONE = Constants(FIRST, FIRST)
"""As if only labelled faces were measured: the model without the crowd."""


def alike(everybody: float, double: float, counts: Sequence[int], seed: int) -> tuple[Known, np.ndarray]:
    """Return a project with answers about person 0 and some others, none about person 1, who is a look-alike.

    `everybody` is how much all people have in common (0.1 in other crowds), `double` the cosine between the look-alikes.
    """
    rng = np.random.default_rng(seed)
    own = directions(rng, len(counts))
    own[1] = double * own[0] + (1 - double**2) ** 0.5 * own[1]
    who = np.repeat(np.arange(len(counts)), counts)
    people = everybody**0.5 * directions(rng, 1) + (0.6 - everybody) ** 0.5 * own
    encodings = of_length(people[who] + WITHIN * directions(rng, len(who)))
    known = Known(encodings, *no_codes(len(who)), np.arange(len(who)))
    known = with_answer(known, np.flatnonzero(who == 0)[:6], Label.TARGET)
    return with_answer(known, np.flatnonzero(who > 1)[:4], Label.OTHER), who


def test_look_alike_with_many_unlabelled_faces_is_not_claimed():
    """The distances to the labelled faces alone would claim some of them."""
    wrong, without = 0, 0
    for seed in range(5):
        known, who = alike(0.3, 0.4, (30, 60, *[6] * 15), seed)
        found = infer(known)
        wrong += int((found.matches & (who != 0)).sum())
        without += int((infer(known, constants=LABELLED_ALONE).matches & (who != 0)).sum())
        assert found.matches.any()
    assert without >= 3
    assert wrong == 0


def test_people_who_are_hard_to_tell_apart_are_recognised_without_an_answer_about_them():
    easy, who = trained(COUNTS)
    found = infer(easy)
    assert found.look_alikes < 0.02
    assert not found.hard
    hard, who = alike(0.35, 0.0, (30, 6, *[6] * 20), 0)
    found = infer(hard)
    assert 0.5 < found.look_alikes <= 1
    assert found.hard
    assert not replace(found, on=False).hard
    assert not (found.matches & (who != 0)).any()


def test_few_other_faces_are_no_crowd():
    known, who = trained((30, 1, 1, 1, 1), no=1)
    model = fit(known)
    measures, rows = matching.measure_with_crowd(known, model)
    assert len(rows) == 4 < matching.LEAST_CROWD
    assert measures.rival is measures.crowd is None
    found = infer(known)
    assert found.matches.sum() > 10
    assert not found.matches[who != 0].any()


def test_crowd_measures_are_the_distances_to_the_faces_of_other_people():
    known, who = trained(COUNTS, yes=10)
    measures, rows = matching.measure_with_crowd(known, fit(known))
    assert set(rows) == set(np.flatnonzero(who != 0))
    assert measures.rival is not None
    assert measures.crowd is not None
    table = np.linalg.norm(known.encodings[:, None] - known.encodings[None, rows], axis=2)
    np.testing.assert_allclose(measures.crowd, (table**2).mean(axis=1) ** 0.5, atol=1e-4)
    table[known.files[:, None] == known.files[None, rows]] = np.inf
    nearest = np.sort(table, axis=1)[:, : matching.NEAREST].mean(axis=1)
    near = measures.centroid < calibration.FAR
    np.testing.assert_allclose(measures.rival[near], nearest[near], atol=1e-3)
    assert (measures.rival[~near] == calibration.FAR).all()


def test_large_crowd_is_represented_by_its_faces_nearest_to_the_person(monkeypatch: pytest.MonkeyPatch):
    known, who = trained(COUNTS, yes=10)
    model = fit(known)
    whole, _ = matching.measure_with_crowd(known, model)
    monkeypatch.setattr(matching, "MOST_RIVALS", 60)
    monkeypatch.setattr(matching, "MEASURED_AT_ONCE", 7)
    part, _ = matching.measure_with_crowd(known, model)
    assert whole.rival is not None
    assert part.rival is not None
    mine = who == 0
    assert (part.rival >= whole.rival - 1e-6).all()
    np.testing.assert_allclose(part.rival[mine], whole.rival[mine], atol=0.05)


def test_constants_are_those_of_the_encoder():
    known, _ = trained(COUNTS)
    for encoder, constants in CONSTANTS.items():
        assert fit(replace(known, encoder=encoder)).constants == constants


def test_faces_with_bootstrap_labels_are_predicted():
    known, who = trained(COUNTS)
    claimed = np.concatenate((np.flatnonzero(who == 0)[10:14], np.flatnonzero(who == 1)[10:14]))
    found = infer(with_answer(known, claimed, Label.TARGET, Source.BOOTSTRAP))
    assert (found.suggestion[claimed[:4]] == Suggestion.MATCH).all()
    assert (found.suggestion[claimed[4:]] == Suggestion.NO_MATCH).all()


def test_portrait_ranks_the_faces_before_the_first_answer():
    known, who = crowd(COUNTS)
    known = with_answer(
        replace(known, files=np.where(np.arange(len(who)) == 0, REFERENCE_ONLY, known.files)),
        [0],
        Label.TARGET,
        Source.PORTRAIT,
    )
    found = infer(known)
    ranked = np.argsort(found.distance[1:])
    assert (who[1:][ranked[:20]] == 0).all()
    assert found.suggestion[0] == Suggestion.NONE


def test_poor_faces_are_not_used_for_training():
    known, who = trained(COUNTS, yes=8)
    poor = np.zeros(len(who), bool)
    poor[np.flatnonzero(who == 0)[:2]] = True
    assert not np.isin([0, 1], fit(replace(known, poor=poor)).references).any()


def test_face_without_encoding_gets_no_suggestion():
    known, who = trained(COUNTS)
    encodings = known.encodings.copy()
    row = int(np.flatnonzero(who == 0)[-1])
    encodings[row] = np.nan
    found = infer(replace(known, encodings=encodings))
    assert found.suggestion[row] == Suggestion.NONE
    assert found.probability[row] == 0


def test_unsure_answers_are_not_used_for_training():
    known, who = trained(COUNTS)
    model = fit(with_answer(known, np.flatnonzero(who == 0)[10:12], Label.UNSURE))
    assert not np.isin(np.flatnonzero(who == 0)[10:12], np.concatenate((model.references, model.refusals))).any()


def test_arrays_of_different_lengths_raise_an_error():
    known, _ = crowd((3, 3))
    with pytest.raises(ValueError, match="2 labels for 6 faces"):
        replace(known, labels=np.zeros(2, np.int8))
    with pytest.raises(ValueError, match="shape"):
        replace(known, encodings=np.zeros((6, 4), np.float32))
