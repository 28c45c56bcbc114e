"""The sandbox as an HTTP server that runs in a background thread or in the foreground."""

import contextlib
import copy
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cheroot import wsgi

from sandbox.app import create_app
from sandbox.state import storage
from sandbox.state.build import build
from sandbox.state.model import Consumer, State
from sandbox.state.pictures import Pictures
from sandbox.state.world import Clock, Settings, World

THREADS = 24
CLIENT_ID = "5a4d0b0c5a4d0b0c5a4d0b0c5a4d0b0c"
CLIENT_SECRET = "sandbox-secret-sandbox-secret-sandbox-sec"


class Connection:
    """A client's TCP connection, which faults can abort."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    def abort(self) -> None:
        """Shut the connection down immediately."""
        with contextlib.suppress(OSError):  # The client may have closed it already.
            self._raw.shutdown(socket.SHUT_RDWR)


class Gateway(wsgi.Gateway_10):
    """cheroot's WSGI gateway, extended to pass the client's connection to the application."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # cheroot's stub says None
        """Return the WSGI environment with the additional key `sandbox.connection`."""
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["sandbox.connection"] = Connection(self.req.conn.socket)
        return environ


class Sandbox:
    """A sandbox on 127.0.0.1; with `port` 0 it uses a free port, which is known after `start()`.

    `photos`: folder with NAME/*.jpg. `cache`: folder for renderings and variants. `state`: file in which the wiki is
    kept across restarts. `variants`: minimum number of photographs of each person.
    """

    def __init__(
        self,
        photos: Path,
        *,
        port: int = 0,
        cache: Path,
        state: Path | None = None,
        variants: int | None = None,
        settings: Settings | None = None,
        consumer: Consumer | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.consumer = consumer or Consumer(CLIENT_ID, CLIENT_SECRET)
        begin = self._beginning(photos, variants)
        first = storage.load(state) if state and state.exists() else copy.deepcopy(begin())
        first.consumers[self.consumer.id] = self.consumer
        self.world = World(first, Pictures(cache), settings=settings, clock=clock)
        self.app = create_app(self.world, begin)
        self._keeper = storage.Keeper(self.world, state) if state else None
        self._server = wsgi.Server(("127.0.0.1", port), self.app, numthreads=THREADS, max=THREADS, timeout=30)
        self._server.gateway = Gateway
        self._server.shutdown_timeout = 1
        self._thread: threading.Thread | None = None

    def _beginning(self, photos: Path, variants: int | None) -> Callable[[], State]:
        """Return a function that builds the initial state at its first call and caches it."""
        made: list[State] = []

        def begin() -> State:
            if not made:
                made.append(build(photos, variants=variants, consumer=self.consumer))
            return made[0]

        return begin

    @property
    def base(self) -> str:
        """Scheme, host and port of the server, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.bind_addr[1]}"

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses of all endpoints, by name."""
        return {
            "commons_api": f"{self.base}/w/api.php",
            "commons_pages": f"{self.base}/wiki/",
            "wikidata_api": f"{self.base}/wikidata/w/api.php",
            "oauth": f"{self.base}/w/rest.php/oauth2",
            "sparql": f"{self.base}/sparql",
            "file_path": f"{self.base}/wiki/Special:FilePath/",
            "admin": f"{self.base}/sandbox",
        }

    def prepare(self) -> None:
        """Bind the port."""
        self._server.prepare()

    def serve(self) -> None:
        """Serve requests until `stop()` is called."""
        self._server.serve()

    def start(self) -> "Sandbox":
        """Serve requests in a background thread."""
        self.prepare()
        self._thread = threading.Thread(target=self.serve, name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop the server and save the state if it is kept in a file."""
        self._server.stop()
        if self._thread:
            self._thread.join(timeout=10)
        if self._keeper:
            self._keeper.stop()
