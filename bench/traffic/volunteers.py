"""Simulated volunteers and watchers for bench/load.py, one thread each, which send a browser's requests and time them.

They use persistent connections of their own, as browsers do, and a minimal HTTP client, because they share the cores
with the server and any CPU time they use is missing there.
"""

import json
import random
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

AHEAD = 3  # more questions are fetched if fewer than this are left
ARRIVAL = 10.0  # seconds within which all people start
POLL = 2.0  # seconds between two requests for the progress


@dataclass
class Seen:
    """A person's record: (endpoint, milliseconds) of each request, errors, and the ids of confirmed answers."""

    ms: list[tuple[str, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    sent: int = 0
    late: float = 0.0  # maximum delay of an answer behind its planned time in seconds
    busy_s: float = 0.0  # CPU time of the person's thread in seconds


@dataclass(frozen=True)
class Plan:
    """A person's task; `cookie`: name and value of the session cookie, `watches`: poll the progress, do not answer."""

    address: str
    project_id: int
    cookie: tuple[str, str]
    seconds: float
    seed: int
    watches: bool = False


@dataclass(frozen=True)
class Reply:
    """A response; `head`: its raw header lines."""

    status: int
    head: tuple[bytes, ...]
    content: bytes

    def header(self, name: bytes) -> list[bytes]:
        """Return the values of a header; `name` must be in lower case."""
        parts = [line.partition(b":") for line in self.head]
        return [value.strip() for found, _, value in parts if found.lower() == name]


class HttpConnection:
    """A persistent HTTP connection to a server that sends Content-Length with every response."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def request(self, method: str, path: str, headers: str, body: bytes = b"") -> Reply:
        """Send a request and return the response; `headers`: lines that end with CRLF.

        Raises ConnectionError if the server has closed the connection, HTTPException for a malformed response.
        """
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{headers}\r\n".encode() + body)
        first = self._file.readline()
        if not first:
            raise ConnectionResetError("the server has closed the connection")
        if not first.startswith(b"HTTP/1.1 "):
            raise HTTPException(first)
        head = []
        while (line := self._file.readline().rstrip()) != b"":
            head.append(line)
        reply = Reply(int(first[9:12]), tuple(head), b"")
        (length,) = reply.header(b"content-length") or [b""]
        if not length.isdigit():
            raise HTTPException("the response has no Content-Length")
        content = self._file.read(int(length))
        if len(content) < int(length):
            raise ConnectionResetError("the response is incomplete")
        return Reply(reply.status, reply.head, content)

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()


class Person:
    """One simulated person with a browser."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.seen = plan, Seen()
        self._chance = random.Random(plan.seed)
        self._cookie = {plan.cookie[0]: plan.cookie[1]}
        self._connection: HttpConnection | None = None
        self._base = f"/projects/{plan.project_id}"
        self._kept: set[str] = set()  # URLs of chips in the browser's cache; they may be cached for long

    def run(self) -> None:
        """Start after a random delay of at most ARRIVAL seconds and continue until the planned time is over."""
        end = time.monotonic() + self.plan.seconds
        time.sleep(self._chance.uniform(0, ARRIVAL))
        self._watch(end) if self.plan.watches else self._answer(end)
        if self._connection is not None:
            self._connection.close()
        self.seen.busy_s = time.thread_time()

    def _watch(self, end: float) -> None:
        while time.monotonic() < end:
            self._request("progress", f"{self._base}/progress")
            time.sleep(self._chance.uniform(0.9, 1.1) * POLL)

    def _answer(self, end: float) -> None:
        token = (self._request("session", f"{self._base}/session.json") or {}).get("csrf", "")
        ahead: list[dict[str, Any]] = []
        turn = time.monotonic()
        while time.monotonic() < end:
            if len(ahead) < AHEAD:
                ahead += self._more(ahead)
            turn += self._chance.uniform(0.5, 1.5)
            pause = turn - time.monotonic()
            self.seen.late = max(self.seen.late, -pause)
            time.sleep(max(0.0, pause))
            if ahead:
                self._send_answer(ahead.pop(0), token)

    def _more(self, ahead: list[dict[str, Any]]) -> list[dict[str, Any]]:
        have = ",".join(str(one["face"]) for one in ahead if one["face"])
        found = (self._request("questions", f"{self._base}/questions.json?have={have}") or {}).get("questions", [])
        for address in {chip for one in found for chip in one["similar"]} - self._kept:
            self._request("chip", address)
            self._kept.add(address)
        return list(found)

    def _send_answer(self, question: dict[str, Any], token: str) -> None:
        name, face = str(uuid.UUID(int=self._chance.getrandbits(128), version=4)), question["face"]
        word = ("target" if self._chance.random() < 0.3 else "other") if face else "not_shown"
        answer = {"client_id": name, "page": question["page"], "face": face, "answer": word, "sha1": question["sha1"]}
        self.seen.sent += 1
        body = {"steps": [{"step": name, "answers": [answer]}]}
        result = self._request("answers", f"{self._base}/answers", body, token)
        if result and result["results"][0]["status"] in {"saved", "repeated"}:
            self.seen.saved.append(name)

    def _request(self, endpoint: str, path: str, body: Any = None, token: str = "") -> Any:
        """Send a request and record its time or error; return the response's JSON, None for a picture or an error."""
        sent = b"" if body is None else json.dumps(body).encode()
        headers = "Cookie: " + "; ".join(f"{name}={value}" for name, value in self._cookie.items())
        headers += "\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n"
        if body is not None:
            headers += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\nX-CSRFToken: {token}\r\n"
        started = time.perf_counter()
        try:
            reply = self._send("GET" if body is None else "POST", path, headers, sent)
        except (OSError, HTTPException) as error:
            self.seen.errors.append(f"{endpoint}: {type(error).__name__}")
            self._connection = None
            return None
        self.seen.ms.append((endpoint, 1000 * (time.perf_counter() - started)))
        for one in reply.header(b"set-cookie"):
            name, _, value = one.decode().partition(";")[0].partition("=")
            self._cookie[name] = value
        if reply.status != 200:
            self.seen.errors.append(f"{endpoint}: {reply.status}")
            return None
        return json.loads(reply.content) if b"application/json" in reply.header(b"content-type") else None

    def _send(self, method: str, path: str, headers: str, body: bytes) -> Reply:
        for attempt in (1, 2):  # Like browsers, retry once: the server may have closed the idle connection.
            connection, self._connection = self._connection or HttpConnection(self.plan.address), None
            try:
                reply = connection.request(method, path, headers, body)
                break
            except (ConnectionError, HTTPException):
                connection.close()
                if attempt == 2:
                    raise
        if b"close" not in reply.header(b"connection"):
            self._connection = connection
        return reply


def crowd(plans: list[Plan]) -> list[Seen]:
    """Run all people concurrently in this process; return their records."""
    people = [Person(plan) for plan in plans]
    threads = [threading.Thread(target=person.run) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [person.seen for person in people]
