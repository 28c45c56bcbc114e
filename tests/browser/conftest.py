"""A real browser with the real application, the sandbox's photographs and the database of this run.

`open_page` opens a page in its own context. Every error in its console, every violation of the Content-Security-Policy
and every exception of a script fails the test, except those that the test declares (`allow`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from config import Settings
from sandbox import environment
from sandbox.server import Sandbox
from testing import servers
from testing.waiting import PATIENCE

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
expect.set_options(timeout=PATIENCE * 1000)  # The same timeout as for every other wait, below.


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(chromium), args=ARGUMENTS)
        yield found
        found.close()


@dataclass(frozen=True)
class Site:
    """The application as reached by a browser."""

    settings: Settings
    address: str


@pytest.fixture(scope="session")
def site(settings: Settings, running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """gunicorn on the database of this run, configured for the sandbox."""
    wiki = environment.variables(running_sandbox.base, "http://localhost:8000")
    found = Settings.from_env(servers.variables(settings) | wiki)
    with servers.gunicorn(found, tmp_path_factory.mktemp("web")) as address:
        yield Site(found, address)


@dataclass
class Watch:
    """Errors in the pages of a test; `allowed`: patterns of errors that the test causes itself."""

    problems: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"{message.type}: {message.text} ({message.location['url']})")

    def serious(self) -> list[str]:
        return [text for text in self.problems if not any(re.search(pattern, text) for pattern in self.allowed)]


# A message disappears after some seconds, which may be before a test on a busy machine looks. `messages` keeps each until the
# test has waited for it (Classify.wait_for_message).
KEEP_MESSAGES = """
  window.messages = [];
  addEventListener("DOMContentLoaded", () => {
    const message = document.querySelector("#message");
    if (message) {
      new MutationObserver(() => message.textContent && window.messages.push(message.textContent))
        .observe(message, { childList: true, characterData: true, subtree: true });
    }
  });
"""


@dataclass
class Opener:
    """Open pages, each call in a separate browser context, as another person's browser."""

    browser: Browser
    site: Site
    watch: Watch
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(self, path: str, cookie: Any = None, **context: Any) -> Page:
        context.setdefault("viewport", {"width": 1280, "height": 900})
        made = self.browser.new_context(**context)
        made.set_default_timeout(PATIENCE * 1000)
        made.add_init_script(KEEP_MESSAGES)
        self.contexts.append(made)
        if cookie is not None:
            made.add_cookies([cookie])
        return self.tab(made, path)

    def tab(self, context: BrowserContext, path: str) -> Page:
        """Open another page in the same browser context."""
        page = context.new_page()
        page.on("console", self.watch.console)
        page.on("pageerror", lambda error: self.watch.problems.append(f"exception: {error}"))
        page.goto(f"{self.site.address}{path}")
        return page

    def allow(self, *patterns: str) -> None:
        self.watch.allowed += patterns


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Opener]:
    opener = Opener(browser, site, Watch())
    yield opener
    for context in opener.contexts:
        context.close()
    assert opener.watch.serious() == []
