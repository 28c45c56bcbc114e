"""Reduce recordings to the relevant parts: method, address and parameters of the request; status, headers and body."""

import json
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

HEADERS = ("Content-Type", "Location", "MediaWiki-API-Error", "Retry-After", "X-Database-Lag")
LONGEST_PAGE = 200
"""Letters of an HTML page that are kept: only that it is one decides."""
SHORTENED = {
    "categorymembers_limit_501_anonymous",
    "generator_categorymembers_imageinfo_page1",
    "generator_categorymembers_imageinfo_page2",
    "generator_categorymembers_imageinfo_page3",
    "generator_categorymembers_imageinfo_page4",
    "generator_categorymembers_imageinfo_without_thumbs",
    "generator_categorymembers_limit50",
    "imageinfo_batch_50_titles",
}
"""Answers with long lists, of which the copy keeps the first entries of each form."""
ENTRIES_OF_A_FORM = 8


def reduced(case: str, original: str) -> dict[str, Any]:
    """Return the copy of a recording."""
    given = json.loads(original)
    asked, answered = given["request"], given["response"]
    request = {"method": asked["method"], "url": _without_host(asked["url"]), "params": asked.get("params")}
    response = {
        "status": answered["status"],
        "headers": _that_matter(answered["headers"]),
        "body": without_tokens(answered["body"]),
    }
    if answered["body"] is None:
        response["body_text"] = (answered.get("body_text") or "")[:LONGEST_PAGE]
    if case in SHORTENED:
        _shorten(response["body"]["query"])
    return {"recorded_at": given["recorded_at"], "note": given["note"], "request": request, "response": response}


def without_tokens(value: Any) -> Any:
    """Return a body in which tokens that the recorder left are replaced too: they expired long ago, but look real."""
    if isinstance(value, dict):
        return {name: _hidden(name, one) for name, one in value.items()}
    return [without_tokens(one) for one in value] if isinstance(value, list) else value


def _hidden(name: str, value: Any) -> Any:
    long = name.endswith("token") and isinstance(value, str) and len(value) > len("REDACTED")
    return "REDACTED" if long else without_tokens(value)


def written(copy: dict[str, Any]) -> str:
    """Return the text of the file, with a line for each part, so that differences are visible."""
    parts = []
    for name, value in copy.items():
        if isinstance(value, dict):
            inner = ",\n".join(f"  {_text(key)}: {_text(one)}" for key, one in value.items())
            parts.append(f" {_text(name)}: {{\n{inner}\n }}")
        else:
            parts.append(f" {_text(name)}: {_text(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _without_host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _that_matter(headers: dict[str, str]) -> dict[str, str]:
    wanted = {name.lower(): name for name in HEADERS}
    return {wanted[name.lower()]: value for name, value in headers.items() if name.lower() in wanted}


def _shorten(query: dict[str, Any]) -> None:
    for name in {"pages", "categorymembers"} & set(query):
        seen: Counter[frozenset[str]] = Counter()
        kept = []
        for entry in query[name]:
            form = frozenset(entry)
            seen[form] += 1
            kept += [entry] if seen[form] <= ENTRIES_OF_A_FORM else []
        query[name] = kept
