"""An HTTP answer as bytes, and careful reading of JSON that may not be what was promised."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

JsonObject = dict[str, Any]

_HALVES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")  # of surrogate pairs, written out or as they are
LARGEST_ID = 2**32 - 1  # page ids of MediaWiki are unsigned 32-bit integers


@dataclass(frozen=True)
class Answer:
    """`headers` ignores case; `body` is decoded from gzip and complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def json_object(self) -> JsonObject | None:
        """The body as a JSON object; None when it is anything else. Half a surrogate pair, which no database takes, is a "?"."""
        try:
            value = json.loads(self.body, parse_constant=_no_constant)
            if _HALVES.search(self.body):
                value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def retry_after(self) -> float | None:
        """`Retry-After` in seconds, given as a number or as a date (held against the answer's own clock)."""
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
    """The object at a path of keys; empty where there is none (also where the wiki sends [] for an empty object)."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(value: object, key: str) -> list[JsonObject]:
    """The objects in the list at `key`; an object of objects gives its values."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, dict):
        found = list(found.values())
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def text(value: object, key: str, longest: int = 10_000) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found[:longest] if isinstance(found, str) else ""


def number(value: object, key: str, highest: float = LARGEST_ID) -> int:
    """The whole number at `key`; 0 where there is none, or none that can be meant."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 20:
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return 0
    return int(found) if 0 <= found <= highest else 0
