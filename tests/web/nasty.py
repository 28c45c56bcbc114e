"""Malicious and unusual values for names and request bodies."""

from typing import Any

from hypothesis import strategies as st

MARK = "<x-fuzz>"
NAMES = (
    f"{MARK}\"'`",
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=`owned`">',
    "javascript:document.title='owned'",
    "'; DROP TABLE users; -- \\",
    "%s %(name)s %d {0} {name} {{ 'x' * 9 }} {% raw %} ${7*7} #{7}",
    "‮evil‬⁧bidi⁩‏",
    "👩🏽‍🚀🏳️‍🌈 Ünïcødé ﷽",
    "é" * 127,
    "𝕏" * 63,
    "a" * 255,
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "\x00\x01\x1f\x7f",
    "‐﻿​invisible",
    "..%2f..%2fetc/passwd\r\nSet-Cookie: a=b",
)

numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**300]), st.floats()
)
texts = st.one_of(st.sampled_from(NAMES), st.text(max_size=300), numbers.map(str), st.just(""), st.just("9" * 5000))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
json: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
ARGUMENTS = (
    "after", "before", "edits", "face", "file", "have", "item", "kind", "next", "page", "part", "q", "show", "sort", "v",
    "state", "code", "error", "language", "theme",
)  # fmt: skip
FIELDS = (
    "all", "answer", "box", "budget", "client_id", "confirm", "confirmed", "count", "edits", "face", "faces", "forced",
    "height", "item", "label", "language", "left", "name", "next", "on", "page", "pages", "position", "reason", "replaces",
    "role", "run", "seen", "sha1", "show", "status", "step", "steps", "theme", "threshold", "top", "width",
)  # fmt: skip
queries = st.dictionaries(st.sampled_from(ARGUMENTS), texts, max_size=3)


@st.composite
def mutated(draw: st.DrawFn, body: dict[str, Any]) -> Any:
    """Return a valid body with some values replaced at any depth; sometimes something entirely different."""
    if draw(st.integers(0, 9)) == 0:
        return draw(json)
    out = _mutated(draw, body)
    if draw(st.booleans()):
        out[draw(st.sampled_from(FIELDS))] = draw(json)
    return out


def _mutated(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mutated(draw, inner) for key, inner in value.items() if draw(st.integers(0, 7))}
    if isinstance(value, list):
        return [_mutated(draw, inner) for inner in value]
    return draw(json) if draw(st.integers(0, 2)) == 0 else value


@st.composite
def forms(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """Return the same body as a form sends it: texts, and fields that occur several times."""
    out = {name: str(value) if draw(st.integers(0, 2)) else draw(texts) for name, value in body.items()}
    more = st.dictionaries(st.sampled_from(FIELDS), st.one_of(texts, st.lists(texts, max_size=3)), max_size=3)
    return out | draw(more)
