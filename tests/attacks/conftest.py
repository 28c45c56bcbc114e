"""The site that all attacks are made against, started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.site import Site, fill_pool, photographs, running_site

FILES = 24
HERE = Path(__file__).parent
LONGEST_S = 900  # of a test and the start of the site together, on a machine that is busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST_S))


@pytest.fixture(scope="session")
def running(server: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    sources = photographs()
    if sources is None:
        pytest.skip("needs photographs: python -m sandbox.photos .local/photos")
    with running_site(server, sources, tmp_path_factory.mktemp("attacked")) as site:
        fill_pool(site, FILES)
        yield site


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The running product; whatever a test did to the wiki's manners is over after it."""
    yield running
    running.no_faults()
    running.wiki_settings(latency=0.0, edit_limit=0)
    assert running.worker.runs(), running.worker.output()
