"""The benchmark of recognition on made-up people: simulated answers, counts and refused arguments."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench import recognition
from bench.learning import targets
from bench.learning.projects import (
    BOOTSTRAP,
    ERRING,
    NO_PORTRAIT,
    TRUE,
    VOLUNTEERS,
    People,
    answered,
    first_half,
    make_project,
)
from bench.learning.rows import Job, Played, budget_rows, held_out, rows_of
from bench.learning.runs import log_loss, paired, play, play_baseline
from bench.recognition import play_all
from tests.vision.recognition.crowds import crowd
from vision.recognition.labelled_faces import REFERENCE_ONLY, Label, Source
from vision.recognition.questions import Question, Why

SUBJECT = ("made up", "person 0")
KEYS = {
    *("set", "share", "answers", "volunteer", "method", "people", "seeds", "precision_mean", "precision_worst"),
    *("recall_mean", "recall_worst", "answers_to_model", "budgets", "log_loss", "coverage", "upper_bound_share"),
}


@pytest.fixture(scope="module")
def pool() -> People:
    known, who = crowd((30, 25, 25, 25, *[2] * 150), seed=11)
    names = tuple(f"person {number}" for number in who)
    return People(known.encodings, known.poor, ("made up",) * len(who), names)


@pytest.mark.parametrize("share", [0.6, 0.3, 0.1])
def test_simulated_project_has_the_requested_share_and_recurring_others(pool: People, share: float):
    project = make_project(pool, SUBJECT, share, TRUE, np.random.default_rng(0))
    mine, others = project.truth & project.scored, ~project.truth
    assert mine.sum() / project.scored.sum() == pytest.approx(share, abs=0.02)
    assert mine.sum() == 29
    rows = {tuple(encoding[:4]) for encoding in project.known.encodings[others]}
    recurring = [
        tuple(row[:4]) for row, name in zip(pool.encodings, pool.names, strict=True) if pool.names.count(name) > 2
    ]
    expected = min(75, others.sum() / 2)
    assert len(rows & set(recurring)) == pytest.approx(expected, abs=3)


def test_portrait_is_not_a_face_of_the_project(pool: People):
    project = make_project(pool, SUBJECT, 0.3, TRUE, np.random.default_rng(0))
    (portrait,) = np.flatnonzero(project.known.files == REFERENCE_ONLY)
    assert project.known.sources[portrait] == Source.PORTRAIT
    assert project.truth[portrait]
    bare = make_project(pool, SUBJECT, 0.3, NO_PORTRAIT, np.random.default_rng(0))
    assert (bare.known.labels == Label.NONE).all()


def test_fifteen_percent_of_bootstrap_labels_are_wrong(pool: People):
    wrong = []
    for seed in range(100):
        project = make_project(pool, SUBJECT, 0.3, BOOTSTRAP, np.random.default_rng(seed))
        claimed = project.known.sources == Source.BOOTSTRAP
        wrong.append((~project.truth[claimed]).mean())
    assert np.mean(wrong) == pytest.approx(0.15, abs=0.03)


def test_second_answer_confirms_or_replaces_the_first(pool: People):
    project = make_project(pool, SUBJECT, 0.3, TRUE, np.random.default_rng(0))
    rng, question = np.random.default_rng(0), Question(0, Why.ALIKE)
    once = answered(project, project.known, question, 0.0, rng)
    twice = answered(project, once, question, 0.0, rng)
    assert (once.labels[0], once.answers[0], twice.answers[0]) == (Label.TARGET, 1, 2)
    slip = answered(project, once, question, 1.0, rng)
    assert (slip.labels[0], slip.answers[0]) == (Label.OTHER, 1)


def test_both_methods_are_measured_at_every_checkpoint(pool: People):
    project = make_project(pool, SUBJECT, 0.3, TRUE, np.random.default_rng(0))
    ours = play(project, TRUE, (10, 20), np.random.default_rng(0))
    usual = play_baseline(project, TRUE, (10, 20, 500), np.random.default_rng(0))
    assert [result.answers for result in ours] == [10, 20]
    assert [result.answers for result in usual] == [10, 20, 500]
    assert ours[1].on
    assert ours[1].answers_to_model <= 8
    assert ours[1].recall > 0.9
    assert ours[1].wrong[100] == 0
    assert ours[1].covered is not None


def test_the_same_seed_gives_the_same_row_and_rows_have_the_promised_keys(pool: People):
    jobs = [Job(SUBJECT, 0.3, volunteer, 0) for volunteer in (TRUE, ERRING)]
    first, second = (rows_of(play_all(pool, jobs, (10,))) for _ in range(2))
    assert first == second
    assert len(first) == 4
    assert all(row.keys() >= KEYS for row in first)
    json.dumps(first)


def row(**changed: object) -> dict[str, object]:
    good: dict[str, object] = {
        "set": "s", "share": 0.3, "answers": 20, "volunteer": TRUE, "method": "ours", "people": 2, "seeds": 1,
        "precision_mean": 1.0, "precision_worst": 1.0, "recall_mean": 0.99, "answers_to_model": 5.0,
        "budgets": {"50": 0.0, "100": 0.0, "500": 0.0}, "claimed_at": {"50": 900, "100": 800, "500": 700},
        "wrong_at": {"50": 0, "100": 0, "500": 0}, "log_loss_same_runs": 0.01, "runs_both": 5, "coverage": 0.95,
        "runs_covered": 2, "upper_bound_share": 0.03,
    }  # fmt: skip
    return good | changed


@pytest.mark.parametrize(
    "bad",
    [
        {"precision_mean": 0.99},
        {"precision_mean": None},
        {"precision_worst": 0.96},
        {"recall_mean": 0.94},
        {"answers_to_model": 7.0},
        {"upper_bound_share": 0.06},
        {"volunteer": NO_PORTRAIT, "coverage": 0.85},
        {"answers": 40, "coverage": 0.85},
        {"wrong_at": {"50": 0, "100": 9, "500": 0}},
        {"volunteer": ERRING, "precision_mean": 0.98},
        {"volunteer": BOOTSTRAP, "precision_mean": 0.98},
    ],
)
def test_each_missed_target_is_reported(bad: dict[str, object]):
    assert targets.missed([row()], "all") == []
    assert len(targets.missed([row(**bad)], "all")) == 1


def test_interval_that_contains_the_truth_too_rarely_is_a_missed_target():
    assert len(targets.missed([row(coverage=0.85)], "all")) == 2


def test_log_loss_not_below_that_of_the_usual_recipe_is_a_missed_target():
    usual = row(method="baseline", log_loss_same_runs=0.009)
    assert targets.missed([row(runs_both=4), usual], "all") == []
    better = [row(share=0.1), row(share=0.1, method="baseline", log_loss_same_runs=9.0)]
    assert len(targets.missed([row(), usual, *better], "all")) == 1
    assert targets.missed([row(), row(method="baseline", log_loss_same_runs=0.02)], "all") == []


def test_wrong_suggestions_are_pooled_over_shares_unless_one_is_significantly_worse():
    good = row(share=0.6, claimed_at={"50": 9000, "100": 9000, "500": 9000})
    assert targets.missed([good, row(wrong_at={"50": 3, "100": 3, "500": 3})], "all") == []
    missed = targets.missed([good, row(wrong_at={"50": 9, "100": 9, "500": 9})], "all")
    assert len(missed) == 1
    assert "share 0.3, true: 9 of 700 wrong at a budget of 1 in 500" in missed[0]
    over = targets.missed([row(wrong_at={"50": 0, "100": 0, "500": 2})], "all")
    assert len(over) == 1
    assert "share" not in over[0]


def test_probability_of_this_many_errors_by_chance_is_computed():
    assert targets.by_chance(0, 1.4) == 1
    assert targets.by_chance(1, 1.0) == pytest.approx(1 - np.exp(-1))
    assert targets.by_chance(9, 1.4) < 1e-4


def test_error_budgets_are_counted_over_all_checkpoints_of_our_method():
    rows = [row(), row(answers=40, wrong_at={"50": 1, "100": 2, "500": 3}), row(method="baseline")]
    (counted,) = budget_rows(rows)
    assert counted["claimed"] == {"50": 1800, "100": 1600, "500": 1400}
    assert counted["wrong"] == {"50": 1, "100": 2, "500": 3}


def test_second_log_loss_is_over_faces_that_both_methods_leave_open(pool: People):
    project = make_project(pool, SUBJECT, 0.6, TRUE, np.random.default_rng(0))
    ours = play(project, TRUE, (20,), np.random.default_rng(0))
    usual = play_baseline(project, TRUE, (20,), np.random.default_rng(0))
    mine, theirs = paired(project, ours, usual)
    assert ours[0].chances is not None
    assert usual[0].chances is not None
    both = np.isfinite(ours[0].chances) & np.isfinite(usual[0].chances)
    assert 0 < both.sum() < np.isfinite(ours[0].chances).sum()
    assert mine.log_loss_both == log_loss(ours[0].chances[both], project.truth[both])
    assert theirs.log_loss_both == log_loss(usual[0].chances[both], project.truth[both])
    assert mine.chances is None
    assert mine.log_loss == ours[0].log_loss


def test_held_out_people_are_evaluated_with_weights_fitted_without_them(pool: People):
    first = first_half(pool)
    jobs = [Job(subject, 0.3, TRUE, 0) for subject in pool.subjects()]
    jobs += [job._replace(crossed=True) for job in jobs if job.subject[1] in first]
    kept = held_out([Played(job, []) for job in jobs], first)
    assert sorted(each.job.subject for each in kept) == pool.subjects()
    assert all(each.job.crossed == (each.job.subject[1] in first) for each in kept)


def test_exceeded_duration_is_a_missed_target():
    quick = {"100000": {"inference": 0.3, "questions": 1.0}, "20000": {"inference": 9.0, "questions": 0.01}}
    slow = {"100000": {"inference": 1.3, "questions": 0.1}, "20000": {"inference": 0.1, "questions": 0.06}}
    assert targets.too_slow(quick) == []
    assert len(targets.too_slow(slow)) == 2


def test_log_loss_is_finite_for_a_wrong_prediction_with_certainty():
    assert log_loss(np.array([0.0, 1.0]), np.array([True, False])) == pytest.approx(-np.log(1e-6))


def test_half_of_the_people_of_each_data_set_are_held_out():
    known, who = crowd((*[20] * 10, *[1] * 400))
    sets = tuple("portraits" if number < 6 or number > 9 else "scenes" for number in who)
    pool = People(known.encodings, known.poor, sets, tuple(f"person {number}" for number in who))
    first = first_half(pool)
    for kind, half in (("portraits", 3), ("scenes", 2)):
        assert sum(name in first for set_, name in pool.subjects() if set_ == kind) == half
    assert len(first) == pytest.approx(205, abs=40)
    assert set(pool.only(first).names) == first


def test_person_of_two_data_sets_is_in_one_half():
    known, who = crowd((40, 20, 20, 20))
    sets = tuple("scenes" if row < 20 else "portraits" for row in range(len(who)))
    pool = People(known.encodings, known.poor, sets, tuple(f"person {number}" for number in who))
    assert len(pool.subjects()) == 5
    assert first_half(pool) == {"person 2"}  # Of person 0, who is alone in the scenes, and of persons 1 to 3.


def test_folders_without_enough_photographs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty").mkdir()
    assert recognition.main(["--photos", str(tmp_path / "absent")]) == 2
    assert recognition.main(["--photos", str(tmp_path / "empty"), "--cache", str(tmp_path / "cache")]) == 2
    assert "nothing to measure" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--shares", "1.5"], ["--answers", "0"], ["--answers", "many"], []])
def test_invalid_arguments_exit_with_status_two(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    photos = ["--photos", "x"] if arguments else []
    with pytest.raises(SystemExit, match="2"):
        recognition.main([*photos, *arguments])
    assert "usage" in capsys.readouterr().err


def test_simulated_volunteers_have_unique_names():
    assert len(set(VOLUNTEERS)) == 4
