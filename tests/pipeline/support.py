"""Shared parts of the worker tests: a project, settings for its worker, and functions to wait and to inspect."""

import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

from config import Settings
from database import Database
from sandbox import other_people
from sandbox.server import Sandbox
from sandbox.state.people import known, label_of
from store.accounts import users
from store.projects import projects
from store.projects.projects import NewProject
from token_crypto import TokenBox


def people(sandbox: Sandbox) -> list[str]:
    """Return the people of the sandbox (folders of photographs), those with the most photographs first."""
    counts = Counter(name for page in sandbox.world.state.pages.values() for name in page.people)
    return [name for name, _ in counts.most_common()]


def person(sandbox: Sandbox, place: int = 0) -> NewProject:
    """Return a project for one of them, whose category contains their photographs and some of other people."""
    known_people = people(sandbox)
    name = known_people[min(place, len(known_people) - 1)]
    label = label_of(name)
    return NewProject(item=known(name).item, label=label, source=f"Photographs with {label}")


def other(sandbox: Sandbox, kind: str, **given: Any) -> Any:
    """Change the wiki as another user does; see sandbox/other_people.py."""
    with sandbox.world.lock:
        return other_people.KINDS[kind](sandbox.world, given)


def pictures_in(sandbox: Sandbox, category: str) -> list[str]:
    """Return the titles of the pictures directly in a category, without namespace."""
    pages = [sandbox.world.state.pages[number] for number in sandbox.world.members[f"Category:{category}"]]
    titles = [page.title.partition(":")[2] for page in pages if page.namespace == 6 and page.versions]
    return sorted(title for title in titles if not title.endswith((".ogg", ".pdf")))


def hog(settings: Settings, **more: Any) -> Settings:
    """Return settings of a worker that searches with HOG alone, which takes less time."""
    return replace(settings, **{"detector": "hog", "contact": "test@localhost", **more})


def downloads(sandbox: Sandbox) -> dict[str, int]:
    """Return how often each picture was downloaded."""
    return dict(sandbox.world.counts.thumbnails + sandbox.world.counts.originals)


def new_user(database: Database, name: str = "Ada") -> int:
    with database.transaction() as db:
        user = users.sign_in(
            db, TokenBox([]), subject=name, name=name, blocked=False, access="a", refresh="r", expires_in=60
        )
    return user.id


def new_project(database: Database, new: NewProject, owner: str = "Ada") -> int:
    owner_id = new_user(database, owner)
    with database.transaction() as db:
        return projects.create(db, owner_id, new)


def rows(database: Database, sql: str, *args: Any) -> list[dict[str, Any]]:
    with database.transaction() as db:
        return db.rows(sql, args)


def value(database: Database, sql: str, *args: Any) -> Any:
    with database.transaction() as db:
        return db.value(sql, args)


def searched(database: Database, project_id: int) -> bool:
    """Return whether the project was crawled and no file is waiting to be searched."""
    return bool(
        value(
            database,
            """SELECT p.crawled_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM project_files pf
                 WHERE pf.project_id = p.id AND pf.search_due_at IS NOT NULL)
               AND EXISTS (SELECT 1 FROM project_files pf WHERE pf.project_id = p.id)
               FROM projects p WHERE p.id = %s""",
            project_id,
        )
    )


class Gate:
    """A port that forwards to the database while it is open, and breaks every connection when it closes."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._open = True
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self._listener.close()

    def open(self) -> None:
        self._open = True

    def close(self) -> None:
        self._open = False
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                inside, _ = self._listener.accept()
                if not self._open:
                    inside.close()
                    continue
                outside = socket.create_connection(("127.0.0.1", self._to_port))
                self._pairs.append((inside, outside))
                for source, target in ((inside, outside), (outside, inside)):
                    threading.Thread(target=_pour, args=(source, target), daemon=True).start()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
