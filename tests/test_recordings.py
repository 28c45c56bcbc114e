"""The copies of recordings in the repository are complete, small, and agree with the originals."""

import json
from typing import Any

from tests.recordings import COPIES, ORIGINALS, named, needs_originals, recording
from tests.recordings.reduction import HEADERS, SHORTENED, reduced, without_tokens, written
from tests.sandbox.recordings import walk

LARGEST_FOLDER = 1_500_000
SECRET = ("token", "secret")


def original(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ORIGINALS / f"{case}.json").read_text(encoding="utf-8"))
    return found


def test_copies_are_small():
    assert sum(path.stat().st_size for path in named(COPIES).values()) < LARGEST_FOLDER


def test_copies_contain_no_token():
    """Real tokens are long; tokens in the copies are REDACTED, that of an anonymous user, or invented."""
    for case in named(COPIES):
        copy = recording(case)
        sent = {name: value for name, value in (copy["request"]["params"] or {}).items() if name.endswith(SECRET)}
        given = {name: value for part in walk(copy["response"]["body"]) for name, value in part.items()}
        tokens = [str(value) for name, value in {**given, **sent}.items() if name.endswith(SECRET)]
        assert all(len(token) <= len("REDACTED") for token in tokens), case


@needs_originals
def test_each_copy_equals_the_reduction_of_its_original():
    """If this fails: python -m tests.recordings."""
    for case, path in named(COPIES).items():
        whole = (ORIGINALS / f"{case}.json").read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == written(reduced(case, whole)), case


@needs_originals
def test_reduction_keeps_all_relevant_parts():
    for case in named(COPIES):
        copy, whole = recording(case), original(case)
        assert copy["request"]["method"] == whole["request"]["method"], case
        assert copy["request"]["params"] == whole["request"]["params"], case
        assert whole["request"]["url"].endswith(copy["request"]["url"]), case
        assert copy["response"]["status"] == whole["response"]["status"], case
        matter = {name.lower() for name in HEADERS}
        theirs = {name.lower(): value for name, value in whole["response"]["headers"].items() if name.lower() in matter}
        assert {name.lower(): value for name, value in copy["response"]["headers"].items()} == theirs, case
        if case not in SHORTENED:
            assert copy["response"]["body"] == without_tokens(whole["response"]["body"]), case


@needs_originals
def test_shortened_list_has_entries_of_each_form():
    for case in SHORTENED:
        copy, whole = recording(case)["response"]["body"], original(case)["response"]["body"]
        assert copy | {"query": {}} == whole | {"query": {}}, case
        for name, listed in whole["query"].items():
            kept = copy["query"][name]
            assert {frozenset(entry) for entry in kept} == {frozenset(entry) for entry in listed}, case
            assert all(entry in listed for entry in kept), case
