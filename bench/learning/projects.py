"""Projects made of labelled photographs, and volunteers who answer in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

from bench.learning.encodings import Faces, Photo
from vision.recognition.calibration import DEFAULT_ENCODER
from vision.recognition.labelled_faces import REFERENCE_ONLY, Flags, Floats, Indices, Known, Label, Source
from vision.recognition.questions import Question

LEAST_PHOTOS, FEWEST_PHOTOS = 20, 10
"""Photographs of a subject; of a set in which nobody has that many, the smaller number."""
MOST_PHOTOS = 60
LEAST_OWN = 8
RECURRING = 3
PORTRAITS, SCENES = "portraits", "scenes"
CENTRE = 0.05
"""A portrait's centre may lie so far outside the box, in fractions of the picture."""
ERRS = 0.03
BOOTSTRAPPED = 1 / 3
BAD_BOOTSTRAP = 0.15
BURSTS, FRAMES = 3, 15
FRAME_DISTANCE = 0.12
"""Distance between two frames of a burst: that of two JPEG renderings of one photograph, shifted by a pixel, is 0.09 in the
median of 61 photographs, and 0.19 in one of ten."""
TRUE, ERRING, NO_PORTRAIT, BOOTSTRAP, BURST = VOLUNTEERS = ("true", "errs", "no_portrait", "bad_bootstrap", "bursts")


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """The faces of labelled photographs; those of one photograph share a number in `files`.

    `named` marks the face that the photograph's label is about. `sets` and `names` (in lower case) are those of the photograph.
    `encodings` are of the encoder version `encoder`; `usual` are dlib's, for the usual recipe, None where they are not needed.
    """

    encodings: Floats
    poor: Flags
    files: Indices
    named: Flags
    sets: tuple[str, ...]
    names: tuple[str, ...]
    encoder: str = DEFAULT_ENCODER
    usual: Floats | None = None
    keys: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(map("/".join, zip(self.sets, self.names, strict=True))))

    def of_set(self, kind: str) -> Indices:
        """Return the rows of a set."""
        return np.flatnonzero(np.array(self.sets) == kind)

    def only(self, sets: Collection[str]) -> People:
        """Return the people of these sets."""
        return self._rows(np.flatnonzero(np.isin(self.sets, sorted(sets))))

    def _rows(self, kept: Indices) -> People:
        return replace(
            self,
            encodings=self.encodings[kept],
            poor=self.poor[kept],
            files=self.files[kept],
            named=self.named[kept],
            sets=tuple(self.sets[row] for row in kept),
            names=tuple(self.names[row] for row in kept),
            usual=None if self.usual is None else self.usual[kept],
        )

    def photographs(self, kind: str, name: str) -> Indices:
        """Return the files of a person."""
        rows = np.array(self.keys) == f"{kind}/{name}"
        return np.unique(self.files[rows & self.named])

    def subjects(self) -> list[tuple[str, str]]:
        """Return (set, person) of those with enough photographs."""
        counts = Counter(
            (kind, name) for kind, name, named in zip(self.sets, self.names, self.named, strict=True) if named
        )
        most = Counter[str]()
        for (kind, _), count in counts.items():
            most[kind] = max(most[kind], count)
        least = {kind: LEAST_PHOTOS if count >= LEAST_PHOTOS else FEWEST_PHOTOS for kind, count in most.items()}
        return sorted(pair for pair, count in counts.items() if count >= least[pair[0]])

    def small(self, kind: str) -> bool:
        """Return whether nobody of the set has LEAST_PHOTOS photographs."""
        counts = Counter(
            key for key, each, named in zip(self.keys, self.sets, self.named, strict=True) if named and each == kind
        )
        return max(counts.values(), default=0) < LEAST_PHOTOS


def people(faces: Faces, usual: Faces | None = None, encoder: str = DEFAULT_ENCODER) -> People:
    """Return the faces of the photographs in which it is clear which face the label is about.

    That is the face nearest the centre of a portrait (a photograph with none there shows a passer-by), the only face of a scene,
    and elsewhere the largest face if it is the most central one as well. `usual`: the same photographs with dlib's encodings.
    """
    rows, files, named, sets, names = [], [], [], [], []
    for number, photo in enumerate(faces.photos):
        subject = _subject(photo, faces)
        if subject is None:
            continue
        for row in photo.rows.tolist():
            rows.append(row)
            files.append(number)
            named.append(row == subject)
            sets.append(photo.set)
            names.append(photo.name.lower())
    at = np.array(rows, np.int64)
    return People(
        faces.encodings[at],
        faces.poor[at],
        np.array(files, np.int64),
        np.array(named, bool),
        tuple(sets),
        tuple(names),
        encoder,
        usual.encodings[at] if usual is not None else None,
    )


def _subject(photo: Photo, faces: Faces) -> int | None:
    if len(photo.rows) == 0 or (photo.set == SCENES and len(photo.rows) > 1):
        return None
    boxes = faces.boxes[photo.rows]
    away = np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - 0.5)
    nearest = int(np.argmin((away**2).sum(axis=1)))
    if photo.set == PORTRAITS:
        return int(photo.rows[nearest]) if (away[nearest] < boxes[nearest, 2:] / 2 + CENTRE).all() else None
    largest = int(np.argmax(boxes[:, 2] * boxes[:, 3]))
    return int(photo.rows[largest]) if largest == nearest else None


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """What the model knows before the first answer, and the truth."""

    known: Known
    truth: Flags
    usual: Floats | None = None
    """dlib's encodings of the same faces."""

    @property
    def scored(self) -> Flags:
        """The faces of the project's files: all but a portrait kept elsewhere."""
        return np.asarray(self.known.files != REFERENCE_ONLY)


def make_project(
    pool: People, subject: tuple[str, str], share: float, volunteer: str, rng: np.random.Generator
) -> Project:
    """Return a project in which `share` of the photographs are the subject's and the others of the same set, as in a category.

    Up to half of the others are of three recurring people, the rest of others as far as the set has them. Where a set has too
    few photographs of others, fewer of the subject's are used. All faces of a photograph belong to the project.
    """
    kind, name = subject
    own = rng.permutation(pool.photographs(kind, name))[:MOST_PHOTOS]
    others, own = _others(pool, kind, name, own, share, rng)
    portrait = next((file for file in own if not pool.poor[_named_row(pool, file)]), own[0])
    files = np.concatenate((own[own != portrait], others))
    rows = np.append(np.flatnonzero(np.isin(pool.files, files)), _named_row(pool, portrait))
    if volunteer == BURST:
        return _with_bursts(_project(pool, rows, f"{kind}/{name}"), rng)
    project = _project(pool, rows, f"{kind}/{name}")
    if volunteer == NO_PORTRAIT:
        labels, sources = np.zeros_like(project.known.labels), np.zeros_like(project.known.sources)
        return replace(project, known=replace(project.known, labels=labels, sources=sources))
    return _with_bootstrap(project, rng) if volunteer == BOOTSTRAP else project


def _named_row(pool: People, file: int) -> int:
    return int(np.flatnonzero((pool.files == file) & pool.named)[0])


def _project(pool: People, rows: Indices, key: str) -> Project:
    """Return the project of these rows, the last of which is a portrait from elsewhere."""
    files = pool.files[rows].copy()
    files[-1] = REFERENCE_ONLY
    labels, sources = np.zeros(len(rows), np.int8), np.zeros(len(rows), np.int8)
    labels[-1], sources[-1] = Label.TARGET, Source.PORTRAIT
    truth = pool.named[rows] & (np.array(pool.keys)[rows] == key)
    known = Known(pool.encodings[rows], labels, sources, files, pool.poor[rows], encoder=pool.encoder)
    return Project(known, truth, None if pool.usual is None else pool.usual[rows])


def _others(
    pool: People, kind: str, name: str, own: Indices, share: float, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Return the files of other people, and as many of the subject's as fit (one of these becomes the portrait)."""
    here = pool.of_set(kind)
    here = here[pool.named[here] & (np.array(pool.names)[here] != name)]
    files, names = pool.files[here], np.array(pool.names)[here]
    if round((len(own) - 1) * (1 - share) / share) > len(files):
        own = own[: max(LEAST_OWN, round(len(files) * share / (1 - share))) + 1]
    count = min(len(files), round((len(own) - 1) * (1 - share) / share))
    counts = Counter(names.tolist())
    recurring = rng.permutation(sorted(other for other in counts if counts[other] >= LEAST_PHOTOS))[:RECURRING]
    each = -(-count // (2 * RECURRING))
    chosen = [rng.permutation(files[names == other])[:each] for other in recurring]
    first = np.concatenate([*chosen, np.zeros(0, np.int64)])[:count].astype(np.int64)
    often = np.isin(names, recurring)
    more = [rng.permutation(np.setdiff1d(files[part], first)) for part in (~often, often)]
    return np.concatenate((first, np.concatenate(more)[: count - len(first)])), own


def _with_bootstrap(project: Project, rng: np.random.Generator) -> Project:
    """Mark a third of the person's faces as stated on the wiki, and 15 of 100 such statements as wrong."""
    own, others = np.flatnonzero(project.truth & project.scored), np.flatnonzero(~project.truth)
    right = min(len(own), max(3, round(len(own) * BOOTSTRAPPED)))
    wrong = min(len(others), rng.binomial(round(right / (1 - BAD_BOOTSTRAP)), BAD_BOOTSTRAP))
    claimed = np.concatenate((rng.choice(own, right, replace=False), rng.choice(others, wrong, replace=False)))
    labels, sources = project.known.labels.copy(), project.known.sources.copy()
    labels[claimed], sources[claimed] = Label.TARGET, Source.BOOTSTRAP
    return replace(project, known=replace(project.known, labels=labels, sources=sources))


def _with_bursts(project: Project, rng: np.random.Generator) -> Project:
    """Add FRAMES - 1 frames, each a file, of BURSTS faces: encodings at FRAME_DISTANCE from each other."""
    known = project.known
    shot = np.repeat(rng.choice(np.flatnonzero(project.scored), BURSTS, replace=False), FRAMES - 1)
    encodings = known.encodings[shot].astype(np.float64)
    length = np.linalg.norm(encodings, axis=1, keepdims=True)
    frames = encodings + rng.normal(size=encodings.shape) * FRAME_DISTANCE / np.sqrt(2 * encodings.shape[1])
    frames *= length / np.linalg.norm(frames, axis=1, keepdims=True)
    files = known.files.max() + 1 + np.arange(len(shot))
    rows = np.concatenate((np.arange(len(known)), shot))
    return Project(
        Known(
            np.concatenate((known.encodings, frames.astype(np.float32))),
            known.labels[rows],
            known.sources[rows],
            np.concatenate((known.files, files)),
            known.poor[rows],
            encoder=known.encoder,
        ),
        project.truth[rows],
        None if project.usual is None else project.usual[rows],
    )


def answered(project: Project, known: Known, question: Question, errs: float, rng: np.random.Generator) -> Known:
    """`known` after the volunteer's answer. A second answer that agrees is counted; one that does not replaces the first."""
    face = question.face
    says = bool(project.truth[face]) != bool(rng.random() < errs)
    label = Label.TARGET if says else Label.OTHER
    agrees = known.sources[face] == Source.HUMAN and known.labels[face] == label
    labels, sources, answers = known.labels.copy(), known.sources.copy(), known.answers.copy()
    answers[face] = answers[face] + 1 if agrees else 1
    labels[face], sources[face] = label, Source.HUMAN
    if label == Label.TARGET:
        implied = (known.files == known.files[face]) & (sources != Source.HUMAN) & (known.files != REFERENCE_ONLY)
        labels[implied], sources[implied] = Label.OTHER, Source.IMPLIED
    return replace(known, labels=labels, sources=sources, answers=answers)
