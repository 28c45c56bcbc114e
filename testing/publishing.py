"""A project with approved files on a private sandbox, with senders and checks, for publishing benchmarks and tests.

MariaDB, the sandbox and the publishing stage are real. Only waits are shortened, by `HurriedStop`.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from PIL import Image

import migrate
from boxes import Box
from config import Settings
from database import Connection, Database
from pipeline.jobs.lane import run_stage, settle
from pipeline.jobs.tools import Tools, open_pool, open_wiki
from pipeline.publishing import publish
from sandbox.server import Sandbox
from store.accounts import users
from store.detection import faces, files
from store.jobs import tasks
from store.labelling import answers, labels
from store.projects import projects
from store.publishing import batches, plans
from testing import servers
from token_crypto import TokenBox
from wiki.oauth import OAuth

ITEM = "Q76"
VOLUNTEER = "Alice"
SPEED = 200.0  # factor by which waits are shortened


class HurriedStop(threading.Event):
    """A stop event whose waits are `speed` times as short, with a matching clock. Work takes its real time."""

    def __init__(self, speed: float = SPEED) -> None:
        super().__init__()
        self.speed = speed
        self._skipped = 0.0
        self._lock = threading.Lock()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait as threading.Event does, for a shortened time."""
        if timeout is None:
            return super().wait()
        stopped = super().wait(timeout / self.speed)
        with self._lock:
            self._skipped += timeout - timeout / self.speed
        return stopped

    def clock(self) -> float:
        """Return the simulated time in seconds."""
        return time.monotonic() + self._skipped


def paint(folder: Path, count: int) -> None:
    """Write `count` small, distinct pictures. They show nobody, because publishing never looks at the pixels."""
    person = folder / "barack_obama"
    person.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture = Image.new("RGB", (48, 48), (number % 256, number // 256, 90))
        picture.save(person / f"{number:04d}.jpg", quality=80)


@dataclass
class Wiki:
    """An HTTP client for a benchmark's sandbox."""

    sandbox: Sandbox

    def settings(self, settings: Settings) -> Settings:
        """Return `settings` with the sandbox's addresses."""
        addresses = self.sandbox.addresses
        return replace(
            settings,
            commons_api=addresses["commons_api"],
            commons_pages=addresses["commons_pages"].rstrip("/"),
            wikidata_api=addresses["wikidata_api"],
            sparql_url=addresses["sparql"],
            oauth_url=addresses["oauth"],
            oauth_client_id=self.sandbox.consumer.id,
            oauth_client_secret=self.sandbox.consumer.secret,
            oauth_redirect_uri="http://127.0.0.1:8000/auth/callback",
            media_hosts=(urlsplit(self.sandbox.base).netloc,),
        )

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send one request to the sandbox's admin interface."""
        answer = requests.post(f"{self.sandbox.base}/sandbox/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def faults(self, *wanted: dict[str, Any]) -> None:
        """Queue faults."""
        self.post("faults", {"add": list(wanted)})

    def calm(self) -> None:
        """Clear all faults."""
        self.post("faults", {"clear": True})

    def other(self, kind: str, **given: Any) -> Any:
        """Perform an action of another user on the wiki; `kind` is one of `other_people.KINDS`."""
        return self.post("edit", {"kind": kind, **given})

    def state(self) -> dict[str, Any]:
        """Return the sandbox's whole state."""
        found: dict[str, Any] = requests.get(f"{self.sandbox.base}/sandbox/state", timeout=60).json()
        return found

    def sign_in(self, settings: Settings, database: Database, name: str = VOLUNTEER) -> int:
        """Sign in through the wiki's pages as a browser does and store the tokens; return the WikiVisage user id."""
        oauth = OAuth(
            open_wiki(settings, threading.Event()),
            settings.oauth_client_id,
            settings.oauth_client_secret,
            settings.oauth_redirect_uri,
        )
        begun = oauth.authorize_url()
        browser = requests.Session()
        browser.post(
            f"{self.sandbox.base}/wiki/Special:UserLogin", data={"wpName": name, "returnto": "/wiki/"}, timeout=30
        )
        asked = urlsplit(begun.url)
        form = {"returnto": asked.path, "returntoquery": asked.query, "accept": "1"}
        url = f"{self.sandbox.base}/wiki/Special:OAuth/approve"
        answer = browser.post(url, data=form, allow_redirects=False, timeout=30)
        answer = browser.get(f"{self.sandbox.base}{answer.headers['Location']}", allow_redirects=False, timeout=30)
        (code,) = parse_qs(urlsplit(answer.headers["Location"]).query)["code"]
        tokens = oauth.exchange(code, begun.verifier)
        profile = oauth.profile(tokens.access)
        with database.transaction() as db:
            user = users.sign_in(
                db,
                TokenBox(settings.token_keys),
                subject=profile.sub,
                name=profile.username,
                blocked=profile.blocked,
                access=tokens.access,
                refresh=tokens.refresh,
                expires_in=14_000,
            )
            batches.resume_after_sign_in(db, user.id)
        return user.id


@dataclass
class Case:
    """One project with approved files, and methods that send them."""

    settings: Settings
    database: Database
    wiki: Wiki
    user_id: int
    project_id: int
    page_ids: list[int]

    def send(self) -> int:
        """Queue all approved files; return the batch id."""
        with self.database.transaction() as db:
            batch_id = plans.send(db, self.project_id, self.user_id)
        assert batch_id is not None
        return batch_id

    def sender(self, name: str = "bench-1", speed: float = SPEED) -> "Sender":
        """Return a publishing lane in its own thread, whose waits are `speed` times as short."""
        return Sender(self.settings, self.database, name, speed)

    def open_edits(self) -> int:
        """Count the edits that are neither settled nor in a paused batch."""
        with self.database.transaction() as db:
            return int(
                db.value(
                    """SELECT COUNT(*) FROM edits e JOIN batches b ON b.id = e.batch_id
                       WHERE e.state = 'sending' OR (e.state = 'queued' AND b.state = 'running')"""
                )
            )

    def counts(self, batch_id: int) -> dict[str, int]:
        """Count the edits of a batch by state."""
        with self.database.transaction() as db:
            return batches.get(db, batch_id, self.project_id).counts


class Sender:
    """A worker's publishing lane alone in a thread; `stop()` ends it in order."""

    def __init__(self, settings: Settings, database: Database, name: str, speed: float) -> None:
        self.stop_sign = HurriedStop(speed)
        wiki = open_wiki(settings, self.stop_sign)
        wiki.clock = self.stop_sign.clock
        self._tools = Tools(
            settings, database, wiki, open_pool(settings), name, self.stop_sign, clock=self.stop_sign.clock
        )
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while not self.stop_sign.is_set():
            task = self._tools.run(lambda db: tasks.claim(db, "publish", self._tools.worker))
            if task is None:
                threading.Event.wait(self.stop_sign, 0.05)
            else:
                settle(task, run_stage(task, publish.run, self._tools), self._tools)
                self._tools.run(self._hurry)

    def _hurry(self, db: Connection) -> None:
        """Bring due times in the database forward, because the shortened waits do not apply to them."""
        speed = self.stop_sign.speed
        for table in ("tasks", "edits"):
            db.execute(
                f"""UPDATE {table} SET due_at = NOW(3) + INTERVAL TIMESTAMPDIFF(MICROSECOND, NOW(3), due_at) / %s MICROSECOND
                    WHERE due_at > NOW(3)""",
                (speed,),
            )

    def stop(self) -> None:
        """Stop the lane and join its thread."""
        self.stop_sign.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "the sender did not stop"


def empty(database: Database) -> None:
    """Delete every project and edit, but keep the users."""
    tables = (
        "projects project_members project_files files faces face_chips answers labels predictions questions approvals "
        "batches edits file_locks tasks workers"
    )
    with database.transaction() as db:
        for table in tables.split():
            db.execute(f"DELETE FROM {table}")


def make_project(db: Connection, wiki: Wiki, user_id: int, count: int) -> tuple[int, list[int]]:
    """Create a project of `count` files without the statement, with one face each, each approved by an answer."""
    state = wiki.state()
    fresh = [
        page
        for page in state["files"]
        if page["has_file"] and not page["deleted"] and not page["redirect"] and ITEM not in page["depicts"]
    ][:count]
    assert len(fresh) == count, f"the wiki has only {len(fresh)} files that do not state {ITEM}"
    pages = [page["id"] for page in fresh]
    project_id = projects.create(db, user_id, projects.NewProject(ITEM, "Barack Obama", "Barack Obama"))
    files.add_to_project(
        db, project_id, [(page["id"], page["title"].removeprefix("File:")) for page in fresh], "source", count
    )
    db.many(
        "UPDATE files SET sha1 = %s, state = 'searched' WHERE page_id = %s",
        [(_sha1(wiki, page), page["id"]) for page in fresh],
    )
    files.copy_to_projects(db, pages)
    for page_id in pages:
        sha1 = db.value("SELECT sha1 FROM files WHERE page_id = %s", (page_id,))
        box = Box(0.25, 0.25, 0.5, 0.5)
        found = faces.FoundFace(box, 100, 1.0, "bench", 1.0, False, b"\0" * 512, "bench", None)
        faces.replace_found(db, page_id, sha1, [found])
        face = faces.of_file(db, project_id, page_id)[0]
        answers.record(
            db, project_id, user_id, [answers.NewAnswer(f"c{page_id}", f"s{page_id}", page_id, face.id, "target")]
        )
    labels.rebuild(db, project_id, pages)
    return project_id, pages


def _sha1(wiki: Wiki, page: dict[str, Any]) -> str:
    version = wiki.sandbox.world.state.pages[page["id"]].versions[-1]
    return str(wiki.sandbox.world.pictures.facts(version).sha1)


class DatabaseServer:
    """A private MariaDB that can be stopped and started again on the same data and port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.variables: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """Start the server on the same data and port as before."""
        self._running = servers.mariadb(self._folder, port=int(self.variables.get("TOOL_TOOLSDB_PORT", 0)))
        self.variables = self._running.__enter__()

    def stop(self) -> None:
        """Stop the server process."""
        self._running.__exit__(None, None, None)


@dataclass
class Workshop:
    """The database and sandbox that a benchmark works with."""

    settings: Settings
    database: Database
    wiki: Wiki
    server: DatabaseServer

    def fresh(self, files: int) -> Case:
        """Reset the wiki, raise its rate limit out of reach, and return a case with `files` approved files."""
        empty(self.database)
        self.wiki.post("reset", {"keep_tokens": True})
        self.wiki.post("settings", {"edit_limit": 1_000_000, "edit_window": 60.0})
        user_id = self.wiki.sign_in(self.settings, self.database)
        with self.database.transaction() as db:
            project_id, page_ids = make_project(db, self.wiki, user_id, files)
        return Case(self.settings, self.database, self.wiki, user_id, project_id, page_ids)


@contextmanager
def workshop(folder: Path, files_each: int) -> Iterator[Workshop]:
    """Run a private MariaDB with the schema and a sandbox with enough files, for the duration of the block."""
    paint(folder / "photos", files_each + 20)
    sandbox = Sandbox(folder / "photos", cache=folder / "cache").start()
    server = DatabaseServer(folder / "mariadb")
    try:
        wiki = Wiki(sandbox)
        with servers.empty_database(server.variables, f"{server.variables['TOOL_TOOLSDB_USER']}__bench") as found:
            settings = wiki.settings(found)
            database = Database(settings, size=6)
            migrate.migrate(database)
            yield Workshop(settings, database, wiki, server)
            database.close()
    finally:
        server.stop()
        sandbox.stop()


def statements(state: dict[str, Any], page_ids: list[int]) -> dict[int, int]:
    """Count the statements of each file that depict the person."""
    depicts = {page["id"]: Counter(page["depicts"]) for page in state["files"]}
    return {page_id: depicts[page_id][ITEM] for page_id in page_ids}
