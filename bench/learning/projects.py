"""Projects made of labelled photographs, and volunteers who answer in them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from bench.learning.encodings import Faces, Photo
from vision.recognition.geometry import distances_to
from vision.recognition.labelled_faces import REFERENCE_ONLY, Flags, Floats, Indices, Known, Label, Source
from vision.recognition.questions import Question

LEAST_PHOTOS = 20
MOST_PHOTOS = 60
RECURRING = 3
PORTRAITS = "portraits"
CENTRE = 0.05
"""A portrait's centre may lie so far outside the box, in fractions of the picture."""
ERRS = 0.03
BOOTSTRAPPED = 1 / 3
BAD_BOOTSTRAP = 0.15
UNLIKE = 0.65
TRUE, ERRING, NO_PORTRAIT, BOOTSTRAP = VOLUNTEERS = ("true", "errs", "no_portrait", "bad_bootstrap")


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """One labelled face per photograph: encodings n x 128, poor, set and person (names in lower case) of each."""

    encodings: Floats
    poor: Flags
    sets: tuple[str, ...]
    names: tuple[str, ...]

    def rows(self, name: str) -> Indices:
        return np.flatnonzero(np.array(self.names) == name)

    def only(self, names: Collection[str]) -> People:
        """The people of these names."""
        kept = np.flatnonzero(np.isin(self.names, sorted(names)))
        return People(
            self.encodings[kept],
            self.poor[kept],
            tuple(self.sets[row] for row in kept),
            tuple(self.names[row] for row in kept),
        )

    def subjects(self) -> list[tuple[str, str]]:
        """(set, person) with enough photographs."""
        counts = Counter(zip(self.sets, self.names, strict=True))
        return sorted(pair for pair, count in counts.items() if count >= LEAST_PHOTOS)


def first_half(pool: People) -> frozenset[str]:
    """The names of the half of the people that the constants in use were fitted on; the others are kept for reports.

    Every second subject of each set, the smallest set first, so that both halves have some of each; of the people with fewer
    photographs those whose name's hash is odd. Which half comes first was decided when both had been fitted: the one whose
    weights are the less sure, for it is being too sure that costs.
    """
    sides: dict[str, bool] = {}
    subjects = pool.subjects()
    size = Counter(kind for kind, _ in subjects)
    for kind in sorted(size, key=lambda kind: (size[kind], kind)):
        fresh = [name for each, name in subjects if each == kind and name not in sides]
        sides |= {name: place % 2 == 1 for place, name in enumerate(fresh)}
    rest = {name: hashlib.sha256(name.encode()).digest()[0] % 2 == 1 for name in set(pool.names) - sides.keys()}
    return frozenset(name for name, first in (sides | rest).items() if first)


def people(faces: Faces) -> People:
    """The face nearest the centre of each portrait; of other sets the photographs with one face, since no boxes are given.

    A portrait in which no face was found at its centre counts as one without a face: what was found is a passer-by.
    """
    chosen = [(photo, row) for photo in faces.photos if (row := _subject(photo, faces)) is not None]
    rows = np.array([row for _, row in chosen], np.int64)
    return People(
        faces.encodings[rows],
        faces.poor[rows],
        tuple(photo.set for photo, _ in chosen),
        tuple(photo.name.lower() for photo, _ in chosen),
    )


def _subject(photo: Photo, faces: Faces) -> int | None:
    if photo.set != PORTRAITS:
        return int(photo.rows[0]) if len(photo.rows) == 1 else None
    boxes = faces.boxes[photo.rows]
    central = (np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - 0.5) < boxes[:, 2:] / 2 + CENTRE).all(axis=1)
    if not central.any():
        return None
    away = ((boxes[:, :2] + boxes[:, 2:] / 2 - 0.5) ** 2).sum(axis=1)
    return int(photo.rows[np.argmin(np.where(central, away, np.inf))])


def unlike(pool: People) -> list[str]:
    """ "set/person: how many" of the faces that look nothing like the rest of their person's, probably labelled wrongly."""
    found = []
    for kind, name in pool.subjects():
        rows = [row for row in pool.rows(name) if pool.sets[row] == kind]
        middle = np.median(pool.encodings[rows], axis=0)
        count = int((distances_to(pool.encodings[rows], middle) > UNLIKE).sum())
        if count:
            found.append(f"{kind}/{name}: {count}")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """What the model knows before the first answer, and the truth."""

    known: Known
    truth: Flags

    @property
    def scored(self) -> Flags:
        """The faces of the project's files: all but a portrait kept elsewhere."""
        return np.asarray(self.known.files != REFERENCE_ONLY)


def make_project(
    pool: People, subject: tuple[str, str], share: float, volunteer: str, rng: np.random.Generator
) -> Project:
    """Of the subject's faces `share`, of the others up to half from three recurring people, the rest from many.

    The subject never appears among the others, whichever set or spelling they come from.
    """
    kind, name = subject
    own = rng.permutation([row for row in pool.rows(name) if pool.sets[row] == kind])[:MOST_PHOTOS]
    good = own[~pool.poor[own]]
    portrait, own = int(good[0]), own[own != good[0]]
    others = _others(pool, name, round(len(own) * (1 - share) / share), rng)
    rows = np.concatenate((own, others, [portrait]))
    truth = np.isin(np.arange(len(rows)), np.append(np.arange(len(own)), len(rows) - 1))
    labels, sources = np.zeros(len(rows), np.int8), np.zeros(len(rows), np.int8)
    files = np.arange(len(rows))
    files[-1] = REFERENCE_ONLY
    if volunteer != NO_PORTRAIT:
        labels[-1], sources[-1] = Label.TARGET, Source.PORTRAIT
    if volunteer == BOOTSTRAP:
        claimed = _bootstrapped(len(own), len(others), rng)
        labels[claimed], sources[claimed] = Label.TARGET, Source.BOOTSTRAP
    return Project(Known(pool.encodings[rows], labels, sources, files, pool.poor[rows]), truth)


def _others(pool: People, name: str, count: int, rng: np.random.Generator) -> Indices:
    counts = Counter(pool.names)
    known = sorted(other for other in counts if other != name)
    recurring = rng.permutation([other for other in known if counts[other] >= LEAST_PHOTOS])[:RECURRING]
    each = -(-count // (2 * RECURRING))
    chosen = [rng.permutation(pool.rows(other))[:each] for other in recurring]
    first = np.concatenate([*chosen, np.zeros(0, np.int64)])[:count].astype(np.int64)
    rest = np.flatnonzero(~np.isin(pool.names, [name, *recurring]))
    return np.concatenate((first, rng.permutation(rest)[: count - len(first)]))


def _bootstrapped(own: int, others: int, rng: np.random.Generator) -> Indices:
    """A third of the person's faces come with a statement, and 15 of 100 of the statements are wrong."""
    right = max(3, round(own * BOOTSTRAPPED))
    wrong = min(others, rng.binomial(round(right / (1 - BAD_BOOTSTRAP)), BAD_BOOTSTRAP))
    return np.concatenate((rng.choice(own, right, replace=False), own + rng.choice(others, wrong, replace=False)))


def answered(project: Project, known: Known, question: Question, errs: float, rng: np.random.Generator) -> Known:
    """`known` after the volunteer's answer. A second answer that agrees is counted; one that does not replaces the first."""
    face = question.face
    says = bool(project.truth[face]) != bool(rng.random() < errs)
    label = Label.TARGET if says else Label.OTHER
    agrees = known.sources[face] == Source.HUMAN and known.labels[face] == label
    labels, sources, answers = known.labels.copy(), known.sources.copy(), known.answers.copy()
    answers[face] = answers[face] + 1 if agrees else 1
    labels[face], sources[face] = label, Source.HUMAN
    return replace(known, labels=labels, sources=sources, answers=answers)
