"""A web process for the tests of rate limits; several of them share a store."""

import sys
import time

from flask.testing import FlaskClient

from app import create_app

PUBLIC = {"REMOTE_ADDR": "192.0.2.1"}


def statuses(client: FlaskClient, times: int) -> list[int]:
    """Request a public address with this many sign-ins; return the statuses."""
    return [client.get("/auth/start", environ_overrides=PUBLIC).status_code for _ in range(times)]


def main() -> None:
    """For each input line, send that number of requests; print their statuses and the longest duration in seconds."""
    client = create_app().test_client()
    for line in sys.stdin:
        found, slowest = [], 0.0
        for _ in range(int(line)):
            began = time.monotonic()
            found += statuses(client, 1)
            slowest = max(slowest, time.monotonic() - began)
        print(*found, f"{slowest:.2f}", flush=True)


if __name__ == "__main__":
    main()
