"""The benchmark of recognition on made-up people: simulated answers, counts and refused arguments."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import recognition
from bench.learning import targets
from bench.learning.projects import (
    BOOTSTRAP,
    BURST,
    BURSTS,
    ERRING,
    FRAMES,
    NO_PORTRAIT,
    TRUE,
    People,
    answered,
    make_project,
)
from bench.learning.rows import Job, budget_rows, lower_bound, rows_of
from bench.learning.runs import MOST_ANSWERS, WAYS, answers_needed, log_loss, paired, play, play_baseline
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
    return People(known.encodings, known.poor, known.files, np.ones(len(who), bool), ("made up",) * len(who), names)


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
        "precision_mean": 1.0, "precision_worst": 1.0, "recall_mean": 0.99, "answers_to_model": 5.0, "nothing_claimed": 0,
        "log_loss_same_runs": 0.01, "runs_both": 5, "coverage": 0.95, "runs_covered": 2,
        "by_person": {budget: {"ada": (0, 400), "bob": (0, 400)} for budget in ("50", "100", "500")},
    }  # fmt: skip
    return good | changed


def wrong(count: int, claimed: int = 400) -> dict[str, dict[str, tuple[int, int]]]:
    return {budget: {"ada": (count, claimed), "bob": (count, claimed)} for budget in ("50", "100", "500")}


@pytest.mark.parametrize(
    "bad",
    [
        {"precision_mean": 0.99},
        {"precision_mean": None},
        {"precision_worst": 0.97},
        {"recall_mean": 0.94},
        {"set": "east_asian", "share": 0.1, "recall_mean": 0.87},
        {"share": 0.1, "recall_mean": 0.92},
        {"answers_to_model": 7.0},
        {"nothing_claimed": 2},
        {"volunteer": NO_PORTRAIT, "coverage": 0.84},
        {"volunteer": BURST, "coverage": 0.84},
        {"answers": 40, "coverage": 0.84},
        {"volunteer": NO_PORTRAIT, "by_person": wrong(0) | {"100": {"ada": (5, 400), "bob": (6, 400)}}},
        {"volunteer": ERRING, "precision_mean": 0.98},
        {"volunteer": BOOTSTRAP, "precision_mean": 0.98},
    ],
)
def test_each_missed_target_is_reported(bad: dict[str, object]):
    assert targets.missed([row()], "in use") == []
    assert len(targets.missed([row(**bad)], "in use")) == 1


def test_small_sets_are_judged_after_ten_answers_by_targets_of_their_own():
    good = row(answers=10, precision_mean=0.985, precision_worst=0.8, recall_mean=0.85)
    late = row(precision_mean=0.9, recall_mean=0.5)
    assert targets.missed([good, late], "in use", {"s"}) == []
    assert len(targets.missed([good | {"recall_mean": 0.84}, late], "in use", {"s"})) == 1


def test_hard_sets_may_have_less_recall_where_the_person_is_rare():
    assert targets.missed([row(set="kpop_women", share=0.1, recall_mean=0.88)], "in use") == []


def test_the_smallest_budget_is_judged_over_all_sets():
    over = wrong(0) | {"500": {"ada": (2, 400), "bob": (2, 400)}}
    (sentence,) = targets.missed([row(by_person=over)], "in use")
    assert sentence.startswith("in use, all sets, true: 4 of 800 wrong at a budget of 1 in 500")
    diluted = [row(by_person=over), *(row(set=f"s{i}", by_person=wrong(0, 2000)) for i in range(20))]
    assert targets.missed(diluted, "in use") == []


def test_one_person_alone_does_not_break_a_budget():
    """People are drawn with replacement: a third of the draws do not hold the only person with wrong claims."""
    one = {name: ((8, 400) if name == "ada" else (0, 400)) for name in ("ada", "bob", "eve", "kim")}
    assert lower_bound(one.items()) == 0
    assert lower_bound(dict.fromkeys(one, (8, 400)).items()) == pytest.approx(0.02)
    assert lower_bound([]) == 0


def test_log_loss_not_below_that_of_the_usual_recipe_is_a_missed_target():
    usual = row(method="baseline", log_loss_same_runs=0.009)
    assert targets.missed([row(runs_both=4), usual], "in use") == []
    better = [row(share=0.1), row(share=0.1, method="baseline", log_loss_same_runs=9.0)]
    assert len(targets.missed([row(), usual, *better], "in use")) == 1
    assert targets.missed([row(), row(method="baseline", log_loss_same_runs=0.02)], "in use") == []


def test_error_budgets_are_counted_over_all_checkpoints_of_our_method():
    claimed, rest = {"50": 900, "100": 5, "500": 5}, {"100": 0, "500": 0}
    rows = [
        row(claimed_at=claimed, wrong_at={"50": 0, **rest}),
        row(claimed_at=claimed, wrong_at={"50": 1, **rest}, answers=40),
    ]
    (counted,) = budget_rows([*rows, row(method="baseline")])
    assert (counted["claimed"]["50"], counted["wrong"]["50"]) == (1800, 1)


def test_too_many_answers_are_a_missed_target():
    def needed(**changed: object) -> dict[str, object]:
        return {"set": "s", "share": 0.3, "way": "ours", "median": 20.0, "runs": 4} | changed

    assert (
        targets.too_many_answers([needed(), needed(way="random", median=81.0), needed(share=0.1, median=40.0)], ())
        == []
    )
    assert len(targets.too_many_answers([needed(median=21.0), needed(share=0.1, median=41.0)], ())) == 2
    assert targets.too_many_answers([needed(median=21.0)], {"s"}) == []


@pytest.mark.parametrize("way", WAYS)
def test_answers_are_counted_until_enough_is_found(pool: People, way: str):
    project = make_project(pool, SUBJECT, 0.6, TRUE, np.random.default_rng(0))
    count = answers_needed(project, way, np.random.default_rng(0))
    assert 5 <= count <= MOST_ANSWERS


def test_a_burst_adds_frames_of_one_shot_in_files_of_their_own(pool: People):
    project = make_project(pool, SUBJECT, 0.3, BURST, np.random.default_rng(0))
    plain = make_project(pool, SUBJECT, 0.3, TRUE, np.random.default_rng(0))
    known = project.known
    assert len(known) == len(plain.known) + BURSTS * (FRAMES - 1)
    assert len(np.unique(known.files)) == len(known)
    frames = known.encodings[len(plain.known) :]
    nearest = [np.linalg.norm(plain.known.encodings - frame, axis=1).min() for frame in frames]
    assert max(nearest) < 0.2


def test_others_come_from_the_same_set_and_bystanders_belong_to_the_project():
    known, who = crowd((30, *[5] * 80), seed=5)
    kinds = tuple("a" if number < 50 else "b" for number in who)
    files = known.files.copy()
    files[1::5] = files[0::5]  # of every five faces the second is in the photograph of the first
    named = np.ones(len(who), bool)
    named[1::5] = False
    pool = People(known.encodings, known.poor, files, named, kinds, tuple(f"person {number}" for number in who))
    project = make_project(pool, ("a", "person 0"), 0.3, TRUE, np.random.default_rng(0))
    rows = {tuple(each) for each in project.known.encodings}
    assert not rows & {tuple(each) for each, kind in zip(known.encodings, kinds, strict=True) if kind == "b"}
    assert (np.unique(project.known.files, return_counts=True)[1] == 2).any()
    assert not project.truth[
        [i for i, each in enumerate(project.known.encodings) if tuple(each) in bystanders(pool)]
    ].any()


def bystanders(pool: People) -> set[tuple[float, ...]]:
    return {tuple(each) for each in pool.encodings[~pool.named]}


def test_a_set_without_twenty_photographs_of_anybody_has_subjects_with_ten():
    known, who = crowd((20, 12, 12, 9))
    kinds = tuple("large" if number < 2 else "small" for number in who)
    names = tuple(f"person {number}" for number in who)
    pool = People(known.encodings, known.poor, known.files, np.ones(len(who), bool), kinds, names)
    assert pool.subjects() == [("large", "person 0"), ("small", "person 2")]
    assert pool.small("small")
    assert not pool.small("large")


def test_the_usual_recipe_has_encodings_of_its_own(pool: People):
    swapped = replace(pool, usual=pool.encodings[::-1].copy())
    project = make_project(swapped, SUBJECT, 0.3, TRUE, np.random.default_rng(0))
    usual = play_baseline(project, TRUE, (40,), np.random.default_rng(0))[0]
    plain = play_baseline(
        make_project(pool, SUBJECT, 0.3, TRUE, np.random.default_rng(0)), TRUE, (40,), np.random.default_rng(0)
    )[0]
    assert usual.wrong != plain.wrong


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


def test_exceeded_duration_is_a_missed_target():
    quick = {"100000": {"inference": 0.3, "questions": 1.0}, "20000": {"inference": 9.0, "questions": 0.01}}
    slow = {"100000": {"inference": 1.3, "questions": 0.1}, "20000": {"inference": 0.1, "questions": 0.06}}
    assert targets.too_slow(quick) == []
    assert len(targets.too_slow(slow)) == 2


def test_log_loss_is_finite_for_a_wrong_prediction_with_certainty():
    assert log_loss(np.array([0.0, 1.0]), np.array([True, False])) == pytest.approx(-np.log(1e-6))


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
