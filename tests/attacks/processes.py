"""What Linux tells in /proc about processes of ours."""

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

LISTENS = "0A"  # of the states of /proc/net/tcp


@dataclass(frozen=True)
class Connection:
    """A TCP socket; `remote_port` 0: it listens."""

    address: str
    port: int
    remote_port: int
    listens: bool


def below(pid: int) -> list[int]:
    """All processes that it started, and that these started."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, path.read_text().split())
    return found[1:]


def command(pid: int) -> str:
    """The command line."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def limit(pid: int, name: str) -> int | None:
    """The soft limit of that name; None: there is none."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    word = next(line.removeprefix(name).split()[0] for line in lines if line.startswith(name))
    return None if word == "unlimited" else int(word)


def connections(pid: int) -> list[Connection]:
    """The TCP sockets that the process has open."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    own = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
    lines = [line.split() for name in ("tcp", "tcp6") for line in _lines(Path(f"/proc/{pid}/net/{name}"))]
    return [_connection(words) for words in lines if words[9] in own]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:] if path.exists() else []


def _connection(words: list[str]) -> Connection:
    address, port = words[1].split(":")
    return Connection(_address(address), int(port, 16), int(words[2].split(":")[1], 16), words[3] == LISTENS)


def _address(words: str) -> str:
    """An address as the kernel writes it: 32-bit words in the order of the machine."""
    numbers = [int(words[start : start + 8], 16) for start in range(0, len(words), 8)]
    packed = struct.pack(f"={len(numbers)}I", *numbers)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
