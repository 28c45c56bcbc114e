"""Screenshots of every page for the documents, taken in a real browser (called by script/screenshots)."""

import argparse
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import migrate
from bench.pages import web_command
from config import Settings
from database import Database
from sandbox.check import Job, Volunteer
from sandbox.environment import variables
from sandbox.server import Sandbox
from testing import servers

FOLDER = servers.ROOT / "docs" / "screenshots"
PERSON, OTHERS = "barack_obama", ("joe_biden", "eileen_collins")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
SIZES = {"wide": (1280, 800), "narrow": (390, 760)}
TALLEST = {"wide": 1500, "narrow": 1900}
QUALITY = 72
MOST_SKIPS = 60
UNNAMED = ("groups",)  # The documents must not show people who are not public figures.
CATEGORY = "Photographs with Barack Obama"


@dataclass(frozen=True)
class Shot:
    """A page to photograph.

    `name`: part of the file name. `path`: URL path, in which {p} is the project's path and {item} its item. `act`:
    called with the page before the screenshot is taken.
    """

    name: str
    path: str
    act: Callable[[Page], Any] = lambda page: None
    signed_in: bool = True
    whole: bool = True  # the whole height of the page, else only the part visible without scrolling


def _check(page: Page) -> None:
    """Check the new project's category and wait for its tree with the counts."""
    page.fill("#category", "People")
    page.click("button[value=check]")
    page.wait_for_selector("#tree")


def _skip_until(selector: str) -> Callable[[Page], Any]:
    """Return an action that skips questions until the page contains an element for the selector."""

    def act(page: Page) -> None:
        for _ in range(MOST_SKIPS):
            if page.locator(selector).count():
                return
            page.keyboard.press("s")
            page.wait_for_timeout(200)

    return act


def _follow(selector: str) -> Callable[[Page], Any]:
    """Return an action that follows the first link that matches the selector."""

    def act(page: Page) -> None:
        address = page.get_attribute(selector, "href")
        assert address
        page.goto(urljoin(page.url, address))

    return act


SHOTS = (
    Shot("landing", "/", signed_in=False),
    Shot("sign-in", "/auth/sign-in", signed_in=False),
    Shot("dashboard", "/projects"),
    Shot("new", "/projects/new?q=Obama"),
    Shot("new-checked", "/projects/new?item={item}", _check),
    Shot("project", "{p}"),
    Shot("questions", "{p}/classify", _skip_until("#photo-img:is([alt*=Congress], [alt*=Room])"), whole=False),
    Shot("questions-group", "{p}/classify", _skip_until("#outlines.group > * + *"), whole=False),
    Shot("files", "{p}/files"),
    Shot("draw", "{p}/files", _follow("main a[data-act=draw]")),
    Shot("review", "{p}/review"),
    Shot("review-confirmed", "{p}/review?show=confirmed"),
    Shot("review-face", "{p}/review", _follow("main a[href*='/review/faces/']"), whole=False),
    Shot("send", "{p}/send"),
    Shot("batch", "{p}/batches/1"),
    Shot("history", "{p}/history"),
    Shot("settings", "{p}/settings"),
    Shot("delete", "{p}/delete"),
    Shot("leaderboard", "/leaderboard"),
    Shot("account", "/account"),
    Shot("health", "/health"),
    Shot("help", "/help"),
    Shot("privacy", "/privacy"),
    Shot("not-found", "/projects/99999"),
)


class Begun(Job):
    """The workflow of sandbox.check, stopped half-way: answers given, and half of the matches approved and sent."""

    item = ""

    def run_half(self) -> None:
        """Create the project, answer, and approve and send half of the matches. Raises sandbox.check.Unexpected."""
        before = self.volunteer.truth()
        self.people = {page["id"]: page["people"] for page in before["files"]}
        self.item = before["people"][self.person]
        self.project = self._create(self.item, CATEGORY)
        self._wait("the files to be searched", self._searched)
        self._answer()
        self._wait("the model to take in the answers", self._model_current)
        matches = [face["face"] for face in self._faces() if face["suggestion"] == "match" and face["label"] is None]
        half = len(matches) // 2
        self.volunteer.call(f"{self.project}/review/approve", {"faces": matches[:half]})
        self._send()
        self.volunteer.call(f"{self.project}/review/approve", {"faces": matches[half:][:3]})
        self._wait("the model to take in the approvals", self._model_current)

    def create_another(self, person: str) -> None:
        """Create a project for another person and wait until its files are searched."""
        item = self.volunteer.truth()["people"][person]
        own, self.project = self.project, self._create(item, CATEGORY)
        self._wait("the files to be searched", self._searched)
        self.project = own


@contextmanager
def running(photos: Path, folder: Path) -> Iterator[Begun]:
    """Run the application with a worker for the duration of the block; yield a half-finished project."""
    with ExitStack() as stack:
        server = stack.enter_context(servers.mariadb(folder / "mariadb"))
        empty = stack.enter_context(servers.empty_database(server, f"{server['TOOL_TOOLSDB_USER']}__pictures"))
        named = shutil.copytree(photos, folder / "photos", ignore=shutil.ignore_patterns(*UNNAMED))
        sandbox = Sandbox(named, cache=folder / "cache").start()
        stack.callback(sandbox.stop)
        port = servers.free_port()
        app = f"http://localhost:{port}"
        settings = Settings.from_env(servers.variables(empty) | variables(sandbox.base, app))
        database = Database(settings, size=1)
        migrate.migrate(database)
        database.close()
        env = servers.environment(settings)
        stack.enter_context(servers.running(web_command(port), env, folder / "web.log"))
        worker = servers.worker(settings, "worker-1", folder)
        stack.callback(worker.stop)
        servers.wait_for_http(f"http://127.0.0.1:{port}/health", worker)
        job = Begun(Volunteer(app, sandbox.base), PERSON)
        job.volunteer.sign_in()
        for person in OTHERS:
            job.create_another(person)
        job.run_half()
        yield job


def take(browser: Browser, job: Begun, shots: Sequence[Shot]) -> None:
    """Save every shot in both themes and both sizes."""
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            for signed_in in (True, False):
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=theme,
                    reduced_motion="reduce",
                    has_touch=size == "narrow",
                    is_mobile=size == "narrow",
                    locale="en-GB",
                )
                if signed_in:
                    sign_in(context, job.volunteer)
                for shot in shots:
                    if shot.signed_in is signed_in:
                        save(context, job, shot, f"{shot.name}-{theme}-{size}", (width, height, TALLEST[size]))
                context.close()


def sign_in(context: BrowserContext, volunteer: Volunteer) -> None:
    """Copy the volunteer's session cookie to the browser."""
    for cookie in volunteer.browser.cookies:
        if cookie.domain.startswith("localhost"):
            context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": volunteer.app}])


def save(context: BrowserContext, job: Begun, shot: Shot, name: str, size: tuple[int, int, int]) -> None:
    """Save one screenshot as WebP; `size`: width, minimum and maximum height in pixels."""
    width, least, tallest = size
    page = context.new_page()
    page.goto(job.volunteer.app + shot.path.format(p=job.project, item=job.item))
    page.wait_for_load_state("networkidle")
    shot.act(page)
    page.wait_for_load_state("networkidle")
    if shot.whole:
        # Enlarge the window instead of taking a full-page screenshot, so that sticky elements stay in place.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(max(height, least), tallest)})
    taken = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
    taken.convert("RGB").save(FOLDER / f"{name}.webp", quality=QUALITY, method=6)
    page.close()


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("names", nargs="*", help="names of pages (default: all)")
    chosen = parser.parse_args(given)
    unknown = set(chosen.names) - {shot.name for shot in SHOTS}
    if unknown:
        parser.error(
            f"there is no page {', '.join(sorted(unknown))}; there are {', '.join(shot.name for shot in SHOTS)}"
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    shots = [shot for shot in SHOTS if not chosen.names or shot.name in chosen.names]
    with (
        tempfile.TemporaryDirectory(prefix="wikivisage-pictures-") as folder,
        sync_playwright() as playwright,
        running(chosen.photos, Path(folder)) as job,
    ):
        browser = playwright.chromium.launch(executable_path=chosen.chromium, args=ARGUMENTS)
        take(browser, job, shots)
        browser.close()
    size = sum(path.stat().st_size for path in FOLDER.glob("*.webp"))
    print(f"{4 * len(shots)} pictures in {FOLDER.relative_to(servers.ROOT)}; all there: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
