"""The running product for the attacks: MariaDB, a wiki, gunicorn as in production, and one worker, each a real process.

Nothing of the program is imported but its entry points. What a test wants to know it reads from pages, JSON, the wiki's own
state, and by SQL from tables and columns of schema.sql.
"""

import copy
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import requests
from PIL import Image, ImageEnhance

from config import Settings
from database import Database
from sandbox import environment
from sandbox.server import Sandbox
from testing import servers
from tests.attacks.pages import Page
from tests.attacks.volunteer import Volunteer, step

# Of these the sandbox knows when they were born; other people are made after their model.
KNOWN = ("barack obama", "joe biden")
NOT_PEOPLE = {"groups", "noface", "others", "crowds", "negatives", "awkward", "objects", "unknown"}
LARGEST_PX = 300
MOST = 4  # files of a project from the stock
TOGETHER = 8  # projects that are made at once
PATIENCE_S = 300.0  # only a failing test waits as long
LOOK_AGAIN_S = 0.04
ADMIN = "Admin"
Value = TypeVar("Value")


def until(look: Callable[[], Value], what: str = "", seconds: float = PATIENCE_S) -> Value:
    """Look again and again; returns the first true value. Fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what or look}"
        time.sleep(LOOK_AGAIN_S)
    return found


class Pictures:
    """Small photographs with one face, as many as are wanted: real ones, each changed a little in its light."""

    def __init__(self, sources: Path, folder: Path) -> None:
        self._folder = folder
        found = [path for path in sorted(sources.iterdir()) if path.is_dir() and path.name not in NOT_PEOPLE]
        by_person = [sorted(path for path in one.iterdir() if path.suffix.lower() in {".jpg", ".png"}) for one in found]
        self._people = sorted((paths for paths in by_person if paths), key=len, reverse=True)[:8]
        self._made = 0

    def make(self, person: int = 0, name: str = "") -> Path:
        """A new file: the next photograph of a person, in bytes that no other has."""
        paths = self._people[person % len(self._people)]
        with Image.open(paths[self._made % len(paths)]) as image:
            picture = image.convert("RGB")
        picture.thumbnail((LARGEST_PX, LARGEST_PX))
        picture = ImageEnhance.Brightness(picture).enhance(0.85 + 0.3 * (self._made * 7 % 31) / 31)
        target = self._folder / (name or f"picture {self._made:04d}.jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.save(target, "JPEG", quality=80, comment=f"{self._made}")
        self._made += 1
        return target

    def blank(self) -> Path:
        """A picture without a face."""
        self._made += 1
        target = self._folder / f"blank {self._made:04d}.jpg"
        Image.new("RGB", (240, 240), (self._made % 250, 120, 90)).save(target, "JPEG", comment=f"{self._made}")
        return target


@dataclass(frozen=True)
class File:
    """A file of a project with the one face that was found in it."""

    page: int
    title: str
    face: int


@dataclass(repr=False)
class Site:
    """Everything that runs. `people`: who has signed in, by name; `pool`: titles of files with one face."""

    settings: Settings
    address: str
    sandbox: Sandbox
    database: Database
    worker: servers.Process
    pictures: Pictures
    people: dict[str, Volunteer] = field(default_factory=dict)
    pool: list[str] = field(default_factory=list)
    _lists: int = 0
    _stock: "list[Project]" = field(default_factory=list)
    _private: "Project | None" = None
    _items: int = 0

    def volunteer(self, name: str) -> Volunteer:
        """The person of that name at their usual browser, signed in."""
        if name not in self.people:
            self.people[name] = self.new_browser(name)
        return self.people[name]

    def new_browser(self, name: str) -> Volunteer:
        """The person of that name at another browser, signed in there too."""
        return Volunteer(name, self.address, self.sandbox.base).sign_in()

    def stranger(self) -> Volunteer:
        """A browser in which nobody is signed in."""
        return Volunteer("", self.address, self.sandbox.base)

    # What is asked of the database and of the wiki.

    def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        with self.database.transaction() as db:
            return db.rows(sql, args)

    def value(self, sql: str, *args: Any) -> Any:
        with self.database.transaction() as db:
            return db.value(sql, args)

    def execute(self, sql: str, *args: Any) -> int:
        with self.database.transaction() as db:
            return db.execute(sql, args)

    def user_id(self, name: str) -> int:
        return int(self.value("SELECT id FROM users WHERE name = %s ORDER BY seen_at DESC LIMIT 1", name))

    def elsewhere(self, kind: str, **given: Any) -> Any:
        """Somebody else does something on the wiki."""
        return self._sandbox("edit", {"kind": kind, **given})

    def fault(self, kind: str, **given: Any) -> None:
        """The wiki fails so from now on."""
        self._sandbox("faults", {"add": [{"kind": kind, **given}]})

    def no_faults(self) -> None:
        """The wiki is well again."""
        self._sandbox("faults", {"clear": True})

    def wiki_settings(self, **given: Any) -> None:
        self._sandbox("settings", given)

    def _sandbox(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = requests.post(f"{self.sandbox.base}/sandbox/{path}", json=body, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def truth(self, title: str = "") -> dict[str, Any]:
        """What the wiki holds: all of it, or of one file."""
        found: dict[str, Any] = requests.get(
            f"{self.sandbox.base}/sandbox/state", params={"title": title, "files": "1" if title else "0"}, timeout=60
        ).json()
        return found

    def depicts(self, title: str) -> list[str]:
        """The items that a file on the wiki depicts."""
        return list(self.truth(title)["files"][0]["depicts"])

    def writes(self, user: str = "") -> list[dict[str, Any]]:
        """The edits by clients of the wiki, of one user or of all."""
        edits = self.truth()["edits"]
        return [edit for edit in edits if edit["module"] != "other" and user in {"", edit["user"]}]

    def upload(self, person: int = 0, title: str = "", path: Path | None = None) -> str:
        """A new file on the wiki; returns its title without a namespace."""
        made = path or self.pictures.make(person)
        name = title or f"{secrets.token_hex(4)} {made.name}"
        self.elsewhere("upload", title=f"File:{name}", path=str(made))
        return name[:1].upper() + name[1:]

    # Projects.

    def next_item(self, label: str = "") -> str:
        """A new item: a grown-up person whom no earlier test looked for."""
        self._items += 1
        number = f"Q{500_000 + self._items}"
        world = self.sandbox.world
        with world.lock:
            model = next(item for item in world.state.items.values() if "P569" in item.entity.statements)
            claims = {name: claim for name, claim in model.entity.statements.items() if name in {"P31", "P569"}}
            entity = replace(
                model.entity, labels={"en": label or f"Person {self._items}"}, statements=copy.deepcopy(claims)
            )
            world.state.items[number] = replace(model, id=number, entity=entity)
            world.version += 1
        return number

    def item_of(self, label: str) -> str:
        """The item of a person whom the wiki knew from the start."""
        items: dict[str, str] = self.truth()["items"]
        return next(item for item, found in items.items() if found == label)

    def titles(self, count: int) -> list[str]:
        """So many files of the pool, in turn others."""
        start = self._lists * 5 % len(self.pool)
        return [*self.pool, *self.pool][start : start + count]

    def project(
        self, owner: str = "Alice", count: int = MOST, *, item: str = "", titles: list[str] | None = None
    ) -> "Project":
        """A new project of the owner about somebody new, searched; in each of its files one face was found.

        Without `item` and `titles` it comes from a stock of projects of Alice's that were made together.
        """
        if owner != "Alice" or item or titles is not None:
            made = self._create(owner, item or self.next_item(), self.titles(count) if titles is None else titles)
            made.wait_until_searched()
            return made
        if not self._stock:
            self._stock = [self._create(owner, self.next_item(), self.titles(MOST)) for _ in range(TOGETHER)]
        found = self._stock.pop()
        found.wait_until_searched()
        del found.files[count:]
        return found

    def private_project(self) -> "Project":
        """A project of Alice's for tests that only look."""
        if self._private is None:
            self._private = self.project()
            self._private.answer("Alice", self._private.files[0], "other")
        return self._private

    def _create(self, owner: str, item: str, titles: list[str]) -> "Project":
        self._lists += 1
        found = Project(self, owner, item)
        page = found.create(titles, f"list {self._lists}")
        assert found.id, page.text()
        return found


@dataclass(repr=False)
class Project:
    """A project as its members see it."""

    site: Site
    owner: str
    item: str
    id: int = 0
    files: list[File] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"/projects/{self.id}"

    def create(self, titles: list[str], name: str) -> Page:
        """Fill in the form and press Create; `id` stays 0 where that does not lead to a project."""
        owner = self.site.volunteer(self.owner)
        fields = {"item": self.item, "kind": "titles", "titles": "\n".join(titles), "list_name": name}
        page = owner.submit("/projects/new", **fields, action="create")
        last = page.address.rstrip("/").rpartition("/")[2]
        self.id = int(last) if last.isdigit() else 0
        self.titles = titles
        return page

    def wait_until_searched(self) -> None:
        """Wait until the workers have read the source and every picture of it; then the project's files are known."""
        owner = self.site.volunteer(self.owner)

        def done() -> bool:
            state = owner.get(f"{self.url}/progress.json")
            return bool(state["crawled"] and state["files"] and not state["waiting"])

        until(done, f"{self.url} to be searched")
        by_title = {face["title"]: face for face in self.faces()}
        known = [title for title in self.titles if title in by_title]
        self.files = [File(by_title[title]["page"], title, by_title[title]["face"]) for title in known]

    def notice_changes(self) -> None:
        """Let the workers look at every file anew, as they do after a week, and wait for what follows."""
        self.site.execute("UPDATE project_files SET stated_at = NULL WHERE project_id = %s", self.id)
        self.site.volunteer(self.owner).submit(f"{self.url}/retry")
        read = "SELECT COUNT(*) FROM project_files WHERE project_id = %s AND stated_at IS NULL AND state <> 'gone'"
        until(lambda: not self.site.value(read, self.id), "the files to be looked at")
        self.wait_until_searched()

    def file(self, title: str, face: int | None = None) -> File:
        """One of the files, by its title; `face`: with another face."""
        found = next(file for file in self.files if file.title == title)
        return replace(found, face=face) if face is not None else found

    def faces(self) -> list[dict[str, Any]]:
        """All faces that the project sees, as its JSON list tells."""
        found: list[dict[str, Any]] = []
        after: str | None = "0"
        while after is not None:
            part = self.site.volunteer(self.owner).get(f"{self.url}/review.json?after={after}")
            found, after = found + part["faces"], part["next"]
        return found

    def answer(self, who: str, file: File, answer: str, **more: Any) -> dict[str, Any]:
        """Answer about the file's face; returns what became of the step."""
        body = {"steps": [step(file.page, file.face, answer, **more)]}
        found: dict[str, Any] = self.site.volunteer(who).post(f"{self.url}/answers", body)["results"][0]
        return found

    def invite(self, name: str, role: str = "labeller") -> None:
        """The owner invites somebody who is signed in, and they accept where they are asked."""
        guest = self.site.volunteer(name)
        self.site.volunteer(self.owner).submit(f"{self.url}/members", name=name, role=role)
        if guest.look(self.url).status != 200:
            forms = [form for form in guest.look("/projects").forms() if "accept" in form.action]
            assert forms, f"{name} finds no invitation"
            guest.press(forms[0])
        assert guest.look(self.url).status == 200

    def remove(self, name: str) -> None:
        """The owner takes a member out."""
        self.site.volunteer(self.owner).submit(f"{self.url}/members/{self.site.user_id(name)}/remove")

    def plan(self, who: str) -> Page:
        """The page on which one presses Send."""
        return self.site.volunteer(who).look(f"{self.url}/send")

    def press_send(self, who: str, plan: Page) -> Page:
        """Press Send on a page as it was shown."""
        form = plan.form("/send")
        assert form is not None, plan.text()
        return self.site.volunteer(who).press(form)

    def send(self, who: str) -> None:
        """Look at the plan, press Send, and wait until all is settled."""
        self.press_send(who, self.plan(who))
        self.wait_until_sent()

    def open_edits(self) -> int:
        """Edits of the project that are to be written and not held up."""
        sql = """SELECT COUNT(*) FROM edits e JOIN batches b ON b.id = e.batch_id
                 WHERE e.project_id = %s AND (e.state = 'sending' OR (e.state = 'queued' AND b.state = 'running'))"""
        return int(self.site.value(sql, self.id))

    def wait_until_sent(self) -> None:
        until(lambda: self.open_edits() == 0, f"{self.url} to be sent")

    def newest_batch(self) -> int:
        return int(self.site.value("SELECT MAX(id) FROM batches WHERE project_id = %s", self.id))

    def written(self) -> set[str]:
        """The titles of the project's files that depict its item on the wiki."""
        return {file.title for file in self.files if self.item in self.site.depicts(file.title)}


def photographs() -> Path | None:
    """A folder with photographs of people, a folder each, or None."""
    folders = (
        servers.SHARED / "photos" / "portraits",
        servers.SHARED / "photos" / "scenes",
        servers.ROOT / ".local" / "photos",
    )
    return next((folder for folder in folders if folder.is_dir()), None)


def migrate(settings: Settings) -> None:
    """python migrate.py"""
    command = [sys.executable, "migrate.py"]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=servers.environment(settings), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def web_command(port: int) -> list[str]:
    """gunicorn with as many processes and threads as the Procfile says."""
    command = [sys.executable, "-m", "gunicorn", "app:app", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    return [*command, "--threads", "4", "--no-control-socket", "--graceful-timeout", "5"]


@contextmanager
def running_site(server: dict[str, str], sources: Path, folder: Path, **settings: Any) -> Iterator[Site]:
    """The product on a database of its own, with a wiki of its own, for the length of a block."""
    pictures = Pictures(sources, folder / "pictures")
    for number, name in enumerate(KNOWN):
        pictures.make(number, f"{name}/{name}.jpg")
    with ExitStack() as stack:
        sandbox = Sandbox(folder / "pictures", cache=folder / "renderings").start()
        stack.callback(sandbox.stop)
        name = f"{server['TOOL_TOOLSDB_USER']}__wikivisage_attacks_{secrets.token_hex(4)}"
        bare = stack.enter_context(servers.empty_database(server, name))
        port = servers.free_port()
        address = f"http://127.0.0.1:{port}"
        found = Settings.from_env(servers.variables(bare) | environment.variables(sandbox.base, address))
        found = replace(found, detector="hog", detector_children=2, max_bootstrap=0, admins=(ADMIN,), **settings)
        migrate(found)
        web = stack.enter_context(servers.running(web_command(port), servers.environment(found), folder / "web.log"))
        worker = servers.worker(found, "attacked", folder)
        stack.callback(worker.stop)
        servers.wait_for_http(f"{address}/health", web)
        database = Database(found, size=4)
        stack.callback(database.close)
        site = Site(found, address, sandbox, database, worker, pictures)
        yield site


def fill_pool(site: Site, count: int) -> None:
    """Upload files, have them searched in a first project, and keep those in which one face was found."""
    titles = [site.upload(number) for number in range(count)]
    first = site.project("Keeper", titles=titles)
    faces = [face["title"] for face in first.faces()]
    site.pool = [title for title in titles if faces.count(title) == 1]
    assert len(site.pool) > count // 2
