"""A volunteer's browser without a window: it signs in through the wiki's pages, follows links, presses buttons, calls JSON."""

import itertools
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from tests.attacks.pages import Form, Page, parse

TIMEOUT = 90  # seconds; only a failing test waits as long
TIMES = 5
_places = itertools.count()


class Refused(Exception):
    """The application answered with an error; the text says which and to what."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Place(HTTPAdapter):
    """Ask from an address of loopback of one's own, as people at several places do."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *given: Any, **more: Any) -> None:
        super().init_poolmanager(*given, source_address=(self._address, 0), **more)


def new_place() -> str:
    """An address that nobody here asked from before; where loopback has but one, that one."""
    number = next(_places)
    return f"127.{number // 250 + 1}.{number % 250 + 1}.1" if sys.platform == "linux" else "127.0.0.1"


@dataclass
class Volunteer:
    """One person at one browser: cookies and the CSRF token of the last page."""

    name: str
    address: str
    wiki: str
    browser: requests.Session = field(default_factory=requests.Session)
    csrf: str = ""

    def __post_init__(self) -> None:
        self.browser.mount("http://", Place(new_place()))

    def sign_in(self) -> "Volunteer":
        """Sign in through the wiki: pick the user name there, allow the application."""
        login = self._page(self.browser.get(f"{self.address}/auth/start", timeout=TIMEOUT))
        form = login.form("/wiki/Special:UserLogin") or Form("/wiki/Special:UserLogin", [], [])
        fields = dict(form.fields) | {"wpName": self.name}
        consent = self._page(self.browser.post(f"{self.wiki}{form.action}", data=fields, timeout=TIMEOUT))
        allow = consent.form("/wiki/Special:OAuth/approve")
        assert allow is not None, consent.text()
        fields = {name: value for name, value in allow.fields if name != "cancel"} | {"accept": ""}
        self._page(self.browser.post(f"{self.wiki}{allow.action}", data=fields, timeout=TIMEOUT))
        assert self.name in self.look("/account").text()
        return self

    def look(self, path: str) -> Page:
        """Open a page, whatever its status; redirects are followed."""
        return self._page(self.browser.get(self._url(path), timeout=TIMEOUT))

    def press(self, form: Form, *more: tuple[str, str]) -> Page:
        """Send a form of a page as it was shown; `more`: what is filled in or ticked beside. Insists, as `_insist` says."""
        return self._insist(lambda: self.press_once(form, *more))

    def press_once(self, form: Form, *more: tuple[str, str]) -> Page:
        changed = {name for name, _ in more}
        boxes = {name for name, _ in form.boxes}
        kept = [(name, value) for name, value in form.fields if name not in changed or name in boxes]
        return self._page(self.browser.post(self._url(form.action), data=[*kept, *more], timeout=TIMEOUT))

    def submit(self, path: str, /, **fields: str) -> Page:
        """Send a form without a look at its page first, as a script would. Insists, as `_insist` says."""
        return self._insist(lambda: self.submit_once(path, **fields))

    def submit_once(self, path: str, /, **fields: str) -> Page:
        self.csrf = self.csrf or self.look("/account").csrf()
        data = {"csrf_token": self.csrf, **fields}
        return self._page(self.browser.post(self._url(path), data=data, timeout=TIMEOUT))

    def _insist(self, send: Callable[[], Page]) -> Page:
        """Send again while the answer is 503: a form whose transaction met a deadlock gets it, and a person presses again.

        The random history counts these; here an attack would look repelled that was not carried out.
        """
        for _ in range(TIMES - 1):
            page = send()
            if page.status != 503:
                return page
        return send()

    def get(self, path: str) -> Any:
        """A JSON call that reads. Raises Refused."""
        answer = self.browser.get(self._url(path), headers={"Accept": "application/json"}, timeout=TIMEOUT)
        return self._json(answer)

    def post(self, path: str, body: Any) -> Any:
        """A JSON call that changes something. Raises Refused."""
        self.csrf = self.csrf or self.look("/account").csrf()
        headers = {"Accept": "application/json", "X-CSRFToken": self.csrf}
        return self._json(self.browser.post(self._url(path), json=body, headers=headers, timeout=TIMEOUT))

    def try_post(self, path: str, body: Any, *refusals: int) -> Any:
        """The same for what may be refused, and then with one of these statuses: None."""
        try:
            return self.post(path, body)
        except Refused as refused:
            if refused.status not in refusals:
                raise
            return None

    def bytes_of(self, path: str) -> tuple[int, bytes]:
        """Status and content of a picture."""
        answer = self.browser.get(self._url(path), timeout=TIMEOUT)
        return answer.status_code, answer.content

    def copy(self) -> "Volunteer":
        """Another browser with a copy of this one's cookies."""
        other = Volunteer(self.name, self.address, self.wiki)
        other.browser.cookies.update(self.browser.cookies)
        return other

    def copy_without_cookies(self) -> requests.Session:
        """A new browser at the same place."""
        browser = requests.Session()
        browser.mount("http://", self.browser.get_adapter("http://"))
        return browser

    def _url(self, path: str) -> str:
        return urljoin(f"{self.address}/", path)

    def _page(self, answer: requests.Response) -> Page:
        page = parse(answer.url, answer.status_code, dict(answer.headers), answer.text)
        self.csrf = page.csrf() or self.csrf
        return page

    @staticmethod
    def _json(answer: requests.Response) -> Any:
        if answer.status_code != 200:
            raise Refused(answer.status_code, f"{answer.url}: {answer.text[:300]}")
        return answer.json()


def step(page: int, face: int | None, answer: str, **more: Any) -> dict[str, Any]:
    """One answer as the page's script sends it, in a step of its own."""
    given = {"client_id": str(uuid.uuid4()), "page": page, "face": face, "answer": answer, **more}
    return {"step": str(uuid.uuid4()), "answers": [given]}
