"""Real photographs and real networks for the tests of vision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from tests.vision.pools import make_pool
from vision.faces import SearchResult
from vision.pool import FacePool
from vision.prepare import prepared
from vision.search import Searcher
from vision.settings import HOG_CENTERFACE, SearchSettings

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = ROOT.parent / "shared" / "photos"
CACHE = ROOT / ".local" / "weights"


@pytest.fixture
def pool() -> Iterator[FacePool]:
    """One child that fails on demand."""
    pool = make_pool()
    yield pool
    pool.stop()


@pytest.fixture(scope="session")
def photos() -> Path:
    if not PHOTOS.is_dir():
        pytest.skip("needs the photographs of ../shared/photos")
    return PHOTOS


@pytest.fixture(scope="session")
def settings() -> SearchSettings:
    """What pictures are searched with: all networks, which requirements.txt installs."""
    found = prepared(SearchSettings(HOG_CENTERFACE, cache=CACHE), Event())
    assert not any(found.networks.values()), found.networks
    return found.settings


@pytest.fixture(scope="session")
def searcher(settings: SearchSettings) -> Searcher:
    return Searcher(settings)


@pytest.fixture(scope="session")
def search(searcher: Searcher, photos: Path) -> Callable[[str], SearchResult]:
    """Search a photograph by its path inside ../shared/photos."""
    return lambda path: searcher.search((photos / path).read_bytes())
