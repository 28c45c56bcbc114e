"""The copies of recordings in the repository: complete, small, and saying what the originals say."""

import json
from typing import Any

import pytest

from tests.recordings import COPIES, ORIGINALS, named, needs_originals, recording
from tests.recordings.reduction import HEADERS, SHORTENED, reduced, written

LARGEST_FOLDER = 1_500_000


def original(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ORIGINALS / f"{case}.json").read_text(encoding="utf-8"))
    return found


def test_the_copies_stay_small():
    assert sum(path.stat().st_size for path in named(COPIES).values()) < LARGEST_FOLDER


def test_no_token_was_copied():
    """Only the token of somebody who is not signed in, and those that a case makes up, are written out."""
    for case in named(COPIES):
        params = recording(case)["request"]["params"] or {}
        tokens = {value for name, value in params.items() if name.endswith(("token", "secret"))}
        assert tokens <= {"REDACTED", "+\\", "x+\\"}, case


@needs_originals
def test_each_copy_is_what_the_reduction_makes_of_its_original():
    """If not: python -m tests.recordings."""
    for case, path in named(COPIES).items():
        whole = (ORIGINALS / f"{case}.json").read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == written(reduced(case, whole)), case


@needs_originals
def test_the_reduction_leaves_out_nothing_that_decides():
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
            assert copy["response"]["body"] == whole["response"]["body"], case


@needs_originals
@pytest.mark.parametrize("case", sorted(SHORTENED))
def test_a_shortened_list_has_entries_of_each_form(case: str):
    copy, whole = recording(case)["response"]["body"], original(case)["response"]["body"]
    assert copy | {"query": {}} == whole | {"query": {}}
    for name, listed in whole["query"].items():
        kept = copy["query"][name]
        assert {frozenset(entry) for entry in kept} == {frozenset(entry) for entry in listed}
        assert all(entry in listed for entry in kept)
