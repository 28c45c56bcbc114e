"""HTTP answers as bytes, and functions to read JSON whose shape cannot be relied on."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

JsonObject = dict[str, Any]

_SURROGATES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # as escape sequences or as bytes
LARGEST_ID = 2**32 - 1  # page ids of MediaWiki are unsigned 32-bit integers


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. `headers`: ignores case; `body`: complete, and decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def json_object(self) -> JsonObject | None:
        """Return the body as a JSON object; None if it is anything else.

        Half a surrogate pair becomes "?", because no database accepts it.
        """
        try:
            value = json.loads(self.body, parse_constant=_no_constant)
            if _SURROGATES.search(self.body):
                value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def retry_after(self) -> float | None:
        """Return `Retry-After` in seconds, also from a date (relative to the answer's own date); None without one."""
        value = self.headers.get("Retry-After", "").strip()
        if not value:
            return None
        if value.isascii() and value.isdigit():
            return float(value[:9])
        until = _http_date(value)
        if until is None:
            return None
        now = _http_date(self.headers.get("Date", "")) or datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def inner(value: object, *keys: str) -> JsonObject:
    """Return the object at a path of keys; empty if there is none (the wiki also sends [] for an empty object)."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(value: object, key: str) -> list[JsonObject]:
    """Return the objects in the list at `key`, or the values of an object of objects."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, dict):
        found = list(found.values())
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def text(value: object, key: str, longest: int = 10_000) -> str:
    """Return the text at `key`, cut to `longest` characters; empty if there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found[:longest] if isinstance(found, str) else ""


def number(value: object, key: str, highest: float = LARGEST_ID) -> int:
    """Return the whole number at `key`, also from digits in a text; 0 if there is none from 0 to `highest`."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 20:
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return 0
    return int(found) if 0 <= found <= highest else 0
