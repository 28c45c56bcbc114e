"""Client of the MediaWiki action API that follows Wikimedia's API etiquette (maxlag, user agent, rate limits).

Reads that fail temporarily are retried within limits. A write is sent once, and its errors are raised: only the caller
knows whether it is safe to send it again.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import requests

from wiki import meaning
from wiki.answers import Answer, JsonObject
from wiki.errors import GiveUp, Reason, Wait
from wiki.transport import NoAnswer, Transport

MEDIA_HOSTS = ("upload.wikimedia.org", "thumb.wikimedia.org", "commons.wikimedia.org")
BATCH = 50  # titles or ids in one request
MAXLAG_SECONDS = 5

_MOST_JSON_BYTES = 16 * 1024 * 1024  # parsed JSON can take twenty times as much memory
_JSON_SECONDS = 90.0
_LONGEST_ADDRESS = 2_000  # characters of parameters; a longer read is sent as POST
_LONGEST_BACKOFF_SECONDS = 60.0
_MOST_ROUNDS = 2_000  # answers of one continued query

Value = str | int | bool | Sequence[str] | Sequence[int] | None
Params = dict[str, Value]
T = TypeVar("T")


class Stop(Protocol):
    """Like threading.Event: wait() returns True as soon as the process is to stop."""

    def wait(self, timeout: float, /) -> bool: ...


@dataclass(frozen=True)
class Endpoints:
    """Full URLs; `commons_page` and `wikidata_page` end before a title, `oauth` ends in rest.php/oauth2."""

    commons_api: str = "https://commons.wikimedia.org/w/api.php"
    commons_page: str = "https://commons.wikimedia.org/wiki"
    wikidata_api: str = "https://www.wikidata.org/w/api.php"
    sparql: str = "https://commons-query.wikimedia.org/sparql"
    oauth: str = "https://meta.wikimedia.org/w/rest.php/oauth2"
    pagepile: str = "https://pagepile.toolforge.org/api.php"
    wikidata_page: str = "https://www.wikidata.org/wiki"


def user_agent(version: str, contact: str) -> str:
    """Return the User-Agent that the policy requires: tool, version, contact, library."""
    return f"WikiVisage/{version} ({contact}) python-requests/{requests.__version__}"


def batches(values: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Split the values into batches that fit one request."""
    return (values[start : start + size] for start in range(0, len(values), size))


def backoff(attempt: int, rng: random.Random, first: float, longest: float = _LONGEST_BACKOFF_SECONDS) -> float:
    """Return the seconds before attempt number `attempt` + 1 (counted from 1): exponential, with full jitter."""
    return rng.uniform(0.0, min(longest, first * 2.0 ** min(attempt, 20)))


class Client:
    """API client, safe to share between threads. Use one per process: it limits requests at once to `max_concurrent`.

    `maxlag`: sent with reads too (crawling); writes always send it. `attempts` and `patience_seconds` limit one read; a
    wait that would end after `patience_seconds` is not begun. `media_hosts`: host or host:port to load pictures from.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        user_agent: str,
        stop: Stop | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        max_concurrent: int = 3,
        download_throttle_seconds: float = 0.0,
        timeout: tuple[float, float] = (6.0, 30.0),
        media_hosts: Sequence[str] = MEDIA_HOSTS,
        maxlag: int | None = None,
        attempts: int = 5,
        patience_seconds: float = 60.0,
    ) -> None:
        self.endpoints = endpoints
        self.transport = Transport(user_agent, max_concurrent=max_concurrent, timeout=timeout)
        self.media_hosts = frozenset(host.lower() for host in media_hosts)
        self.download_throttle_seconds = download_throttle_seconds
        self.stop: Stop = stop or threading.Event()
        self.clock = clock
        self._rng = rng or random.Random()
        self._maxlag = maxlag
        self._attempts = attempts
        self._patience = patience_seconds
        self._held: dict[str, float] = {}  # host -> end of the wait that it demanded
        self._lock = threading.Lock()
        self._next_download = 0.0

    def get(self, params: Mapping[str, Value], api: str | None = None, *, bearer: str = "") -> JsonObject:
        """Send a read; retry temporary errors. Raises WikiError."""
        return self.patiently(lambda: self._ask(params, api or self.endpoints.commons_api, bearer))

    def query(self, params: Mapping[str, Value], api: str | None = None, *, bearer: str = "") -> Iterator[JsonObject]:
        """Yield the answers of action=query, following continuation to the end. Raises WikiError."""
        more: JsonObject = {}
        for _ in range(_MOST_ROUNDS):
            answer = self.get({"action": "query", **params, **more}, api, bearer=bearer)
            yield answer
            before, more = more, answer.get("continue") or {}
            if not isinstance(more, dict) or not more:
                return
            if more == before:
                raise GiveUp(Reason.INVALID_REQUEST, "endless-continue", str(more)[:200])
        raise GiveUp(Reason.INVALID_REQUEST, "endless-continue", f"{_MOST_ROUNDS} answers")

    def post(self, params: Mapping[str, Value], api: str | None = None, *, bearer: str) -> JsonObject:
        """Send a write once. Raises WikiError; Reread where the outcome is unknown."""
        url = api or self.endpoints.commons_api
        data = _encoded({"maxlag": MAXLAG_SECONDS, **params})
        answer = self.exchange(requests.Request("POST", url, data=data), bearer=bearer, write=True)
        return self._read(answer, write=True, action=str(params.get("action", "")))

    def exchange(
        self,
        request: requests.Request,
        *,
        bearer: str = "",
        write: bool = False,
        most_bytes: int = _MOST_JSON_BYTES,
        seconds: float = _JSON_SECONDS,
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises WikiError where no answer came, or while the host demands a wait.
        """
        url = str(request.url)
        self._raise_during_wait(url)
        if bearer:
            request.headers = {**dict(request.headers or {}), "Authorization": f"Bearer {self._trusted(url, bearer)}"}
        try:
            answer = self.transport.request(request, most_bytes=most_bytes, seconds=seconds)
        except NoAnswer as error:
            raise meaning.failure(error.why, error.text, sent=error.sent, write=write) from None
        if answer.status == 429:
            self._store_wait(url, answer.retry_after())
        return answer

    def patiently(self, once: Callable[[], T]) -> T:
        """Call `once`, again after each Wait, until attempts or patience are exhausted or the process stops."""
        end = self.clock() + self._patience
        for attempt in range(1, self._attempts + 1):
            try:
                return once()
            except Wait as error:
                delay = self._delay(error, attempt)
                if attempt == self._attempts or self.clock() + delay > end or self.stop.wait(delay):
                    raise
        raise AssertionError("attempts is at least 1")

    def next_download_in(self) -> float:
        """Return the seconds until the throttle allows the next download, and reserve that start."""
        with self._lock:
            now = self.clock()
            start = max(now, self._next_download)
            self._next_download = start + self.download_throttle_seconds
        return start - now

    def close(self) -> None:
        self.transport.close()

    def _ask(self, params: Mapping[str, Value], url: str, bearer: str) -> JsonObject:
        encoded = _encoded({"maxlag": self._maxlag, **params})
        if len(urlencode(encoded)) <= _LONGEST_ADDRESS:
            request = requests.Request("GET", url, params=encoded)
        else:
            request = requests.Request("POST", url, data=encoded, headers={"Promise-Non-Write-API-Action": "true"})
        return self._read(self.exchange(request, bearer=bearer), write=False, action=str(params.get("action", "")))

    def _read(self, answer: Answer, *, write: bool, action: str) -> JsonObject:
        return meaning.read(answer, write=write, action=action)

    def _trusted(self, url: str, bearer: str) -> str:
        """Return the bearer token if it may be sent to the URL; raise ValueError otherwise."""
        if url != self.endpoints.commons_api and not url.startswith(self.endpoints.oauth + "/"):
            raise ValueError(f"the bearer token is never sent to {urlsplit(url).netloc}{urlsplit(url).path}")
        return bearer

    def _delay(self, error: Wait, attempt: int) -> float:
        if error.asked:
            return error.seconds + self._rng.uniform(0.0, 0.5)
        return backoff(attempt, self._rng, error.seconds)

    def _store_wait(self, url: str, seconds: float | None) -> None:
        """Store the wait that a host demands, for the requests of all threads."""
        if seconds is not None:
            with self._lock:
                self._held[urlsplit(url).netloc] = self.clock() + min(seconds, meaning.LONGEST_WAIT_SECONDS)

    def _raise_during_wait(self, url: str) -> None:
        """Raise Wait while the host demands one."""
        with self._lock:
            left = self._held.get(urlsplit(url).netloc, 0.0) - self.clock()
        if left > 0:
            raise Wait(Reason.TOO_MANY_REQUESTS, "http-429", "the host demanded a wait", seconds=left, asked=True)


def _encoded(params: Mapping[str, Value]) -> dict[str, str]:
    """Encode the parameters as text, with those of every request; omit None and False."""
    every: dict[str, Value] = {"format": "json", "formatversion": 2, "errorformat": "bc"}
    return {
        name: _text(value) for name, value in {**every, **params}.items() if value is not None and value is not False
    }


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "|".join(str(part) for part in value)
    return "1" if value is True else str(value)
