"""A project's faces and their labels as arrays: the input of the model, the questions and the estimates.

Every array has one row per face. The enum names in lower case are the values stored in the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]

REFERENCE_ONLY = -1
"""File number of a labelled face that belongs to none of the project's files, such as a portrait from elsewhere."""


class Label(IntEnum):
    NONE = 0
    TARGET = 1
    OTHER = 2
    NOT_FACE = 3
    UNSURE = 4


class Source(IntEnum):
    """Source of a label. Only `HUMAN` confirms; labels of other sources train the model when they agree with human ones."""

    NONE = 0
    HUMAN = 1
    IMPLIED = 2  # another face of the file is the target
    BOOTSTRAP = 3  # Commons states that the file depicts the person
    PORTRAIT = 4
    BULK = 5  # approved together with others, not looked at one by one


class Suggestion(IntEnum):
    NONE = 0
    MATCH = 1
    NO_MATCH = 2
    UNSURE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Encodings and labels of a project's faces.

    `encodings` has the shape (n, 128), with rows of NaN for faces without encoding; faces of one file share a number in `files`.
    `answers` counts the human answers that agree with the label: with two or more the label is no longer doubted.
    `asked` faces (as those that everybody skipped) are not asked again. `twice` marks faces of files that show the person twice.
    A labelled face from outside the project, such as a portrait from elsewhere, has the file REFERENCE_ONLY.
    `encoder` is the version of the encoder of all of them: distances between encodings of different encoders mean nothing.
    Raises ValueError where the lengths differ.
    """

    encodings: Floats
    labels: Codes
    sources: Codes
    files: Indices
    poor: Flags = field(default_factory=lambda: np.zeros(0, bool))
    answers: Codes = field(default_factory=lambda: np.zeros(0, np.int8))
    asked: Flags = field(default_factory=lambda: np.zeros(0, bool))
    twice: Flags = field(default_factory=lambda: np.zeros(0, bool))
    encoder: str = "sface-1"
    encoded: Flags = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.encodings)
        if self.encodings.shape != (n, 128):
            raise ValueError(f"encodings have the shape {self.encodings.shape}, not (n, 128)")
        object.__setattr__(self, "encoded", np.isfinite(self.encodings[:, 0]))
        for name, dtype in (("poor", bool), ("answers", np.int8), ("asked", bool), ("twice", bool)):
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, np.zeros(n, dtype))
        for name in ("labels", "sources", "files", "poor", "answers", "asked", "twice"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{len(getattr(self, name))} {name} for {n} faces")

    def __len__(self) -> int:
        return len(self.encodings)

    @property
    def human(self) -> Flags:
        """Faces that a human answered one by one."""
        return np.asarray((self.sources == Source.HUMAN) & (self.labels != Label.NONE))

    @property
    def confirmed(self) -> Flags:
        """Faces that a human, looking at each, labelled as the person."""
        return np.asarray(self.human & (self.labels == Label.TARGET))

    @property
    def open(self) -> Flags:
        """Faces of the project that no human has answered and whose label does not follow from a human answer."""
        settled = self.human | (self.sources == Source.IMPLIED)
        return np.asarray(~settled & (self.files != REFERENCE_ONLY))
