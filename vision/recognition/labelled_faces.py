"""What is known of a project's faces, as arrays: the input of the model, the questions and the estimates.

Every array has one row per face. The names in lower case are the words kept in the database.
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
"""The file of a face that is known but belongs to none of the project's files, as a portrait kept elsewhere."""


class Label(IntEnum):
    NONE = 0
    TARGET = 1
    OTHER = 2
    NOT_FACE = 3
    UNSURE = 4


class Source(IntEnum):
    """Where a label comes from. Only `HUMAN` confirms; the others train when they agree with it."""

    NONE = 0
    HUMAN = 1
    IMPLIED = 2  # another face of the file is the target
    BOOTSTRAP = 3  # Commons says that the file depicts the person
    PORTRAIT = 4
    BULK = 5  # approved among many, not looked at singly


class Suggestion(IntEnum):
    NONE = 0
    MATCH = 1
    NO_MATCH = 2
    UNSURE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """`encodings` is n x 128, rows of NaN where a face has none; `files` tells which faces share a file.

    `answers` counts the human answers that agree with the label: two or more, and the label is doubted no longer.
    `asked` faces are not asked again (skipped ones, say). `twice` marks faces of files that hold the person twice.
    A face known from outside the project, as a portrait kept elsewhere, has the file REFERENCE_ONLY.
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
        """Faces about which a human has spoken singly."""
        return np.asarray((self.sources == Source.HUMAN) & (self.labels != Label.NONE))

    @property
    def confirmed(self) -> Flags:
        """Faces that a human, looking at them singly, said are the person."""
        return np.asarray(self.human & (self.labels == Label.TARGET))

    @property
    def open(self) -> Flags:
        """Faces of the project about which no human has spoken, and of which none follows from what a human said."""
        settled = self.human | (self.sources == Source.IMPLIED)
        return np.asarray(~settled & (self.files != REFERENCE_ONLY))
