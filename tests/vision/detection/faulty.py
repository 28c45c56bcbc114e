"""Replacements for the work of a child that fail on demand: the bytes of the picture select the failure.

"meet FOLDER" is a picture during which a test can act: FOLDER/begun shows that its search has begun, and the search
continues when FOLDER/go exists.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from boxes import Box
from vision.detection.errors import ImageError
from vision.detection.faces import Face, SearchResult
from vision.detection.settings import SearchSettings


class Faulty:
    """Return the child's process id as the width after all pictures; `asked` counts the pictures."""

    asked = 0

    def search_all(self, pictures: Iterable[bytes]) -> list[SearchResult | ImageError]:
        return [self._searched(data) for data in pictures]

    def _searched(self, data: bytes) -> SearchResult | ImageError:
        try:
            return self._search(data)
        except ImageError as error:
            return error

    def _search(self, data: bytes) -> SearchResult:
        self.asked += 1
        word = data[:20].split(b" ")[0].decode(errors="replace")
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "abort":
            os.abort()
        if word == "hang":
            time.sleep(600)
        if word == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if word == "memory":
            np.ones(10**10, dtype=np.uint8)
        if word == "bug":
            raise ZeroDivisionError("a fault of ours")
        if word == "broken":
            raise ImageError("The file is broken.")
        if word == "slow":
            time.sleep(0.5)
        if word == "meet":
            _meet(Path(data.decode().split(" ")[1]))
        return SearchResult(os.getpid(), len(data), (), "none", "none")

    def encode(self, data: bytes, box: Box) -> Face:
        """Find no face; return at once, with the number of earlier pictures."""
        raise ImageError(f"no face at {box.left}, after {self.asked}")


def _meet(folder: Path) -> None:
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)


def open_faulty(settings: SearchSettings) -> Faulty:
    return Faulty()


def cannot_open(settings: SearchSettings) -> Faulty:
    raise RuntimeError("no networks here")
