"""A sandbox of small pictures for each test, and a client that is signed in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sandbox.server import CLIENT_ID, CLIENT_SECRET, Sandbox
from sandbox.state.model import Consumer
from tests.sandbox.clients import Client

PEOPLE = {"ada_lovelace": 12, "joe_biden": 8, "groups": 3}


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures of one colour each; they are not searched for faces."""
    root = tmp_path_factory.mktemp("photos")
    for person, count in PEOPLE.items():
        (root / person).mkdir()
        for number in range(count):
            size = (1600, 1200) if number % 2 else (400, 300)
            colour = (number * 20, len(person) * 9 % 255, 90)
            Image.new("RGB", size, colour).save(root / person / f"photo_{number:02}.jpg")
    return root


@pytest.fixture(scope="session")
def picture_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which renderings are stored."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def one_sandbox(photos: Path, picture_cache: Path) -> Iterator[Sandbox]:
    """The running sandbox, shared by all tests."""
    running = Sandbox(photos, cache=picture_cache, consumer=Consumer(CLIENT_ID, CLIENT_SECRET)).start()
    yield running
    running.stop()


@pytest.fixture
def sandbox(one_sandbox: Sandbox) -> Sandbox:
    """The shared sandbox, reset to its initial state."""
    Client(one_sandbox).admin("reset", {})
    return one_sandbox


@pytest.fixture
def alice(sandbox: Sandbox) -> Client:
    """A client with Alice's token."""
    return Client(sandbox).sign_in("Alice")
