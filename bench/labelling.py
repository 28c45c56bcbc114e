"""Benchmark of the question page in a real browser: time from a key press to the next question on the screen.

    python -m bench.labelling [--photos DIR] [--answers 100] [--reloads 50] [--rate 2] [--json FILE]

It measures 100 answers at two per second, and for comparison one page load per answer, which is the same page without
its script: a key submits the form, and the response is the next page.

gunicorn runs as in Procfile, with 50 ms added to each response; the sandbox adds 400 ms to each picture; Chromium
starts with an empty cache, and every photograph has a URL of its own. A measurement starts with the time stamp of the
key event, so that waiting for a busy page counts. It ends in the first task after the frame in which the next
question's photograph, loaded and decoded, is in the document, or when the browser has presented the frame after the key
(Event Timing), whichever is later. `own_kb` is the size of the page before the first answer: HTML, CSS, JavaScript with
all imports, and translations, compressed as transferred, without pictures.

Exits with 1 if the p95 is 100 ms or more, the page is 60 kB or larger, or an answer is not in the database as given.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from playwright.sync_api import Browser, Page, sync_playwright

import migrate
from config import Settings
from database import Database
from sandbox.environment import variables
from sandbox.server import Sandbox
from testing import servers
from testing.labelling_project import Labelling, fill, photographs

PICTURE_DELAY = 0.4
MOST_MS = 100.0
MOST_KB = 60.0
DIFFERENT = 60  # photographs; each is shown under several URLs
FOLDERS = (servers.SHARED / "photos" / "scenes", servers.ROOT / ".local" / "photos")
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
KEYS = {"y": "target", "n": "other"}

# Record for each answering key the face that it was about, and when the next question was painted.
WATCH = """
window.pressed = [];
new PerformanceObserver((list) => {
  for (const { name, startTime, duration } of list.getEntries()) {
    const entry = name === "keydown" && pressed.find(({ at }) => Math.abs(at - startTime) < 0.5);
    if (entry) entry.presented = startTime + duration;
  }
}).observe({ type: "event", durationThreshold: 16, buffered: true });
addEventListener("keydown", (event) => {
  const shown = () => document.querySelector("#ask:not([hidden])")?.dataset.face;
  const entry = { key: event.key, face: Number(shown()), at: event.timeStamp, painted: null, presented: 0 };
  pressed.push(entry);
  const look = () => {
    const picture = document.querySelector("#photo-img");
    if (shown() === String(entry.face) || !picture?.complete || !picture.naturalWidth) return requestAnimationFrame(look);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (entry.painted = performance.now());
    port2.postMessage(null);
  };
  requestAnimationFrame(look);
}, true);
"""

# Transferred size in bytes of each part of the page (HTML, CSS, JavaScript and JSON), by path.
OWN = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter(({ name, initiatorType }) => initiatorType === "navigation" || /\\.(css|js|json)(\\?|$)/.test(new URL(name).pathname))
  .map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize])"""

# For the page without its script: a key presses the button, and the next page records when it has been painted.
RELOAD = """
const now = () => performance.timeOrigin + performance.now();
addEventListener("keydown", (event) => {
  sessionStorage.setItem("at", String(performance.timeOrigin + event.timeStamp));
  document.querySelector(event.key === "y" ? "[data-act=yes]" : "[data-act=no]").click();
});
addEventListener("DOMContentLoaded", () => {
  const at = Number(sessionStorage.getItem("at") ?? 0);
  const look = () => {
    const picture = document.querySelector("#photo-img");
    if (!picture?.complete || !picture.naturalWidth) return requestAnimationFrame(look);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (window.painted = at ? now() - at : 0);
    port2.postMessage(null);
  };
  requestAnimationFrame(look);
});
"""


@dataclass(frozen=True)
class World:
    """The running servers and browser, with the project."""

    labelling: Labelling
    address: str
    browser: Browser


@contextmanager
def world(photos: Path, files: int) -> Iterator[World]:
    """Run the servers and a browser for a project with `files` questions, for the duration of the block."""
    with tempfile.TemporaryDirectory() as folder, servers.mariadb(Path(folder) / "mariadb") as server:
        sandbox = Sandbox(photos, cache=Path(folder)).start()
        with servers.empty_database(server, f"{server['TOOL_TOOLSDB_USER']}__wikivisage_bench") as empty:
            database = Database(empty, size=4)
            migrate.migrate(database)
            wiki = variables(sandbox.base, "http://localhost:8000")
            settings = Settings.from_env(servers.variables(empty) | wiki)
            labelling = fill(settings, database, apart(photographs(sandbox, DIFFERENT), files), files)
            with gunicorn(settings, Path(folder)) as address, sync_playwright() as playwright:
                sandbox.world.settings.latency = PICTURE_DELAY
                browser = playwright.chromium.launch(executable_path=str(servers.chromium()), args=CHROMIUM)
                yield World(labelling, address, browser)
                browser.close()
            database.close()
        sandbox.stop()


def apart(pictures: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return `count` photographs, each with a URL that no cache contains, by repeating the given ones.

    Each rendering is requested once in advance, so that the time the sandbox takes to render is not measured.
    """
    for picture in pictures:
        requests.get(picture["imageinfo"][0]["thumburl"], timeout=60)
    found = []
    for place in range(count):
        picture = pictures[place % len(pictures)]
        info = picture["imageinfo"][0]
        found.append({**picture, "imageinfo": [{**info, "thumburl": with_number(info["thumburl"], place)}]})
    return found


def with_number(address: str, number: int) -> str:
    """Return another URL of the same picture."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=f"{parts.query}&{number}"))


@contextmanager
def gunicorn(settings: Settings, folder: Path) -> Iterator[str]:
    """Run the application as in Procfile but with delayed responses; yield its address."""
    port = servers.free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "bench.traffic.slow:app",
        "--bind",
        f"127.0.0.1:{port}",
        "--no-control-socket",
    ]
    command += ["--workers", "2", "--threads", "4"]
    with servers.running(command, servers.environment(settings), folder / "gunicorn.log") as process:
        address = f"http://127.0.0.1:{port}"
        servers.wait_for_http(f"{address}/health", process)
        yield address


def open_page(found: World, script: str, *, plain: bool = False) -> Page:
    """Open the question page in a new browser context with an empty cache; `plain`: without the page's script."""
    context = found.browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies([found.labelling.cookie()])
    context.add_init_script(script)
    page = context.new_page()
    if plain:
        page.route("**/js/classify.js", lambda route: route.abort())
    page.goto(f"{found.address}/projects/{found.labelling.project_id}/classify")
    page.wait_for_function("() => document.querySelector('#photo-img').naturalWidth > 0")
    return page


def own_parts(found: World) -> dict[str, int]:
    """Return the transferred bytes of the page's own parts by path, as fetched with an empty cache."""
    page = open_page(found, "")
    page.wait_for_load_state("networkidle")
    parts: dict[str, int] = dict(page.evaluate(OWN))
    page.context.close()
    assert any(name.endswith(".js") for name in parts), parts
    assert all(parts.values()), parts
    return parts


def answer_ahead(found: World, answers: int, rate: float) -> list[dict[str, Any]]:
    """Answer `rate` questions per second; return for each key press: face, key, and at, painted and presented in ms."""
    page = open_page(found, WATCH)
    begin = time.monotonic() + 1 / rate
    for place in range(answers):
        page.wait_for_timeout(max(0.0, (begin + place / rate - time.monotonic()) * 1000))
        page.keyboard.press("y" if place % 3 else "n")
    page.wait_for_function("() => pressed.every((entry) => entry.painted)", timeout=60_000)
    saved = "() => Object.keys(localStorage).every((key) => !/^wikivisage:\\d/.test(key))"
    page.wait_for_function(saved, timeout=60_000)
    pressed: list[dict[str, Any]] = page.evaluate("pressed")
    page.context.close()
    return pressed


def answer_by_reload(found: World, answers: int) -> list[float]:
    """Return the times from key press to painted question in ms if each answer loads the page."""
    page = open_page(found, RELOAD, plain=True)
    times = []
    for place in range(answers):
        page.evaluate("window.leaving = true")
        page.keyboard.press("y" if place % 3 else "n")
        page.wait_for_function("() => !window.leaving && window.painted !== undefined", timeout=60_000)
        times.append(float(page.evaluate("painted")))
    page.context.close()
    return times


def measure(photos: Path, answers: int, reloads: int, rate: float) -> dict[str, Any]:
    """Run the measurement and return its figures."""
    with world(photos, answers + reloads + 20) as found:
        parts = own_parts(found)
        pressed = answer_ahead(found, answers, rate)
        standing = found.labelling.standing()
        times = [max(entry["painted"], entry["presented"]) - entry["at"] for entry in pressed]
        by_reload = answer_by_reload(found, reloads)
    return {
        "key_to_next_p50_ms": round(percentile(times, 50), 1),
        "key_to_next_p95_ms": round(percentile(times, 95), 1),
        "key_to_next_max_ms": round(max(times), 1),
        "reload_p50_ms": round(percentile(by_reload, 50), 1),
        "reload_p95_ms": round(percentile(by_reload, 95), 1),
        "own_kb": round(sum(parts.values()) / 1000, 1),
        "own_parts": len(parts),
        "answers_given": len({entry["face"] for entry in pressed}),
        "answers_saved": sum(standing.get(entry["face"]) == KEYS[entry["key"]] for entry in pressed),
        "answers_wanted": answers,
    }


def percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def missed(figures: dict[str, Any]) -> list[str]:
    """Return a message for each target that the figures miss."""
    found = []
    if figures["key_to_next_p95_ms"] >= MOST_MS:
        found.append(f"key to next question: p95 {figures['key_to_next_p95_ms']} ms, not below {MOST_MS:.0f} ms")
    if figures["own_kb"] >= MOST_KB:
        found.append(f"the page's own bytes: {figures['own_kb']} kB, not below {MOST_KB:.0f} kB")
    for name in ("answers_given", "answers_saved"):
        if figures[name] != figures["answers_wanted"]:
            found.append(f"{name}: {figures[name]} of {figures['answers_wanted']}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.labelling", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder with NAME/*.jpg")
    parser.add_argument("--answers", type=int, default=100)
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--rate", type=float, default=2.0, help="answers per second")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    photos = options.photos or next((folder for folder in FOLDERS if folder.is_dir()), None)
    if photos is None or servers.chromium() is None:
        parser.error(
            "needs photographs (--photos, or python -m sandbox.photos .local/photos) and Chromium (script/setup --dev)"
        )
    figures = measure(photos, options.answers, options.reloads, options.rate)
    for name, value in figures.items():
        print(f"{name:24} {value:>8}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    sentences = missed(figures)
    for sentence in sentences:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if sentences else 0


if __name__ == "__main__":
    raise SystemExit(main())
