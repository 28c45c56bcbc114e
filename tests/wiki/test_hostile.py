"""Tests that any answer of the wiki gives a value or a WikiError, and no other exception."""

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings import recording
from tests.wiki import fakes
from wiki import commons, depicts, history, meaning, sparql, wikidata
from wiki.answers import Answer
from wiki.client import Client
from wiki.errors import WikiError

# Keys that the client reads, so that random content gets past its first checks.
KEY_NAMES = """
    query pages pageid ns title missing imageinfo sha1 url thumburl extmetadata value continue cmcontinue categoryinfo
    categorymembers search entities M5 Q5 id statements claims P180 P31 P18 mainsnak datavalue time precision qualifiers
    references rank lastrevid error errors code messages name data userinfo ratelimits edit hits seconds tokens csrftoken
    normalized redirects from to revisions protection labels en size files
"""
KEYS = st.sampled_from(KEY_NAMES.split())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(
        ["", "5", "Q5", "M5", "File:A.jpg", "Category:A", "normal", "preferred", "+2000-00-00T00:00:00Z", "x" * 500]
    )
    | st.text(max_size=8)
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=6)


class ConstantClient(Client):
    """A client that gets the same answer to every request."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(fakes.endpoints("http://127.0.0.1:9"), "WikiVisage/test", fakes.Time())
        self.content = content

    def get(self, *_: object, **__: object) -> dict[str, Any]:
        return self.content

    post = get


GUID = "M382$11111111-2222-4333-8444-555555555555"
PATCHED = "M541$B11C789D-F1AB-4FE7-A005-DB077FDE11AD"
Path = tuple[str | int, ...]


def _read_and_compare(client: Client) -> None:
    (page_id,) = (
        int(key[1:]) for key in recording("wbgetentities_qualifiers_reference_full")["response"]["body"]["entities"]
    )
    entity = depicts.read_statements(client, [page_id])[page_id]
    for statement in entity.statements:
        depicts.untouched(statement, "Q5", box=(0.1, 0.1, 0.1, 0.1))
        depicts.ours(entity, statement.id)
        hash(statement)


READERS: list[Callable[[Client], object]] = [
    lambda client: commons.image_info(client, [5]),
    lambda client: commons.resolve_titles(client, ["A.jpg"]),
    lambda client: commons.category_info(client, ["A"]),
    lambda client: commons.category_tree(client, "A", 2, max_categories=5),
    lambda client: list(commons.walk(client, commons.start(["A"]), 2, max_categories=5)),
    lambda client: list(commons.search(client, "a")),
    lambda client: commons.count(client, "a"),
    lambda client: wikidata.person(client, "Q5", ["en"]),
    lambda client: wikidata.labels(client, ["Q5"], ["en"]),
    lambda client: wikidata.search(client, "a", "en"),
    lambda client: depicts.read_statements(client, [5]),
    lambda client: depicts.user_info(client, "b"),
    lambda client: depicts.csrf_token(client, "b"),
    lambda client: depicts.add_statement(client, "b", "t", 5, "Q5", "M5$X", 1, "s"),
    lambda client: depicts.remove_statement(client, "b", "t", "M5$X", 1, "s"),
    lambda client: depicts.add_qualifier(client, "b", "t", "M5$X", (0.1, 0.1, 0.1, 0.1), 1, "s"),
    lambda client: history.written_since(client, 5, 1, "A", "00ff"),
    lambda client: sparql.files_depicting_by_search(client, "Q5"),
]


ODD_VALUES: tuple[object, ...] = (None, "", "x" * 300, True, -1, 2**70, 0.5, [], {}, [None], {"value": []})

# Recordings and the functions that read them; each part of an answer is replaced by each odd value in turn.
RECORDED: list[tuple[str, Callable[[Client], object]]] = [
    ("imageinfo_by_pageids", lambda client: commons.image_info(client, [328, 652, 141, 620])),
    ("imageinfo_extmetadata", lambda client: commons.image_info(client, [149])),
    (
        "imageinfo_mixed_states_redirects_resolved",
        lambda client: commons.resolve_titles(client, ["Hand made redirect.jpg"]),
    ),
    ("categoryinfo", lambda client: commons.category_info(client, ["Testival 2026"])),
    ("categoryinfo", lambda client: commons.category_tree(client, "Testival 2026", 1)),
    ("categorymembers_loop", lambda client: list(commons.walk(client, commons.start(["A"]), 3))),
    ("search_files_incategory", lambda client: next(commons.search(client, "a"))),
    ("wbgetentities_person_items_P18_P31_P373", lambda client: wikidata.person(client, "Q9545", ["en"])),
    ("wbgetentities_redirected_item", lambda client: wikidata.person(client, "Q200000000", ["en"])),
    ("wbsearchentities", lambda client: wikidata.search(client, "Tony", "en")),
    ("wbgetentities_qualifiers_reference_full", _read_and_compare),
    ("wbgetentities_caption_only_mediainfo", lambda client: depicts.read_statements(client, [311])),
    ("userinfo_loggedin", lambda client: depicts.user_info(client, "b")),
    ("err_blocked_userinfo_blockinfo", lambda client: depicts.user_info(client, "b")),
    ("tokens_csrf_loggedin", lambda client: depicts.csrf_token(client, "b")),
    ("wbeditentity_client_guid_first", lambda client: depicts.add_statement(client, "b", "t", 382, "Q5", GUID, 1, "s")),
    (
        "conflict_stale_baserevid_wbeditentity_same_value",
        lambda client: depicts.add_statement(client, "b", "t", 541, "Q8440", PATCHED, 1, "s"),
    ),
    ("wbremoveclaims", lambda client: depicts.remove_statement(client, "b", "t", "M486$X", 1, "s")),
    (
        "wbsetqualifier",
        lambda client: depicts.add_qualifier(client, "b", "t", "M264$X", (0.05, 0.05, 0.05, 0.05), 1, "s"),
    ),
]


@pytest.mark.parametrize(("case", "reader"), RECORDED, ids=[case for case, _ in RECORDED])
def test_recorded_answer_with_any_part_replaced_gives_a_value_or_a_wiki_error(case, reader):
    whole = recording(case)["response"]["body"]
    client = ConstantClient(whole)
    reader(client)
    for path in paths(whole):
        for odd in ODD_VALUES:
            client.content = replaced(whole, path, odd)
            with contextlib.suppress(WikiError):
                reader(client)


def paths(value: object, above: Path = ()) -> Iterator[Path]:
    """Yield the path of every part of the value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*above, key)
        yield from paths(part, (*above, key))


def replaced(value: Any, path: Path, odd: object) -> Any:
    """Return a copy of the value with another part at the path."""
    if not path:
        return odd
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], odd)
    return changed


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=15, deadline=None)
@given(content=OBJECTS)
def test_random_content_gives_a_value_or_a_wiki_error(reader, content):
    with contextlib.suppress(WikiError):
        reader(ConstantClient(content))


@settings(max_examples=100, deadline=None)
@given(status=st.sampled_from([200, 301, 400, 401, 403, 404, 429, 500, 503]), content=JSON, header=st.text(max_size=20))
def test_any_answer_gives_an_object_or_a_wiki_error(status, content, header):
    body = json.dumps(content).encode()
    answer = Answer(status, {"MediaWiki-API-Error": header, "Retry-After": header}, body)
    for write in (False, True):
        with contextlib.suppress(WikiError):
            assert isinstance(meaning.read(answer, write=write, action="wbeditentity"), dict)


@given(body=st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_wiki_error(body):
    answer = Answer(200, {}, body)
    with contextlib.suppress(WikiError):
        assert isinstance(meaning.read(answer), dict)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'{"title": "a\ud83db"}', "a?b"),
        (rb'{"title": "\uDC00"}', "?"),
        (b'{"title": "a\xed\xa0\x80"}', "a?"),
        (rb'{"title": "\ud83d\ude00"}', "\U0001f600"),
    ],
)
def test_half_a_surrogate_pair_is_replaced(body, text):
    assert Answer(200, {}, body).json_object() == {"title": text}
