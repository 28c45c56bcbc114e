"""The report of a model run: counts computed from arrays, without a database."""

import numpy as np
import pytest

from pipeline.labelling.model_report import files_of_others
from vision.recognition.labelled_faces import REFERENCE_ONLY, Known, Label, Source, Suggestion
from vision.recognition.matching import Predictions

Judged = tuple[Label, Source, Suggestion]
NO_MATCH = (Label.NONE, Source.NONE, Suggestion.NO_MATCH)
MATCH = (Label.NONE, Source.NONE, Suggestion.MATCH)
UNSURE = (Label.NONE, Source.NONE, Suggestion.UNSURE)
NOT_COMPARED = (Label.NONE, Source.NONE, Suggestion.NONE)
REFUSED = (Label.OTHER, Source.HUMAN, Suggestion.NONE)
CONFIRMED = (Label.TARGET, Source.HUMAN, Suggestion.NONE)
IMPLIED = (Label.OTHER, Source.IMPLIED, Suggestion.NONE)
NOT_FACE = (Label.NOT_FACE, Source.HUMAN, Suggestion.NONE)
UNCERTAIN = (Label.UNSURE, Source.HUMAN, Suggestion.NONE)
STATED = (Label.TARGET, Source.BOOTSTRAP, Suggestion.NO_MATCH)


def count(*files: tuple[int, list[Judged]]) -> int:
    """Return `files_of_others` for files with these faces."""
    faces = [(number, face) for number, listed in files for face in listed]
    labels, sources, suggestions = (np.array([face[i] for _, face in faces], np.int8) for i in range(3))
    known = Known(np.zeros((len(faces), 128), np.float32), labels, sources, np.array([number for number, _ in faces]))
    zeros = np.zeros(len(faces), np.float32)
    return files_of_others(known, Predictions(zeros, zeros, suggestions, zeros, 0.9, True, 5, 0.5, 0.0))


@pytest.mark.parametrize(
    ("faces", "counted"),
    [
        ([NO_MATCH], 1),
        ([REFUSED, NO_MATCH], 1),
        ([REFUSED, NOT_FACE], 1),
        ([CONFIRMED, IMPLIED], 0),
        ([MATCH, NO_MATCH], 0),
        ([STATED, NO_MATCH], 0),
        ([UNSURE, NO_MATCH], 0),
        ([UNCERTAIN, REFUSED], 0),
        ([NOT_COMPARED, NO_MATCH], 0),
        ([NOT_FACE], 0),
    ],
)
def test_only_files_where_every_face_is_somebody_elses_are_counted(faces: list[Judged], counted: int):
    assert count((7, faces)) == counted


def test_files_are_counted_once_and_references_from_elsewhere_are_not():
    assert count((1, [NO_MATCH, REFUSED]), (2, [MATCH]), (3, [NO_MATCH]), (REFERENCE_ONLY, [REFUSED])) == 2
