"""Loopback server that returns prepared answers in order: recordings of a real MediaWiki, or made-up ones.

It records every request, so that a test can check what the client sent.
"""

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from tests.recordings import recording

_CONNECTION_HEADERS = {"content-length", "content-encoding", "transfer-encoding", "connection", "date", "keep-alive"}


@dataclass(frozen=True)
class Reply:
    """One answer. `length`: a Content-Length that may be wrong. `drop`: close the connection without answering.

    `pieces`: the body in parts, `pause` seconds before each. `hold`: answer only after the event is set.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    drop: bool = False
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0
    hold: threading.Event | None = None


@dataclass(frozen=True)
class Sent:
    """One request. `params`: from the URL and the body; `in_body`: from the body alone."""

    method: str
    path: str
    params: dict[str, str]
    in_body: dict[str, str]
    headers: Mapping[str, str]


def recorded(case: str) -> Reply:
    """Return the answer of a recording."""
    response = recording(case)["response"]
    headers = {name: value for name, value in response["headers"].items() if name.lower() not in _CONNECTION_HEADERS}
    body = response["body"]
    written = json.dumps(body) if body is not None else response.get("body_text") or ""
    return Reply(response["status"], headers, written.encode())


def asked(case: str) -> dict[str, Any]:
    """Return the parameters of a recorded request, from its URL and its body."""
    request = recording(case)["request"]
    return {**dict(parse_qsl(urlsplit(request["url"]).query)), **(request.get("params") or {})}


def answered(content: object, **headers: str) -> Reply:
    """Return a JSON answer; header names are written with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(200, {"Content-Type": "application/json; charset=utf-8", **named}, json.dumps(content).encode())


def page(status: int, **headers: str) -> Reply:
    """Return an HTML page, as the servers in front of the wiki send it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "text/html; charset=utf-8", **named}, b"<!DOCTYPE html><title>Error</title>")


class Replay:
    """State of the server. `url`: scheme, host, port. `sent`: received requests. `most_at_once`: most open at once."""

    def __init__(self, server: ThreadingHTTPServer, replies: Iterable[Reply | str]) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.sent: list[Sent] = []
        self.most_at_once = 0
        self._replies = deque(recorded(reply) if isinstance(reply, str) else reply for reply in replies)
        self._lock = threading.Lock()
        self._open = 0

    @property
    def left(self) -> int:
        return len(self._replies)

    def take(self, sent: Sent) -> Reply:
        with self._lock:
            self.sent.append(sent)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            return self._replies.popleft() if self._replies else Reply(418, body=b"no more answers")

    def done(self) -> None:
        with self._lock:
            self._open -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    replay: Replay

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urlsplit(self.path)
        in_body = dict(parse_qsl(body, keep_blank_values=True))
        params = dict(parse_qsl(parts.query, keep_blank_values=True)) | in_body
        reply = self.replay.take(Sent(self.command, parts.path, params, in_body, dict(self.headers)))
        try:
            self._write(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.replay.done()

    def _write(self, reply: Reply) -> None:
        if reply.hold:
            reply.hold.wait(30)
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        whole = reply.body + b"".join(reply.pieces)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(whole) if reply.length is None else reply.length))
        self.end_headers()
        self.wfile.write(reply.body)
        for piece in reply.pieces:
            threading.Event().wait(reply.pause)
            self.wfile.write(piece)
        if reply.length is not None:
            self.close_connection = True


@contextmanager
def replaying(*replies: Reply | str) -> Iterator[Replay]:
    """Run a server on a free port that returns these answers (a str names a recording), and 418 afterwards."""
    with answering(lambda server: Replay(server, replies)) as replay:
        yield replay


Some = TypeVar("Some", bound=Replay)


@contextmanager
def answering(make: Callable[[ThreadingHTTPServer], Some]) -> Iterator[Some]:
    """Run a server on a free port whose answers are chosen by the object that `make` returns."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    server.daemon_threads = True
    server.block_on_close = False
    replay = make(server)
    server.RequestHandlerClass.replay = replay  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
