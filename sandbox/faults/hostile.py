"""Responses of a malicious wiki; each is a kind of fault that is injected at the point `answer`."""

import json
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from flask import Response

OWNED = "owned by the wiki"
MARKUP = f"<script>document.title='{OWNED}'</script><img src=x onerror=\"document.title='{OWNED}'\">{{{{7*7}}}}"
"""Markup that a fault of kind `script` appends to every text of the response."""
TEXTS = {"title", "value", "info", "text", "name", "username", "user", "comment", "description", "label", "html", "*"}
HUGE = 10**300
PIECE = b" " * 65_536
BOMB_SIDE = 30_000  # pixels; a PNG of one colour with 0.9 gigapixels has 110 kB


def _script(response: Response, _to: str) -> None:
    _as_json(response, lambda key, value: f"{value}{MARKUP}" if isinstance(value, str) and key in TEXTS else value)


def _huge(response: Response, _to: str) -> None:
    plain = (int, float)
    _as_json(response, lambda _, value: HUGE if isinstance(value, plain) and not isinstance(value, bool) else value)


def _as_json(response: Response, change: Callable[[str, Any], Any]) -> None:
    if not response.is_json:
        return

    def changed(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: changed(name, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [changed(key, inner) for inner in value]
        return change(key, value)

    response.set_data(json.dumps(changed("", msgspec.json.decode(response.get_data()))))


def _redirect(response: Response, to: str) -> None:
    _close_body(response)
    response.status_code = 302
    response.headers["Location"] = to
    response.set_data(b"")


def _gigabyte(response: Response, _to: str) -> None:
    _stream(response, (PIECE for _ in range(2**30 // len(PIECE))))


def _promised(response: Response, _to: str) -> None:
    _gigabyte(response, "")
    response.headers["Content-Length"] = str(2**30)


def _drip(response: Response, _to: str) -> None:
    def drops() -> Iterator[bytes]:
        while True:
            yield b" "
            time.sleep(0.2)

    _stream(response, drops())


def _endless(response: Response, _to: str) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"query": {"pages": ['
        while True:
            yield b'{"pageid": 5, "title": "File:A.jpg"}, ' * 1000

    _stream(response, parts())


def _stream(response: Response, parts: Iterator[bytes]) -> None:
    _close_body(response)
    response.response = parts
    response.headers.pop("Content-Length", None)


def _close_body(response: Response) -> None:
    """Close the file of a response whose body is about to be replaced."""
    response.direct_passthrough = False
    close = getattr(response.response, "close", None)
    if close is not None:
        close()


def _deep(response: Response, _to: str) -> None:
    _replace(response, b'{"query":' * 200_000, response.content_type)


def _dense(response: Response, _to: str) -> None:
    """Send a body with so many empty objects that parsing it takes far more memory than the 12 MB sent."""
    _replace(response, b'{"query": [' + b"{}," * 4_000_000 + b"{}]}", response.content_type)


def _wrong_type(response: Response, _to: str) -> None:
    response.content_type = "application/x-msdownload"


def _no_picture(response: Response, _to: str) -> None:
    _replace(
        response, f"<svg xmlns='http://www.w3.org/2000/svg' onload='alert()'>{MARKUP}</svg>".encode(), "image/jpeg"
    )


def _zip(response: Response, _to: str) -> None:
    _replace(response, b"PK\x03\x04" + bytes(10_000), "image/png")


def _bomb(response: Response, _to: str) -> None:
    _replace(response, bomb(), "image/png")


def _replace(response: Response, body: bytes, content_type: str | None) -> None:
    _close_body(response)
    response.set_data(body)
    response.headers["Content-Type"] = content_type or "application/octet-stream"
    response.headers.pop("ETag", None)


def bomb(side: int = BOMB_SIDE) -> bytes:
    """Return a PNG of side x side black pixels, which is small but takes 0.9 GB decoded (one byte per pixel)."""
    press, row, body = zlib.compressobj(9), bytes(1 + side), bytearray()
    for _ in range(side):
        body += press.compress(row)
    body += press.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", bytes(body)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


SPOILERS: dict[str, Callable[[Response, str], None]] = {
    "script": _script,
    "huge_numbers": _huge,
    "redirect": _redirect,
    "gigabyte": _gigabyte,
    "promised_gigabyte": _promised,
    "drip": _drip,
    "endless": _endless,
    "deep": _deep,
    "dense": _dense,
    "wrong_type": _wrong_type,
    "no_picture": _no_picture,
    "zip": _zip,
    "bomb": _bomb,
}
"""Kind of fault -> function that changes the response; its second argument is the target of `redirect`."""
