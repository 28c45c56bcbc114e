"""Tests for captions of files, which are read in the same request as the statements and may have any shape."""

import json
from typing import Any

import pytest

from tests.recordings import recording
from tests.wiki import fakes
from tests.wiki.replay import answered, replaying
from wiki import depicts
from wiki.captions import LONGEST, read_captions
from wiki.depicts import Entity

STATED = "M7$11111111-2222-4333-8444-555555555555"
STATEMENT = {"id": STATED, "mainsnak": {"datavalue": {"value": {"id": "Q42"}}}}


def read(entities: dict[str, Any]) -> dict[int, Entity]:
    ids = [int(key[1:]) for key in entities]
    pages = [{"pageid": page_id, "ns": 6, "lastrevid": 1} for page_id in ids]
    info = answered({"batchcomplete": True, "query": {"pages": pages}})
    with replaying(info, answered({"entities": entities, "success": 1})) as wiki:
        found = depicts.read_statements(fakes.client(wiki.url), ids)
    assert [sent.params["action"] for sent in wiki.sent] == ["query", "wbgetentities"]
    assert wiki.sent[1].params["props"] == "info|claims|labels"
    return found


def test_captions_are_read_from_recorded_entities():
    """A caption without a statement; a statement without a caption; no MediaInfo at all."""
    cases = ("wbgetentities_caption_only_mediainfo", "wbgetentities_M_mixed")
    together = {key: value for case in cases for key, value in recording(case)["response"]["body"]["entities"].items()}
    found = read(together)
    assert {page: (entity.captions, len(entity.statements)) for page, entity in found.items()} == {
        311: ({"en": "A portrait"}, 0),
        441: ({}, 1),
        605: ({}, 0),
        99999999: ({}, 0),
    }


def test_captions_are_read_from_format_version_1():
    entities = recording("wbgetentities_caption_only_mediainfo_fv1")["response"]["body"]["entities"]
    assert read(entities)[311].captions == {"en": "A portrait"}


@pytest.mark.parametrize("nothing", [[], {}, None, "x", 5, [{"language": "en", "value": "A portrait"}]])
def test_statements_are_read_if_labels_are_not_an_object(nothing):
    entity = read({"M7": {"id": "M7", "labels": nothing, "statements": {"P180": [STATEMENT]}}})[7]
    assert (entity.captions, bool(depicts.stating(entity, "Q42"))) == ({}, True)


HOSTILE: dict[str, tuple[object, str | None]] = {
    "markup": ({"value": "<script>alert(1)</script> {{x}}"}, "<script>alert(1)</script> {{x}}"),
    "100 kB": ({"value": "x" * 100_000}, "x" * LONGEST),
    "letters of four bytes": ({"value": "𝕏" * 300}, "𝕏" * LONGEST),
    "control characters": ({"value": "\x00a\x1b[31m\r\nb\x7f\u0085\u2028c\t"}, "a [31m b c"),
    "half a surrogate pair": ({"value": "a\ud800b"}, "a?b"),
    "only control characters": ({"value": " \x00\n "}, None),
    "list": ([], None),
    "number": ({"value": 5}, None),
    "nested": ({"value": {"value": "x"}}, None),
    "null": (None, None),
    "no value": ({"language": "en"}, None),
}


@pytest.mark.parametrize(("sent", "kept"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_caption_is_cleaned_or_skipped(sent, kept):
    """Other captions and the statements are read all the same, and the text that remains can be stored."""
    labels = {"en": sent, "nb": {"language": "nb", "value": "Et portrett"}}
    entity = read({"M7": {"id": "M7", "labels": labels, "statements": {"P180": [STATEMENT]}}})[7]
    assert entity.captions == {"nb": "Et portrett"} | ({"en": kept} if kept else {})
    assert depicts.stating(entity, "Q42")
    json.dumps(dict(entity.captions), ensure_ascii=False).encode()


@pytest.mark.parametrize("language", ["nb", "en-gb", "zh-hant", "be-x-old", "roa-tara", "de-formal", "mul"])
def test_language_codes_of_wikis_are_accepted(language):
    assert read_captions({"labels": {language: {"value": "x"}}}) == {language: "x"}


@pytest.mark.parametrize(
    "language", ["", "EN", 'en" onclick="x', "en_GB", "x", "en-", "e" * 300, "en" + "-a" * 9, "٣٣"]
)
def test_invalid_language_codes_are_skipped(language):
    assert read_captions({"labels": {language: {"value": "x"}}}) == {}
