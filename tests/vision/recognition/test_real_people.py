"""The model on real photographs: two people whose encodings are similar, and others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.vision.recognition.crowds import no_codes, with_answer
from vision.detection.search import Searcher
from vision.recognition.labelled_faces import REFERENCE_ONLY, Known, Label, Source
from vision.recognition.matching import infer
from vision.recognition.questions import choose

PERSON, DOUBLE = "Jennifer_Capriati", "Lindsay_Davenport"
PHOTOS_OF = {PERSON: 18, DOUBLE: 14, "Amelie_Mauresmo": 6, "Laura_Bush": 6, "Winona_Ryder": 6}


@pytest.fixture(scope="module")
def crowd(photos: Path, searcher: Searcher) -> tuple[Known, np.ndarray]:
    """Return a project with the portraits of these people, and the person of each face."""
    encodings, who = [], []
    for name, count in PHOTOS_OF.items():
        for path in sorted((photos / "portraits" / name).iterdir())[:count]:
            faces = searcher.search(path.read_bytes()).faces
            if faces:
                middle = min(faces, key=lambda f: abs(f.box.left + f.box.width / 2 - 0.5))
                encodings.append(middle.encoding)
                who.append(name)
    table = np.array(encodings, np.float32)
    return Known(table, *no_codes(len(table)), np.arange(len(table))), np.array(who)


def answer(known: Known, who: np.ndarray, count: int) -> Known:
    """Answer truthfully."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        question = choose(known, infer(known), rng, 1)[0]
        known = with_answer(known, [question.face], Label.TARGET if who[question.face] == PERSON else Label.OTHER)
    return known


def with_portrait(known: Known, who: np.ndarray) -> Known:
    first = int(np.flatnonzero(who == PERSON)[0])
    files = known.files.copy()
    files[first] = REFERENCE_ONLY
    return with_answer(replace(known, files=files), [first], Label.TARGET, Source.PORTRAIT)


def test_model_is_on_after_five_answers_with_a_portrait(crowd: tuple[Known, np.ndarray]) -> None:
    known, who = crowd
    known = answer(with_portrait(known, who), who, 6)
    assert infer(known).on


def test_matches_are_correct_and_nearly_complete_after_twenty_answers(crowd: tuple[Known, np.ndarray]) -> None:
    known, who = crowd
    known = answer(with_portrait(known, who), who, 20)
    found = infer(known)
    mine = (who == PERSON) & (known.files != REFERENCE_ONLY)
    assert not (found.matches & ~mine).any()
    assert (found.matches | known.confirmed)[mine].mean() >= 0.9


def test_first_question_without_a_portrait_is_about_a_frequent_person(crowd: tuple[Known, np.ndarray]) -> None:
    known, who = crowd
    first = choose(known, infer(known), np.random.default_rng(0), 1)[0]
    assert who[first.face] in (PERSON, DOUBLE)
