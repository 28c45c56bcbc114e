"""A real worker whose detector children sleep, to measure everything but the detection.

    python -m testing.sleeping_worker --worker-id ID [--sleep SECONDS]

Everything else is worker.py: signals, lanes, claims, downloads, spawned children with their pipes, storing.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import worker
from boxes import Box
from config import Settings
from vision.detection.errors import ImageError
from vision.detection.faces import Face, SearchResult
from vision.detection.prepare import Prepared
from vision.detection.settings import SearchSettings

if TYPE_CHECKING:
    from pipeline.jobs.tools import Tools

SECONDS = 0.2


@dataclass(frozen=True)
class Sleeper:
    """A detector child's work: sleep `seconds` for each picture and report one face at a fixed place."""

    seconds: float
    settings: SearchSettings

    def search_all(self, pictures: Iterable[bytes]) -> list[SearchResult | ImageError]:
        """Return the result of each picture, one after the other."""
        return [self._search(data) for data in pictures]

    def _search(self, data: bytes) -> SearchResult:
        time.sleep(self.seconds)
        face = self.encode(data, Box(0.25, 0.25, 0.5, 0.5))
        return SearchResult(480, 480, (face,), self.settings.detector_version, self.settings.encoder_version)

    def encode(self, data: bytes, box: Box) -> Face:
        """Return a face whose encoding depends on the picture's bytes alone."""
        rng = np.random.default_rng(len(data))
        return Face(
            box=box,
            score=1.0,
            detector=self.settings.detector,
            landmarks=np.zeros((5, 2), np.float32),
            encoding=rng.normal(0, 0.06, 128).astype(np.float32),
            encoder=self.settings.encoder_version,
            size_px=240.0,
            native_px=240.0,
            sharpness=1.0,
            poor=False,
            chip_jpeg=b"no picture",
        )


def as_they_are(settings: SearchSettings, _stop: threading.Event) -> Prepared:
    """Return the settings unchanged: the sleeper needs no weights."""
    return Prepared(settings, {})


def main(given: list[str] | None = None) -> int:
    """Run from the command line with the options of worker.py and --sleep; return the exit code."""
    parser = argparse.ArgumentParser(prog="testing.sleeping_worker")
    parser.add_argument("--sleep", type=float, default=SECONDS, help="seconds for each picture")
    options, rest = parser.parse_known_args(given)

    def opener(settings: Settings, name: str, stop: threading.Event) -> "Tools":
        from pipeline.jobs.tools import children, open_tools, search_settings
        from vision.detection.pool import FacePool

        pool = FacePool(
            children(settings),
            search_settings(settings),
            open_work=partial(Sleeper, options.sleep),
            prepare=as_they_are,
        )
        return replace(open_tools(settings, name, stop), pool=pool)

    return worker.main(rest, opener)


if __name__ == "__main__":
    sys.exit(main())
