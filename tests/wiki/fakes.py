"""Fake clock that is advanced by waiting, and a client for a loopback server."""

import random
from typing import Any

from wiki.client import Client, Endpoints


class Time:
    """Clock and stop in one: wait() records the seconds and advances the clock by them at once."""

    def __init__(self, stopping: bool = False) -> None:
        self.now = 1_000.0
        self.waits: list[float] = []
        self.stopping = stopping

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float, /) -> bool:
        self.waits.append(timeout)
        self.now += 0.0 if self.stopping else timeout
        return self.stopping


def endpoints(url: str) -> Endpoints:
    return Endpoints(
        commons_api=f"{url}/w/api.php",
        commons_page=f"{url}/wiki",
        wikidata_api=f"{url}/wikidata/w/api.php",
        sparql=f"{url}/sparql",
        oauth=f"{url}/w/rest.php/oauth2",
        pagepile=f"{url}/pagepile/api.php",
        wikidata_page=f"{url}/wikidata/wiki",
    )


def client(url: str, time: Time | None = None, **options: Any) -> Client:
    """Return a client for the server at `url`, with a fake clock by default."""
    time = time or Time()
    options = {"media_hosts": (url.partition("//")[2],), "rng": random.Random(1), "clock": time, **options}
    return Client(endpoints(url), "WikiVisage/test (test@example.org) python-requests/0", time, **options)
