"""The sandbox as a running server: in a thread of a test, or in the foreground."""

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
    """A client's connection, as far as a fault needs it."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw

    def abort(self) -> None:
        """Break it, now."""
        with contextlib.suppress(OSError):  # the client may have been faster
            self._raw.shutdown(socket.SHUT_RDWR)


class Gateway(wsgi.Gateway_10):
    """cheroot's gateway that also shows the connection to the application."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # cheroot's stub says None
        """The WSGI environment."""
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["sandbox.connection"] = Connection(self.req.conn.socket)
        return environ


class Sandbox:
    """A sandbox on 127.0.0.1. `port` 0: a free one, known after `start()`."""

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
        """Builds the first state once, when it is first wanted."""
        made: list[State] = []

        def begin() -> State:
            if not made:
                made.append(build(photos, variants=variants, consumer=self.consumer))
            return made[0]

        return begin

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.bind_addr[1]}"

    @property
    def addresses(self) -> dict[str, str]:
        """Every endpoint that a client takes by setting."""
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
        """Answer until `stop()`."""
        self._server.serve()

    def start(self) -> "Sandbox":
        """Answer in a thread of its own."""
        self.prepare()
        self._thread = threading.Thread(target=self.serve, name="sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, and save what is to be kept."""
        self._server.stop()
        if self._thread:
            self._thread.join(timeout=10)
        if self._keeper:
            self._keeper.stop()
