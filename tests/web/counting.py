"""A web process that is asked often, for the tests of limits: one that several processes share, and their stores."""

import sys
import time

from flask.testing import FlaskClient

from app import create_app

PUBLIC = {"REMOTE_ADDR": "192.0.2.1"}


def statuses(client: FlaskClient, times: int) -> list[int]:
    """What a public address gets for so many sign-ins."""
    return [client.get("/auth/start", environ_overrides=PUBLIC).status_code for _ in range(times)]


def main() -> None:
    """For each line, a number of requests: print their statuses, and how many seconds the slowest took."""
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
