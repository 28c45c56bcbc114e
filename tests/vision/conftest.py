"""Real photographs and real networks for the tests of vision."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from PIL import Image, ImageOps

from sandbox.state.people import NOT_PEOPLE
from testing import servers
from tests.vision.detection.pools import make_pool
from vision.detection.pool import FacePool
from vision.detection.prepare import prepared
from vision.detection.search import Searcher
from vision.detection.settings import ENCODERS, HOG_CENTERFACE, SearchSettings

PHOTOS = servers.SHARED / "photos"
DEMO = servers.ROOT / ".local" / "photos"
CACHE = servers.ROOT / ".local" / "weights"
NO_PHOTOGRAPHS = "needs photographs: python -m sandbox.photos .local/photos"


@pytest.fixture
def pool() -> Iterator[FacePool]:
    """A pool with one child that fails on demand."""
    pool = make_pool()
    yield pool
    pool.stop()


@pytest.fixture(scope="session")
def photos() -> Path:
    if not PHOTOS.is_dir():
        pytest.skip("needs the photographs of ../shared/photos")
    return PHOTOS


@pytest.fixture(scope="session")
def portraits() -> list[Path]:
    """Photographs of one person each, from ../shared/photos or the demo."""
    if PHOTOS.is_dir():
        return sorted(PHOTOS.glob("portraits/*/*.jpg"))
    found = [path for path in sorted(DEMO.glob("*/*.*")) if path.parent.name not in NOT_PEOPLE]
    return found or pytest.skip(NO_PHOTOGRAPHS)


@pytest.fixture(scope="session")
def nobody() -> bytes:
    """A photograph without a face."""
    found = sorted([*PHOTOS.glob("noface/*.jpg"), *DEMO.glob("noface/*.jpg")])
    return found[0].read_bytes() if found else pytest.skip(NO_PHOTOGRAPHS)


@pytest.fixture(scope="session")
def two() -> bytes:
    """A photograph of two people as a TIFF in CMYK: from ../shared/photos, or combined from two of the demo's."""
    if PHOTOS.is_dir():
        return (PHOTOS / "awkward/made_from_face/cmyk.tif").read_bytes()
    sources = [DEMO / "barack_obama/official portrait 2012.jpg", DEMO / "joe_biden/standing in the Blue Room.jpg"]
    if not all(path.is_file() for path in sources):
        pytest.skip(NO_PHOTOGRAPHS)
    halves = [ImageOps.fit(Image.open(path).convert("RGB"), (400, 600), centering=(0.5, 0.0)) for path in sources]
    together = Image.new("CMYK", (800, 600))
    for number, half in enumerate(halves):
        together.paste(half.convert("CMYK"), (400 * number, 0))
    out = io.BytesIO()
    together.save(out, "TIFF")
    return out.getvalue()


@pytest.fixture(scope="session")
def crowd() -> tuple[bytes, int]:
    """A photograph of several people, and the number of faces HOG finds alone; the second detector finds more."""
    known = {PHOTOS / "groups/yolov5face__bus.jpg": 0, DEMO / "groups/group 2.jpg": 1}
    for path, by_hog in known.items():
        if path.is_file():
            return path.read_bytes(), by_hog
    pytest.skip("needs a photograph of @vladmandic/face-api (npm): python -m sandbox.photos .local/photos")


@pytest.fixture(scope="session")
def settings() -> SearchSettings:
    """Detection settings with all networks, which requirements.txt installs; dlib's network is ready as well."""
    for encoder in reversed(ENCODERS):
        found = prepared(SearchSettings(HOG_CENTERFACE, encoder, CACHE), Event())
        assert not any(found.networks.values()), found.networks
    return found.settings


@pytest.fixture(scope="session")
def searcher(settings: SearchSettings) -> Searcher:
    return Searcher(settings)
