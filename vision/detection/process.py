"""Handle of one search process: start it, send it pictures, end it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from multiprocessing import get_context
from typing import cast

from boxes import Box
from vision.detection import child
from vision.detection.errors import DetectorUnavailable, NotTaken, SearchCrashed, SearchTimedOut
from vision.detection.settings import SearchSettings

START_S = 300.0  # a child comes last on a busy machine; one that ends before it is ready is noticed at once
# What a child's libraries read while they are loaded. One thread: there is a child a core. Huge pages: the networks' 30 MB
# of weights are walked through for every face, and with small pages a search takes a twentieth longer.
CHILD_VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


class SearchProcess:
    """A spawned child with a private pipe. `done` counts the pictures it was given."""

    def __init__(self, open_work: child.Open, settings: SearchSettings, memory: int, timeout_s: float) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe(duplex=True)
        _limit_sending(self._pipe.fileno(), timeout_s)
        self._timeout_s = timeout_s
        arguments = (theirs, open_work, settings, memory, timeout_s)
        self._process = context.Process(target=child.main, args=arguments, daemon=True, name="face-search")
        for name, value in CHILD_VARIABLES.items():
            os.putenv(name, value)  # inherited by what is started from now on; this process does not read them again
        self._process.start()
        theirs.close()
        self.done = 0

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def wait_until_ready(self) -> None:
        """Raises DetectorUnavailable when the child ends or is not ready in time."""
        try:
            ready = self._pipe.poll(START_S) and self._pipe.recv() == child.READY
        except (EOFError, OSError):
            ready = False
        if not ready:
            raise DetectorUnavailable(
                f"A search process could not start ({self._how_it_ended()}); its output says why."
            )

    def ask(self, pictures: Sequence[bytes], box: Box | None) -> child.Reply:
        """Return the child's reply. After NotTaken, SearchTimedOut or SearchCrashed the child must be replaced."""
        self.done += len(pictures)
        self._hand_over(pictures, box)
        said: child.Reply | str = child.TAKEN
        try:
            while said == child.TAKEN:  # each picture has the whole time
                if not self._pipe.poll(self._timeout_s):
                    raise SearchTimedOut(f"The search took more than {self._timeout_s:g} s and was broken off.")
                said = self._pipe.recv()
            return cast(child.Reply, said)
        except (EOFError, OSError):
            raise SearchCrashed(f"The search process ended while it searched ({self._how_it_ended()}).") from None

    def _hand_over(self, pictures: Sequence[bytes], box: Box | None) -> None:
        try:
            self._pipe.send((box, len(pictures)))
            for data in pictures:
                self._pipe.send_bytes(data)
            taken = self._pipe.poll(self._timeout_s) and self._pipe.recv() == child.TAKEN
        except BlockingIOError:
            taken = False
        except (EOFError, OSError):
            raise NotTaken(f"The search process had ended ({self._how_it_ended()}).") from None
        if not taken:
            raise NotTaken(f"The search process took no picture for {self._timeout_s:g} s.")

    def terminate(self) -> None:
        """Send SIGTERM; `end` waits for the child."""
        self._process.terminate()

    def end(self, within_s: float) -> None:
        """Terminate, join, kill. Another thread may still wait for an answer: it sees the pipe end."""
        self._process.terminate()
        self._process.join(within_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def close(self) -> None:
        """Close the pipe, when no thread waits for an answer any more."""
        self._pipe.close()

    def _how_it_ended(self) -> str:
        self._process.join(1.0)
        code = self._process.exitcode
        if code is None:
            return "it is still running"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _limit_sending(fileno: int, seconds: float) -> None:
    """Set a timeout for writing: a suspended child does not read, and a write to it would block for ever."""
    end = socket.socket(fileno=fileno)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6)))
    end.detach()
