"""Search settings. Children unpickle them before they load anything else, so that this module imports nothing large."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

HOG = "hog"
CENTERFACE = "centerface"
HOG_CENTERFACE = "hog+centerface"
DETECTORS = (HOG, HOG_CENTERFACE, CENTERFACE)

# Files beyond these are refused with a reason.
MAX_BYTES = 50_000_000
MAX_PIXELS = 100_000_000

# Raised when a change finds other faces, or the same face with another encoding: files are then searched again.
DETECTOR_VERSIONS = {HOG: "hog-2", HOG_CENTERFACE: "hog-2+centerface-3", CENTERFACE: "centerface-2"}
SFACE = "sface"
DLIB = "dlib"
ENCODERS = (SFACE, DLIB)
ENCODER_VERSIONS = {SFACE: "sface-1", DLIB: "dlib-resnet-v1+mirror"}


def user_cache() -> Path:
    """Return the default cache folder of the weights."""
    return Path.home() / ".cache" / "wikivisage"


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """`detector` is one of DETECTORS, `encoder` one of ENCODERS.

    `nice`: scheduling priority of the children, 0 to 19 (lowest).
    """

    detector: str = HOG_CENTERFACE
    encoder: str = SFACE
    cache: Path = field(default_factory=user_cache)
    nice: int = 0

    def __post_init__(self) -> None:
        for name, value, allowed in (("detector", self.detector, DETECTORS), ("encoder", self.encoder, ENCODERS)):
            if value not in allowed:
                raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(allowed)}")

    @property
    def detector_version(self) -> str:
        return DETECTOR_VERSIONS[self.detector]

    @property
    def encoder_version(self) -> str:
        return ENCODER_VERSIONS[self.encoder]
