"""The classify page as a person uses it."""

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from bench.labelling_project import Labelling

SECONDS = 30.0


def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait until `condition` holds; it is asked again and again."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


class Classify:
    """One tab."""

    def __init__(self, page: Page, labelling: Labelling) -> None:
        self.page = page
        self.labelling = labelling

    def face(self) -> int:
        """The face asked about, once its photograph is on the screen."""
        self.page.wait_for_function(
            """() => {
              const photo = document.querySelector('#photo-img');
              return document.querySelector('#ask:not([hidden])')?.dataset.face && photo.complete && photo.naturalWidth > 0;
            }"""
        )
        return int(self.page.evaluate("document.querySelector('#ask').dataset.face"))

    def at_rest(self) -> None:
        """Wait until the tab has nothing to do: Chromium cancels a touch that a busy one does not answer within 0.2 s."""
        self.face()
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestIdleCallback(done)))")

    def press(self, *keys: str) -> list[int]:
        """Press keys, each on a question that is on the screen; returns the faces that were asked about."""
        faces = []
        for key in keys:
            faces.append(self.face())
            self.page.keyboard.press(key)
        return faces

    def unsaved(self) -> int:
        """How many items this browser keeps."""
        found: int = self.page.evaluate(
            "Object.keys(localStorage).filter((key) => key.startsWith('wikivisage:') && key !== 'wikivisage:keys').length"
        )
        return found

    def settle(self) -> None:
        """Wait until everything is saved."""
        eventually(lambda: self.unsaved() == 0, "all answers saved")

    def message(self) -> str:
        return self.page.locator("#message").inner_text()

    def hears(self, text: str) -> None:
        """Wait until the page says so."""
        self.page.locator("#message", has_text=text).wait_for()
