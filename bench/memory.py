"""Memory benchmark of a worker: its main process and each detector child, with usual photographs and the largest ones.

    python -m bench.memory [--seconds 60] [--json FILE]

A worker repeatedly searches the photographs of the sandbox with two children and runs the model of a project with 9,000
files and 20,000 faces. Then a pool with one child searches pictures of 100 megapixels in each format. All figures are
proportional set sizes (PSS: private memory and the process's part of shared memory) in MiB, the maximum of ten samples
per second. Exits with 1 if one exceeds the figure that pipeline/jobs/quota.py assumes.
"""

import argparse
import io
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pillow_heif
from PIL import Image

import migrate
from bench.load import PHOTOGRAPHS, search_again, worker_beside
from bench.traffic.filling import fill
from config import Settings
from database import Database
from pipeline.jobs.quota import CHILD_BYTES, LARGE_PICTURE_BYTES, MIB, WORKER_BYTES
from sandbox.environment import variables
from sandbox.server import Sandbox
from sandbox.state import picture_files
from store.jobs import tasks
from testing import processes, servers
from vision.detection.errors import SearchError
from vision.detection.pool import FacePool
from vision.detection.settings import MAX_BYTES, SearchSettings

CHILDREN = 2
SAMPLE_S = 0.1
MODEL_EVERY_S = 3.0
LARGE_SIDE = 10_000  # pixels; MAX_PIXELS is its square
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")


class Watch:
    """A thread that samples the memory of the processes returned by `pids`; `most`: maximum in MiB by process id."""

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most: dict[int, float] = {}

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(SAMPLE_S):
            for pid in self._pids():
                self.most[pid] = max(self.most.get(pid, 0.0), processes.megabytes(pid))


@contextmanager
def searching_worker(folder: Path, photographs: Path) -> Iterator[tuple[int, Database, int]]:
    """Run a worker that never runs out of work; yield its process id, the database, and the id of the large project."""
    sandbox = Sandbox(photographs, cache=folder / "pictures").start()
    with servers.mariadb(folder / "mariadb") as server:
        empty = servers.empty_database(server, f"{server['TOOL_TOOLSDB_USER']}__memory")
        with empty as reached:
            named = servers.variables(reached) | variables(sandbox.base, "http://localhost:8000")
            settings = replace(Settings.from_env(named), detector_children=CHILDREN)
            database, stop = Database(settings, size=3), threading.Event()
            migrate.migrate(database)
            filled = fill(settings, database)
            again = threading.Thread(target=search_again, args=(database, stop))
            try:
                with worker_beside(settings, database, sandbox, folder) as worker:
                    again.start()
                    yield worker, database, filled.project_id
            finally:
                stop.set()
                again.join()
                database.close()
    sandbox.stop()


def of_worker(seconds: float) -> dict[str, float]:
    """Return the maximum memory in MiB of the worker's main process and of its largest child."""
    photographs = next(place for place in PHOTOGRAPHS if place.is_dir())
    with (
        tempfile.TemporaryDirectory(prefix="wikivisage-memory-") as folder,
        searching_worker(Path(folder), photographs) as (worker, database, project),
        Watch(lambda: processes.family(worker)) as watch,
    ):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(MODEL_EVERY_S)
            with database.transaction() as db:
                tasks.want(db, "model", project)
    own = watch.most.pop(worker)
    return {"worker": own, "child": max(watch.most.values()), "children": len(watch.most)}


def large(photograph: Path, format_: str) -> bytes:
    """Return a photograph enlarged to the maximum number of pixels, encoded in the given format.

    The quality is reduced until the file is not larger than the limit for downloads, MAX_BYTES.
    """
    with Image.open(photograph) as image:
        blown = image.convert("RGB").resize((LARGE_SIDE, LARGE_SIDE))
    for options in ({"quality": 90}, {"quality": 50}, {"quality": 20}):
        file = io.BytesIO()
        kept = {"compression": "jpeg"} if format_ == "TIFF" else {}
        fast = {"speed": 10} if format_ == "AVIF" else {}
        blown.quantize(64).save(file, "PNG") if format_ == "PNG" else blown.save(
            file, format_, **options, **kept, **fast
        )
        if file.tell() <= MAX_BYTES:
            break
    return file.getvalue()


def of_large(photograph: Path) -> dict[str, float]:
    """Return the maximum memory in MiB of a child that searches the largest picture of each format."""
    pillow_heif.register_heif_opener()
    found = {}
    for format_ in FORMATS:
        data = large(photograph, format_)
        pool = FacePool(1, SearchSettings())
        try:
            pool.search(photograph.read_bytes())
            with Watch(pool.pids) as watch:
                why = _searched(pool, data)
        finally:
            pool.stop()
        found[f"{format_}, {len(data) / 1e6:.0f} MB{why}"] = max(watch.most.values())
    return found


def _searched(pool: FacePool, data: bytes) -> str:
    try:
        pool.search(data)
    except SearchError as error:
        return f" ({error})"
    return ""


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(given)
    photographs = next(place for place in PHOTOGRAPHS if place.is_dir())
    usual = of_worker(chosen.seconds)
    pictures = of_large(max(picture_files.below(photographs, {".jpg"}), key=lambda path: path.stat().st_size))
    added = max(pictures.values()) - usual["child"]
    figures = {
        "worker": (usual["worker"], WORKER_BYTES),
        "child": (usual["child"], CHILD_BYTES),
        "large picture adds": (added, LARGE_PICTURE_BYTES),
    }
    for name, most in pictures.items():
        print(f"{name}: {most:.0f} MiB")
    for name, (most, counted) in figures.items():
        print(f"{name}: {most:.0f} MiB, assumed: {counted // MIB}{'  <-- more' if most * MIB > counted else ''}")
    if chosen.json:
        chosen.json.write_text(json.dumps({**usual, **pictures}, indent=1) + "\n")
    return 1 if any(most * MIB > counted for most, counted in figures.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
