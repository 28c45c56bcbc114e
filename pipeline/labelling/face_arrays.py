"""Input of the model: a project's faces, labels and answers as arrays.

The encodings stay in memory between runs; a run reads a fingerprint of the faces, and only encodings that have changed.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from database import Connection
from store.labelling import model_input
from store.labelling.model_input import AnswerRow, FaceRow
from vision.recognition.calibration import CONSTANTS, DEFAULT_ENCODER
from vision.recognition.labelled_faces import Codes, Flags, Floats, Indices, Known, Label, Source

DIMENSIONS = 128
LABELS = {"target": Label.TARGET, "other": Label.OTHER, "not_face": Label.NOT_FACE, "unsure": Label.UNSURE}
SOURCES = {
    "human": Source.HUMAN,
    "implied": Source.IMPLIED,
    "bootstrap": Source.BOOTSTRAP,
    "portrait": Source.PORTRAIT,
}
SPOT_CHECK = "spot_check"


@dataclass(frozen=True, eq=False)
class Gathered:
    """Input of one run. `ids`: face ids of the rows of `known`; `checked`: rows answered as spot checks.

    `last_answer`: id of the newest answer, 0 without answers; `answers`: how many there are. `skipped`: the most faces
    that one member skipped and that are still asked of others.
    """

    ids: Indices
    known: Known
    checked: Flags
    last_answer: int
    answers: int
    skipped: int = 0


@dataclass(frozen=True, eq=False)
class Faces:
    """A project's faces as last read, one row each. `checksums`: face id -> checksum of its encoding, or None.

    `encoder`: version of the encoder of all encodings here; those of another version are treated as missing.
    """

    fingerprint: tuple[int, int]
    encoder: str
    ids: Indices
    pages: Indices
    poor: Flags
    encodings: Floats
    checksums: dict[int, int | None]


class Memory:
    """Cache of the faces of the `most` projects that ran last; it takes 0.6 kB a face."""

    def __init__(self, most: int = 8) -> None:
        self.most = most
        self._faces: dict[int, Faces] = {}

    def gather(self, db: Connection, project_id: int) -> Gathered:
        """Read the input of a run of the model for a project."""
        faces = self._read(db, project_id)
        labels = {row.face_id: row for row in model_input.labels(db, project_id)}
        bulk = set(model_input.approved_in_bulk(db, project_id))
        members = model_input.members(db, project_id)
        return _gathered(faces, labels, bulk, model_input.answers(db, project_id), members)

    def _read(self, db: Connection, project_id: int) -> Faces:
        fingerprint = model_input.fingerprint(db, project_id)
        known = self._faces.pop(project_id, None)
        if known is None or known.fingerprint != fingerprint:
            known = _faces(db, model_input.faces(db, project_id), fingerprint, known)
        self._faces[project_id] = known
        for old in list(self._faces)[: -self.most]:
            del self._faces[old]
        return known


def _faces(db: Connection, rows: Sequence[FaceRow], fingerprint: tuple[int, int], known: Faces | None) -> Faces:
    """Convert faces to arrays; read only the encodings whose checksums differ from those in memory."""
    encoder = commonest_encoder(rows)
    rows = [row if row.encoder == encoder else replace(row, checksum=None) for row in rows]
    have = known.checksums if known else {}
    wanted = [row.id for row in rows if row.checksum is not None and have.get(row.id) != row.checksum]
    fresh = model_input.encodings(db, wanted)
    ids = np.array([row.id for row in rows], np.int64)
    encodings = np.full((len(rows), DIMENSIONS), np.nan, np.float32)
    if known is not None and len(known.ids):
        place = np.minimum(np.searchsorted(known.ids, ids), len(known.ids) - 1)
        same = known.ids[place] == ids
        encodings[same] = known.encodings[place[same]]
    for position, row in enumerate(rows):
        if row.checksum is None:
            encodings[position] = np.nan
        elif row.id in fresh:
            encodings[position] = np.frombuffer(fresh[row.id], "<f4")
    return Faces(
        fingerprint,
        encoder,
        ids,
        np.array([row.page_id for row in rows], np.int64),
        np.array([row.poor for row in rows], bool),
        encodings,
        {row.id: row.checksum for row in rows},
    )


def commonest_encoder(rows: Sequence[FaceRow]) -> str:
    """Return the version of the encoder of most faces, of SFace in a tie.

    Distances between encodings of different encoders mean nothing, so that a run uses one version alone. While a project is
    encoded anew the faces of the other version wait; every label stays.
    """
    versions = Counter(row.encoder for row in rows if row.checksum is not None and row.encoder in CONSTANTS)
    return max(versions, key=lambda version: (versions[version], version == DEFAULT_ENCODER), default=DEFAULT_ENCODER)


def _gathered(
    faces: Faces,
    labels: dict[int, model_input.LabelRow],
    bulk: set[int],
    answers: Sequence[AnswerRow],
    members: set[int],
) -> Gathered:
    """Combine the input; labels from bootstrap files or the portrait do not replace an approval in bulk."""
    n = len(faces.ids)
    codes, sources = np.zeros(n, np.int8), np.zeros(n, np.int8)
    row_of = {face_id: row for row, face_id in enumerate(faces.ids.tolist())}
    for face_id in bulk & row_of.keys():
        codes[row_of[face_id]], sources[row_of[face_id]] = Label.TARGET, Source.BULK
    for label in labels.values():
        row = row_of.get(label.face_id)
        if row is None or (sources[row] == Source.BULK and label.source in ("bootstrap", "portrait")):
            continue
        codes[row], sources[row] = LABELS[label.label], SOURCES[label.source]
    current = [answer for answer in answers if answer.face_id in row_of]
    twice = {answer.page_id for answer in current if answer.twice}
    asked = _asked(current, members, row_of, n)
    known = Known(
        encodings=faces.encodings,
        labels=codes,
        sources=sources,
        files=faces.pages,
        poor=faces.poor,
        answers=_agreeing(current, labels, row_of, n),
        asked=asked,
        twice=np.isin(faces.pages, sorted(twice)),
        encoder=faces.encoder,
    )
    checked = np.zeros(n, bool)
    checked[[row_of[answer.face_id] for answer in current if answer.reason == SPOT_CHECK]] = True
    skipped = _most_skipped(current, members, row_of, known.open & ~asked)
    return Gathered(faces.ids, known, checked, answers[-1].id if answers else 0, len(answers), skipped)


def _agreeing(
    answers: Sequence[AnswerRow], labels: dict[int, model_input.LabelRow], row_of: dict[int, int], n: int
) -> Codes:
    """Count for each face the answers that agree with its label, up to 100."""
    counts = np.zeros(n, np.int8)
    for answer in answers:
        label = labels.get(answer.face_id)
        if label is not None and label.label == answer.answer:
            row = row_of[answer.face_id]
            counts[row] = min(counts[row] + 1, 100)
    return counts


def _asked(answers: Sequence[AnswerRow], members: set[int], row_of: dict[int, int], n: int) -> Flags:
    """Mark the faces to ask nobody about: answered at least twice, or skipped by every member.

    A skip is the user's: it is no answer, and the other members are asked as if there were none. Their own skips are
    left out when questions are handed out (predictions.questions).
    """
    asked = np.zeros(n, bool)
    times = Counter(answer.face_id for answer in answers if answer.answer != "skip")
    skipped: dict[int, set[int]] = defaultdict(set)
    for face_id, user_id in _skips(answers):
        skipped[face_id].add(user_id)
    for face_id, row in row_of.items():
        asked[row] = times[face_id] > 1 or (bool(members) and members <= skipped.get(face_id, set()))
    return asked


def _most_skipped(answers: Sequence[AnswerRow], members: set[int], row_of: dict[int, int], asked_about: Flags) -> int:
    """Return how many of the faces that are asked about the member skipped who skipped most of them."""
    skips = Counter(user_id for face_id, user_id in _skips(answers) if asked_about[row_of[face_id]])
    return max((skips[user_id] for user_id in members), default=0)


def _skips(answers: Sequence[AnswerRow]) -> set[tuple[int, int]]:
    """Return who skipped which face: (face id, user)."""
    return {(answer.face_id, answer.user_id) for answer in answers if answer.answer == "skip"}
