"""The bench on made-up people: what it plays, what it counts, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench import recognition, targets
from bench.projects import (
    BOOTSTRAP,
    ERRING,
    NO_PORTRAIT,
    TRUE,
    VOLUNTEERS,
    People,
    answered,
    in_development,
    make_project,
)
from bench.recognition import Job, play_all, rows_of
from bench.runs import log_loss, play, play_baseline
from tests.vision.crowds import crowd
from vision.known import REFERENCE_ONLY, Label, Source
from vision.questions import Question, Why

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
def test_a_project_has_the_share_asked_for_and_half_of_the_others_recur(pool: People, share: float):
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


def test_the_portrait_is_known_and_no_face_of_the_project(pool: People):
    project = make_project(pool, SUBJECT, 0.3, TRUE, np.random.default_rng(0))
    (portrait,) = np.flatnonzero(project.known.files == REFERENCE_ONLY)
    assert project.known.sources[portrait] == Source.PORTRAIT
    assert project.truth[portrait]
    bare = make_project(pool, SUBJECT, 0.3, NO_PORTRAIT, np.random.default_rng(0))
    assert (bare.known.labels == Label.NONE).all()


def test_fifteen_in_a_hundred_of_the_bootstrap_are_wrong(pool: People):
    wrong = []
    for seed in range(100):
        project = make_project(pool, SUBJECT, 0.3, BOOTSTRAP, np.random.default_rng(seed))
        claimed = project.known.sources == Source.BOOTSTRAP
        wrong.append((~project.truth[claimed]).mean())
    assert np.mean(wrong) == pytest.approx(0.15, abs=0.03)


def test_a_second_answer_counts_if_it_agrees_and_replaces_if_not(pool: People):
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
        "log_loss": 0.01, "coverage": 0.95, "upper_bound_share": 0.03,
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
        {"coverage": 0.85},
        {"upper_bound_share": 0.06},
        {"budgets": {"50": 0.0, "100": 0.011, "500": 0.0}},
        {"volunteer": ERRING, "precision_mean": 0.98},
        {"volunteer": BOOTSTRAP, "precision_mean": 0.98},
    ],
)
def test_each_missed_target_is_said(bad: dict[str, object]):
    assert targets.missed([row()], "all") == []
    assert len(targets.missed([row(**bad)], "all")) == 1


def test_a_log_loss_no_better_than_the_usual_recipes_is_a_miss():
    usual = row(method="baseline", log_loss=0.009)
    assert len(targets.missed([row(), usual], "all")) == 1
    assert targets.missed([row(), row(method="baseline", log_loss=0.02)], "all") == []


def test_slowness_is_a_miss():
    quick = {"100000": {"inference": 0.3, "questions": 1.0}, "20000": {"inference": 9.0, "questions": 0.01}}
    slow = {"100000": {"inference": 1.3, "questions": 0.1}, "20000": {"inference": 0.1, "questions": 0.06}}
    assert targets.too_slow(quick) == []
    assert len(targets.too_slow(slow)) == 2


def test_log_loss_is_finite_for_the_surest_mistake():
    assert log_loss(np.array([0.0, 1.0]), np.array([True, False])) == pytest.approx(-np.log(1e-6))


def test_half_of_the_people_are_held_out_whatever_the_spelling():
    names = [f"person {number}" for number in range(1000)]
    assert sum(map(in_development, names)) == pytest.approx(500, abs=60)
    assert in_development("Ada") == in_development("ada")


def test_folders_that_cannot_be_measured_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty").mkdir()
    assert recognition.main(["--photos", str(tmp_path / "absent")]) == 2
    assert recognition.main(["--photos", str(tmp_path / "empty"), "--cache", str(tmp_path / "cache")]) == 2
    assert "nothing to measure" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--shares", "1.5"], ["--answers", "0"], ["--answers", "many"], []])
def test_bad_arguments_end_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    photos = ["--photos", "x"] if arguments else []
    with pytest.raises(SystemExit, match="2"):
        recognition.main([*photos, *arguments])
    assert "usage" in capsys.readouterr().err


def test_every_volunteer_has_a_name_of_their_own():
    assert len(set(VOLUNTEERS)) == 4
