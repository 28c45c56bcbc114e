"""The application on the test database, and three users: Alice (owner), Bob (labeller), Charlie (not a member)."""

from dataclasses import dataclass

import pytest
from flask import Flask

from app import create_app
from config import Settings
from database import Connection, Database
from sandbox.environment import variables
from store.accounts import users
from store.accounts.tokens import box
from store.accounts.users import User
from store.projects import projects
from store.projects.projects import NewProject
from testing import servers
from tests.web.browser import Browser

NOWHERE = "http://127.0.0.1:9"  # The discard port, on which no server answers.


@pytest.fixture(scope="session")
def web_settings(settings: Settings) -> Settings:
    """Settings with the database of this run and without a reachable wiki."""
    return Settings.from_env(servers.variables(settings) | variables(NOWHERE, "http://localhost:8000"))


@pytest.fixture(scope="session")
def shared_app(web_settings: Settings) -> Flask:
    return create_app(web_settings)


@pytest.fixture
def app(shared_app: Flask, database: Database) -> Flask:
    """The application with an emptied database."""
    return shared_app


@dataclass(frozen=True)
class Cast:
    """The users, and Alice's project with Bob as a labeller."""

    alice: User
    bob: User
    charlie: User
    project_id: int


def sign_up(db: Connection, name: str) -> User:
    """Insert a volunteer as after a first sign-in."""
    return users.sign_in(
        db, box(()), subject=f"central-{name}", name=name, blocked=False, access="a", refresh="r", expires_in=3600
    )


@pytest.fixture
def cast(database: Database) -> Cast:
    with database.transaction() as db:
        alice, bob, charlie = (sign_up(db, name) for name in ("Alice", "Bob", "Charlie"))
        new = NewProject(item="Q42", label="Douglas Adams", source="Douglas Adams", description="writer")
        project_id = projects.create(db, alice.id, new)
        projects.add_member(db, project_id, bob.id, "labeller")
    return Cast(alice, bob, charlie, project_id)


@pytest.fixture
def alice(app: Flask, cast: Cast) -> Browser:
    return Browser(app, cast.alice)


@pytest.fixture
def bob(app: Flask, cast: Cast) -> Browser:
    return Browser(app, cast.bob)


@pytest.fixture
def charlie(app: Flask, cast: Cast) -> Browser:
    return Browser(app, cast.charlie)


@pytest.fixture
def anybody(app: Flask) -> Browser:
    return Browser(app)
