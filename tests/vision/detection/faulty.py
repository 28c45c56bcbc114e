"""Stand-ins for what a child does, which fail on demand: the picture's bytes say how.

"meet FOLDER" is a picture that lets a test do something in the middle of it: FOLDER/begun says that it is under way, and it
goes on when there is FOLDER/go.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vision.detection.errors import ImageError
from vision.detection.faces import Box, Face, SearchResult
from vision.detection.settings import SearchSettings


class Faulty:
    """Answers with its own process id as the width, once it was through with all pictures; `asked`: how many there were."""

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
        """Never finds one; says so as fast as it can, and how many pictures came before."""
        raise ImageError(f"no face at {box.left}, after {self.asked}")


def _meet(folder: Path) -> None:
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)


def open_faulty(settings: SearchSettings) -> Faulty:
    return Faulty()


def cannot_open(settings: SearchSettings) -> Faulty:
    raise RuntimeError("no networks here")
