"""HTTP transport with limits on concurrency, bytes and total time, which never follows redirects.

The timeout of `requests` limits the pause between two bytes but not the whole request: a server that sends single bytes
slowly would block a thread for ever. Here a timer shuts the socket down at the end of the request's time.

urllib3 has no option for this: its `Timeout(total=...)` does not limit the whole answer either, and its
`HTTPResponse.shutdown()` exists only once the headers are read, which a server may send as slowly. Its connection
classes are therefore subclassed to learn the socket.
"""

import contextlib
import socket
import ssl
import threading
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any

import requests
from requests.adapters import DEFAULT_POOLBLOCK, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, SSLError
from urllib3.response import HTTPResponse

from wiki.answers import Answer
from wiki.meaning import Why

_CHUNK_BYTES = 65_536
_POOL_CONNECTIONS = 8

_flight = threading.local()  # .time: the _Time of the request that this thread is making


class NoAnswer(Exception):
    """No answer arrived. `sent` is False only when the request certainly did not reach the server."""

    def __init__(self, why: Why, text: str, *, sent: bool) -> None:
        super().__init__(f"{why}: {text}")
        self.why: Why = why
        self.text = text
        self.sent = sent


class _Time:
    """Limit on the total time of one request; at its end the socket is shut down and `over` is True."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self.sock: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "_Time":
        _flight.time = self
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _flight.time = None

    def _cut(self) -> None:
        self.over = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown, which would discard the TLS state while another thread is reading.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def _watch(sock: socket.socket | None) -> None:
    time = getattr(_flight, "time", None)
    if time is not None:
        time.sock = sock


class _Plain(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        _watch(self.sock)
        return super().getresponse()


class _Secure(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        _watch(self.sock)
        return super().getresponse()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = DEFAULT_POOLBLOCK, **kw: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **kw)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


class Transport:
    """HTTP transport, safe to share between threads: connections are pooled, and each thread has its own session.

    No cookies are kept (requests for several accounts go through here) and the environment is not read (a .netrc would
    replace the bearer). `verify`: a file of certificates to trust instead of the default ones.
    """

    def __init__(
        self, user_agent: str, *, max_concurrent: int, timeout: tuple[float, float], verify: bool | str = True
    ) -> None:
        self._user_agent = user_agent
        self._verify = verify
        self._timeout = timeout
        self._adapter = _Adapter(pool_connections=_POOL_CONNECTIONS, pool_maxsize=max_concurrent)
        self._slots = threading.BoundedSemaphore(max_concurrent)
        self._local = threading.local()

    def request(self, request: requests.Request, *, most_bytes: int, seconds: float) -> Answer:
        """Prepare and send a request. Raises NoAnswer."""
        try:
            prepared = self._session().prepare_request(request)
        except (requests.RequestException, UnicodeError) as error:
            raise NoAnswer("network", type(error).__name__, sent=False) from None
        return self.send(prepared, most_bytes=most_bytes, seconds=seconds)

    def send(self, prepared: requests.PreparedRequest, *, most_bytes: int, seconds: float) -> Answer:
        """Send a request. Raises NoAnswer, whose text names the kind of error and the host, without any parameters."""
        prepared.headers["User-Agent"] = self._user_agent
        with self._slots, _Time(seconds) as time:
            try:
                answer = self._exchange(prepared, most_bytes, time)
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                # Reading from a socket that was shut down raises various errors; the cause of all is the timeout.
                raise _no_answer(error, time, prepared) from None
        if time.over:
            raise NoAnswer("timeout", _host(prepared), sent=True)
        return answer

    def close(self) -> None:
        self._adapter.close()

    def _exchange(self, prepared: requests.PreparedRequest, most_bytes: int, time: _Time) -> Answer:
        response = self._session().send(prepared, stream=True, allow_redirects=False, timeout=self._timeout)
        with contextlib.closing(response):
            promised = response.headers.get("Content-Length", "")
            if promised.isascii() and promised.isdigit() and int(promised[:18]) > most_bytes:
                raise NoAnswer("too_large", f"{promised[:18]} bytes", sent=True)
            body = bytearray()
            for chunk in response.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > most_bytes:
                    raise NoAnswer("too_large", f"more than {most_bytes} bytes", sent=True)
            return Answer(response.status_code, response.headers, bytes(body), response.url)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.verify = self._verify
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers["Accept-Encoding"] = "gzip"
            session.mount("https://", self._adapter)
            session.mount("http://", self._adapter)
            self._local.session = session
        return session


def _no_answer(error: Exception, time: _Time, prepared: requests.PreparedRequest) -> NoAnswer:
    late = time.over or isinstance(error, requests.Timeout)
    name = f"{type(error).__name__} at {_host(prepared)}"
    return NoAnswer("timeout" if late else "network", name, sent=not _unsent(error))


def _unsent(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    cause = getattr(inner, "reason", inner)
    if isinstance(cause, SSLError):
        # Other TLS errors may occur later, on a connection that has already carried the request.
        return isinstance(next(iter(cause.args), None), ssl.SSLCertVerificationError)
    return isinstance(cause, NewConnectionError | NameResolutionError)


def _host(prepared: requests.PreparedRequest) -> str:
    return (prepared.url or "").partition("://")[2].partition("/")[0]
