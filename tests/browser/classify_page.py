"""The classify page with the actions of a user."""

from playwright.sync_api import Page

from testing.labelling_project import Labelling
from testing.waiting import until


class Classify:
    """One tab with the page."""

    def __init__(self, page: Page, labelling: Labelling) -> None:
        self.page = page
        self.labelling = labelling

    def face(self) -> int:
        """Return the face asked about, once its photograph is displayed."""
        self.page.wait_for_function(
            """() => {
              const photo = document.querySelector('#photo-img');
              return document.querySelector('#ask:not([hidden])')?.dataset.face && photo.complete && photo.naturalWidth > 0;
            }"""
        )
        return int(self.page.evaluate("document.querySelector('#ask').dataset.face"))

    def wait_for_face(self, face: int) -> None:
        """Wait until the page asks about this face."""
        until(lambda: self.face() == face, f"the question about face {face}")

    def wait_for_another_face(self, face: int) -> None:
        """Wait until the page asks about a face other than this one."""
        until(lambda: self.face() != face, f"another question than about face {face}")

    def at_rest(self) -> None:
        """Wait until the tab is idle: Chromium cancels a touch that a busy tab does not answer within 0.2 s."""
        self.face()
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestIdleCallback(done)))")

    def press(self, *keys: str) -> list[int]:
        """Press keys, each when a question is displayed; return the faces that were asked about."""
        faces = []
        for key in keys:
            faces.append(self.face())
            self.page.keyboard.press(key)
        return faces

    def unsaved(self) -> int:
        """Return the number of items in the browser's storage."""
        found: int = self.page.evaluate(
            "Object.keys(localStorage).filter((key) => key.startsWith('wikivisage:') && key !== 'wikivisage:keys').length"
        )
        return found

    def settle(self) -> None:
        """Wait until everything is saved."""
        until(lambda: self.unsaved() == 0, "all answers saved")

    def message(self) -> str:
        return self.page.locator("#message").inner_text()

    def wait_for_message(self, text: str) -> None:
        """Wait until the page has shown this message, and forget it and those before it."""
        self.page.wait_for_function(
            """(text) => {
              const at = window.messages.findIndex((message) => message.includes(text));
              return at >= 0 && window.messages.splice(0, at + 1).length;
            }""",
            arg=text,
        )
