"""The parts that bench/detection.py compares, each in a process of its own so that its memory can be measured.

    python -m bench.pictures.parts PART --renderings DIR --cache DIR --answers FILE

For each line of input, a JSON list of names, it searches these photographs and prints a line of figures as JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.pictures.photographs import BASELINE_WIDTH, OURS_WIDTH
from bench.pictures.scores import Answer
from boxes import Box
from vision.detection.errors import SearchError
from vision.detection.faces import SearchResult
from vision.detection.settings import DLIB, HOG, HOG_CENTERFACE, SFACE, SearchSettings

BASELINE_CHILDREN = 4  # of the usual recipe, whatever the number of cores
SAMPLE_S = 0.1
CORES = len(os.sched_getaffinity(0))


class Part(Protocol):
    """A way to search photographs; `width`: width of its renderings in pixels."""

    width: int

    def run(self, paths: list[Path]) -> tuple[list[Answer], float | None, float | None]:
        """Return the answers, and wall-clock and CPU seconds if the part measures them itself, else None."""


class Usual:
    """The usual recipe: face_recognition on 500 px in four processes, HOG with one upsampling, one face at a time."""

    width = BASELINE_WIDTH

    def __init__(self, cache: Path) -> None:
        self._pool = multiprocessing.get_context("spawn").Pool(BASELINE_CHILDREN)

    def run(self, paths: list[Path]) -> tuple[list[Answer], None, None]:
        return list(self._pool.imap_unordered(_usual, ((path, path.read_bytes()) for path in paths))), None, None


def _usual(given: tuple[Path, bytes]) -> Answer:
    import face_recognition

    image = face_recognition.load_image_file(io.BytesIO(given[1]))
    found = face_recognition.face_locations(image, number_of_times_to_upsample=1, model="hog")
    encodings = face_recognition.face_encodings(image, known_face_locations=found)
    height, width = image.shape[:2]
    boxes = [Box(l / width, t / height, (r - l) / width, (b - t) / height) for t, r, b, l in found]  # noqa: E741
    return Answer(given[0].stem, boxes, np.array(encodings, np.float32).reshape(-1, 128))


class Ours:
    """The face pool as the worker uses it (pipeline/detection/conveyor.py): one child per core, one thread more.

    Each thread takes as many of the waiting pictures as the pool's `share` states and has them searched together.
    """

    width = OURS_WIDTH
    detector = HOG
    encoder = DLIB

    def __init__(self, cache: Path) -> None:
        from vision.detection.pool import FacePool

        self._pool = FacePool(CORES, SearchSettings(self.detector, self.encoder, cache))
        self._threads = ThreadPoolExecutor(CORES + 1)
        self._taking = threading.Lock()

    def run(self, paths: list[Path]) -> tuple[list[Answer], None, None]:
        waiting = deque(paths)
        served = [self._threads.submit(self._serve, waiting) for _ in range(CORES + 1)]
        return [answer for each in served for answer in each.result()], None, None

    def _serve(self, waiting: deque[Path]) -> list[Answer]:
        answers = []
        while together := self._taken(waiting):
            found = self._pool.search_all([path.read_bytes() for path in together])
            answers += [_answer(*each) for each in zip(together, found, strict=True)]
        return answers

    def _taken(self, waiting: deque[Path]) -> list[Path]:
        with self._taking:
            return [waiting.popleft() for _ in range(self._pool.share(len(waiting)))]


def _answer(path: Path, found: SearchResult | SearchError) -> Answer:
    if isinstance(found, SearchError):
        raise found
    encodings = np.array([face.encoding for face in found.faces], np.float32).reshape(-1, 128)
    return Answer(path.stem, [face.box for face in found.faces], encodings)


class SecondLook(Ours):
    """The face pool with CenterFace as the second look."""

    detector = HOG_CENTERFACE


class Default(SecondLook):
    """The face pool as it is set by default: with the second look, and with SFace as the encoder."""

    encoder = SFACE


class Limit:
    """dlib's HOG alone, one process per core, on 960 px pictures in colour that are decoded and enlarged in advance."""

    width = OURS_WIDTH
    grey = False

    def __init__(self, cache: Path) -> None:
        self._pool = multiprocessing.get_context("spawn").Pool(CORES)

    def run(self, paths: list[Path]) -> tuple[list[Answer], float, float]:
        shares = [(paths[i::CORES], self.grey) for i in range(CORES)]
        parts = self._pool.map(_hog_alone, shares, chunksize=1)
        answers = [answer for part in parts for answer in part[0]]
        return answers, max(part[1] for part in parts), sum(part[2] for part in parts)


class LimitGrey(Limit):
    """dlib's HOG alone on grey pictures, as ours searches them."""

    grey = True


def _hog_alone(given: tuple[list[Path], bool]) -> tuple[list[Answer], float, float]:
    import dlib
    from PIL import Image

    from vision.detection.decode import decode

    paths, grey = given
    pictures = [decode(path.read_bytes()) for path in paths]
    arrays = [
        p.grey if grey else np.asarray(Image.fromarray(p.rgb).resize((p.width, p.height), Image.Resampling.BILINEAR))
        for p in pictures
    ]
    detector = dlib.get_frontal_face_detector()
    wall, cpu = time.perf_counter(), time.process_time()
    found = [detector(array, 0) for array in arrays]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    answers = [
        Answer(
            path.stem,
            [
                Box(r.left() / p.width, r.top() / p.height, r.width() / p.width, r.height() / p.height)
                for r in rectangles
            ],
            None,
        )
        for path, p, rectangles in zip(paths, pictures, found, strict=True)
    ]
    return answers, wall, cpu


PARTS: dict[str, Callable[[Path], Part]] = {
    "baseline": Usual,
    "limit": Limit,
    "limit_grey": LimitGrey,
    "ours": Ours,
    "second_look": SecondLook,
    "default": Default,
}


class Watch:
    """A thread that measures memory and CPU time of this process and its descendants."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self.core_s = 0.0  # CPU time of this thread, which is subtracted
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            self.peak_mb = max(self.peak_mb, sum(map(_resident_mb, tree(os.getpid()))))
            self.core_s = time.thread_time()
            time.sleep(SAMPLE_S)

    def core_seconds(self) -> float:
        """Return the CPU time of this process and its living descendants, without this thread's."""
        return sum(map(_core_seconds, tree(os.getpid()))) - self.core_s


def tree(pid: int) -> list[int]:
    """Return the ids of the process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text().split() for each in tree(int(child))]
        except OSError:
            continue
    return found


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _core_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pictures.parts")
    parser.add_argument("part", choices=PARTS)
    for name in ("renderings", "cache", "answers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    chosen = parser.parse_args()
    watch, answers, begun = Watch(), list[Answer](), time.perf_counter()
    part = PARTS[chosen.part](chosen.cache)
    for line in sys.stdin:
        paths = [chosen.renderings / str(part.width) / f"{name}.jpg" for name in json.loads(line)]
        wall, cpu = time.perf_counter(), watch.core_seconds()
        found, own_wall, own_cpu = part.run(paths)
        answers += found
        figures = {
            "wall_s": time.perf_counter() - wall if own_wall is None else own_wall,
            "core_s": watch.core_seconds() - cpu if own_cpu is None else own_cpu,
            "peak_mb": watch.peak_mb,
            "since_start_s": time.perf_counter() - begun,
        }
        print(json.dumps(figures), flush=True)
    chosen.answers.write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main()
    os._exit(0)
