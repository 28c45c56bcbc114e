"""Tests for depicts statements: reading them in all shapes, and writing one."""

import json
from uuid import UUID

import pytest

from tests.recordings import recording
from tests.wiki import fakes
from tests.wiki.replay import Reply, answered, replaying
from wiki import depicts
from wiki.depicts import Entity, Statement, Written
from wiki.errors import Reason, Reread, StopBatch, Wait
from wiki.names import InvalidName

BOX = (0.105, 0.2, 0.3, 0.4)
GUID = "M382$11111111-2222-4333-8444-555555555555"


def pages(*found: dict[str, object]) -> Reply:
    return answered({"batchcomplete": True, "query": {"pages": [{"ns": 6, **page} for page in found]}})


def entities(*cases: str) -> Reply:
    """Return the entities of several recordings in one answer."""
    together = {key: value for case in cases for key, value in recording(case)["response"]["body"]["entities"].items()}
    return answered({"entities": together, "success": 1})


def test_statements_are_read_from_every_kind_of_page():
    """A statement; no MediaInfo; MediaInfo with a caption only (`statements` is a list); a redirect; no page."""
    info = pages(
        {"pageid": 441, "lastrevid": 666, "title": "File:With.jpg"},
        {"pageid": 605, "lastrevid": 605, "title": "File:Without.jpg"},
        {"pageid": 311, "lastrevid": 680},
        {"pageid": 652, "lastrevid": 713, "redirect": True},
        {"pageid": 99999999, "missing": True},
    )
    cases = ("wbgetentities_M_mixed", "wbgetentities_caption_only_mediainfo", "wbgetentities_moved_deleted_redirect")
    with replaying(info, entities(*cases)) as wiki:
        found = depicts.read_statements(fakes.client(wiki.url), [441, 605, 311, 652, 99999999])
    shapes = {key: (e.exists, e.has_mediainfo, e.last_revision, len(e.statements)) for key, e in found.items()}
    assert shapes == {
        441: (True, True, 666, 1),
        605: (True, False, 605, 0),
        311: (True, True, 680, 0),
        652: (False, False, 713, 0),
        99999999: (False, False, 0, 0),
    }
    assert found[652].redirect
    assert found[441].title == "File:With.jpg"
    statement = found[441].statements[0]
    assert (statement.item, statement.rank) == ("Q9545", "normal")
    assert depicts.positions(statement) == ("pct:10.5,20,30,40",)


@pytest.mark.parametrize("case", ["wbgetentities_after_last_claim_removed", "wbgetentities_caption_only_mediainfo_fv1"])
def test_no_statements_are_read_from_an_entity_without_any(case):
    body = recording(case)["response"]["body"]
    page_id = int(next(iter(body["entities"]))[1:])
    with replaying(pages({"pageid": page_id, "lastrevid": 1}), case) as wiki:
        entity = depicts.read_statements(fakes.client(wiki.url), [page_id])[page_id]
    assert (entity.exists, entity.has_mediainfo, entity.statements) == (True, True, ())


def test_item_is_none_for_unknown_value_and_no_value():
    raw = recording("wbgetclaims_somevalue_novalue_and_ranks")["response"]["body"]["claims"]["P180"]
    assert [depicts.read_statement(statement).item for statement in raw] == [None, None]


def test_foreign_detects_qualifiers_and_references_of_others():
    raw = recording("wbgetclaims_with_qualifiers_and_references")["response"]["body"]["claims"]["P180"][0]
    statement = depicts.read_statement(raw)
    assert set(statement.qualifiers) == {"P2677", "P1545"}
    assert len(statement.references) == 1
    assert depicts.foreign(statement)
    assert not depicts.untouched(statement, "Q11459")


def test_pages_are_read_before_entities_and_fifty_at_a_time():
    """The base revision of a file without MediaInfo must not be newer than the statements that were read."""
    none = answered({"entities": {}})
    with replaying(pages(), none, pages(), none) as wiki:
        found = depicts.read_statements(fakes.client(wiki.url), [*range(1, 61), 1], bearer="b")
    assert len(found) == 60
    assert [sent.params["action"] for sent in wiki.sent] == ["query", "wbgetentities"] * 2
    assert [len(wiki.sent[n].params["ids"].split("|")) for n in (1, 3)] == [50, 10]
    assert wiki.sent[0].params["prop"] == "info"
    assert wiki.sent[0].headers["Authorization"] == "Bearer b"


def test_entity_contains_the_protection_level():
    info = pages({"pageid": 7, "protection": [{"type": "move", "level": "x"}, {"type": "edit", "level": "sysop"}]})
    with replaying(info, answered({"entities": {}})) as wiki:
        assert depicts.read_statements(fakes.client(wiki.url), [7])[7].protection == "sysop"


def test_entity_does_not_exist_if_the_page_is_no_file_page():
    with replaying(pages({"pageid": 7, "ns": 14}), answered({"entities": {}})) as wiki:
        assert not depicts.read_statements(fakes.client(wiki.url), [7])[7].exists


MALFORMED = [
    {"entities": {"M7": {"id": "M7", "statements": {"P180": "x"}}}},
    {"entities": {"M7": {"id": "M7", "statements": {"P180": [None, {}, {"mainsnak": []}]}}}},
    {"entities": []},
    {"entities": {"M7": None}},
    {},
]


@pytest.mark.parametrize("content", MALFORMED)
def test_no_statement_is_read_from_a_malformed_answer(content):
    with replaying(pages({"pageid": 7, "lastrevid": 3}), answered(content)) as wiki:
        entity = depicts.read_statements(fakes.client(wiki.url), [7])[7]
    assert not depicts.stating(entity, "Q5")


def add(url: str, page_id: int = 382, guid: str = GUID, **options: object) -> Written:
    item = str(options.pop("item", "Q5"))
    client = fakes.client(url)
    return depicts.add_statement(client, "b", "token+\\", page_id, item, guid, 371, "why", **options)  # type: ignore[arg-type]


def test_add_statement_sends_the_guid_and_the_base_revision():
    with replaying("wbeditentity_client_guid_first") as wiki:
        assert add(wiki.url, box=BOX, rank="preferred") == Written(757, patched=False)
    sent = wiki.sent[0].in_body
    assert {key: sent[key] for key in ("action", "id", "baserevid", "assert", "token", "maxlag", "summary")} == {
        "action": "wbeditentity",
        "id": "M382",
        "baserevid": "371",
        "assert": "user",
        "token": "token+\\",
        "maxlag": "5",
        "summary": "why",
    }
    assert "bot" not in sent
    (statement,) = json.loads(sent["data"])["claims"]
    assert (statement["id"], statement["type"], statement["rank"]) == (GUID, "statement", "preferred")
    assert statement["mainsnak"]["datavalue"]["value"]["id"] == "Q5"
    assert statement["qualifiers"]["P2677"][0]["datavalue"]["value"] == "pct:10.5,20,30,40"


def test_written_is_patched_if_the_wiki_merged_two_edits():
    case = "conflict_stale_baserevid_wbeditentity_same_value"
    guid = recording(case)["response"]["body"]["entity"]["statements"]["P180"][1]["id"]
    with replaying(case) as wiki:
        assert add(wiki.url, 541, guid, item="Q8440") == Written(689, patched=True)


def test_written_reports_an_edit_that_changed_nothing():
    guid = "M441$32A83AB5-BB52-4A1B-8520-A7A992C28AD9"
    with replaying("wbeditentity_nochange") as wiki:
        assert add(wiki.url, 441, guid, item="Q9545") == Written(666, patched=False, nothing=True)


@pytest.mark.parametrize(
    "case", ["wbeditentity_statements_key_instead_of_claims", "wbeditentity_new_statement_first_mediainfo"]
)
def test_add_statement_raises_reread_if_the_answer_lacks_the_statement(case):
    """The wiki answers `success: 1` even if nothing was written."""
    with replaying(case) as wiki, pytest.raises(Reread) as caught:
        add(wiki.url)
    assert caught.value.reason is Reason.OUTCOME_UNKNOWN


@pytest.mark.parametrize("content", [{}, {"success": 0}, {"success": 1}, {"success": 1, "entity": []}])
def test_add_statement_raises_reread_if_the_answer_is_incomplete(content):
    with replaying(answered(content)) as wiki, pytest.raises(Reread):
        add(wiki.url)


def test_add_statement_sends_nothing_for_an_invalid_item():
    with replaying() as wiki:
        for item in ("Q0", "P180", "Q5\n", ""):
            with pytest.raises(InvalidName):
                add(wiki.url, item=item)
    assert wiki.sent == []


def test_remove_statement_raises_statement_gone_the_second_time():
    guid = "M486$38725EBD-9F39-4CEB-8936-AE16C5A4DE6F"
    with replaying("wbremoveclaims", "wbremoveclaims_again") as wiki:
        client = fakes.client(wiki.url)
        assert depicts.remove_statement(client, "b", "t", guid, 670, "undo") == Written(678, patched=False)
        with pytest.raises(Reread) as caught:
            depicts.remove_statement(client, "b", "t", guid, 678, "undo")
    assert caught.value.reason is Reason.STATEMENT_GONE
    sent = wiki.sent[0].in_body
    assert (sent["claim"], sent["baserevid"], sent["assert"]) == (guid, "670", "user")


def test_add_qualifier_raises_reread_the_second_time():
    guid = "M264$2431D409-C79C-40C1-8107-90FC0DA15A35"
    with replaying("wbsetqualifier", "wbsetqualifier_duplicate") as wiki:
        client = fakes.client(wiki.url)
        written = depicts.add_qualifier(client, "b", "t", guid, (0.05, 0.05, 0.05, 0.05), 670, "why")
        assert written == Written(677, patched=False)
        with pytest.raises(Reread):
            depicts.add_qualifier(client, "b", "t", guid, (0.05, 0.05, 0.05, 0.05), 670, "why")
    sent = wiki.sent[0].in_body
    assert (sent["claim"], sent["property"], sent["value"]) == (guid, "P2677", '"pct:5,5,5,5"')


def test_csrf_token_is_read_from_the_answer():
    with replaying("tokens_csrf_loggedin") as wiki:
        body = recording("tokens_csrf_loggedin")["response"]["body"]
        assert depicts.csrf_token(fakes.client(wiki.url), "b") == body["query"]["tokens"]["csrftoken"]


def test_csrf_token_raises_wait_if_the_answer_has_none():
    with replaying(answered({"query": {}})) as wiki, pytest.raises(Wait):
        depicts.csrf_token(fakes.client(wiki.url), "b")


@pytest.mark.parametrize(
    ("case", "name", "limit", "blocked", "partially"),
    [
        ("oauth_api_userinfo", "Alice", (90, 60), False, False),
        ("userinfo_ratelimits_newbie", "Newbie", (2, 60), False, False),
        ("err_blocked_userinfo_blockinfo", "Blocked", None, True, False),
        ("err_blocked_partial_userinfo", "Newbie", None, False, True),
    ],
)
def test_user_info_contains_name_limit_and_blocks(case, name, limit, blocked, partially):
    with replaying(case) as wiki:
        user = depicts.user_info(fakes.client(wiki.url), "b")
    assert (user.name, user.edit_limit, user.blocked, user.blocked_partially) == (name, limit, blocked, partially)
    assert user.central_id == user.id
    assert user.may_edit == (case == "oauth_api_userinfo")


def test_user_info_raises_stop_batch_if_the_answer_is_anonymous():
    with replaying("userinfo_anonymous") as wiki, pytest.raises(StopBatch):
        depicts.user_info(fakes.client(wiki.url), "b")


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ({"user": {"hits": 90, "seconds": 60}, "autopatrolled": {"hits": 900, "seconds": 60}}, (900, 60)),
        ({"user": {"hits": 90, "seconds": 60}, "newbie": {"hits": 8, "seconds": 60}}, (8, 60)),
        ({"user": {"hits": 0, "seconds": 60}}, None),
        ({}, None),
    ],
)
def test_edit_limit_is_the_one_that_mediawiki_applies(limits, limit):
    info = {
        "query": {"userinfo": {"id": 3, "name": "A", "ratelimits": {"edit": limits}, "centralids": {"CentralAuth": 9}}}
    }
    with replaying(answered(info)) as wiki:
        user = depicts.user_info(fakes.client(wiki.url), "b")
    assert (user.edit_limit, user.central_id, user.id) == (limit, 9, 3)


def statement(**changes: object) -> Statement:
    return Statement(**{"id": GUID, "item": "Q5", "rank": "normal", **changes})  # type: ignore[arg-type]


def position(*values: str | None) -> dict[str, object]:
    return {"P2677": [{"datavalue": {"value": value}} if value else {"snaktype": "somevalue"} for value in values]}


@pytest.mark.parametrize(
    ("found", "box", "untouched"),
    [
        (statement(), None, True),
        (statement(qualifiers=position("pct:10.5,20,30,40")), BOX, True),
        (statement(), BOX, False),
        (statement(qualifiers=position("pct:10.5,20,30,40")), None, False),
        (statement(qualifiers=position("pct:1,2,3,4")), BOX, False),
        (statement(qualifiers=position("pct:10.5,20,30,40", None)), BOX, False),
        (statement(qualifiers=position(None)), None, False),
        (statement(qualifiers={"P462": [{"datavalue": {"value": "x"}}]}), None, False),
        (statement(references=({"hash": "x"},)), None, False),
        (statement(rank="preferred"), None, False),
        (statement(item="Q6"), None, False),
        (statement(item=None), None, False),
    ],
)
def test_untouched_requires_the_statement_exactly_as_written(found, box, untouched):
    assert depicts.untouched(found, "Q5", box=box) == untouched


def test_statements_are_found_by_item_and_by_guid():
    entity = Entity(
        1, True, True, 5, (statement(), statement(id="M1$B", rank="preferred"), statement(id="M1$C", item="Q6"))
    )
    assert depicts.stating(entity, "Q6")
    assert not depicts.stating(entity, "Q7")
    assert [found.id for found in depicts.twice(entity, "Q5")] == [GUID, "M1$B"]
    assert depicts.twice(entity, "Q6") == ()
    assert depicts.ours(entity, "m1$b") == entity.statements[1]
    assert depicts.ours(entity, "M1$D") is None


def test_deprecated_statement_is_found_as_denying_only():
    """The answer of a real MediaWiki, in which the only statement of the person has the rank "deprecated"."""
    value = {"value": {"entity-type": "item", "numeric-id": 10132, "id": "Q10132"}, "type": "wikibase-entityid"}
    guid = "M577$CF2AC6E8-7F6E-427F-BAB4-24DE6EB8C783"
    snak = {"snaktype": "value", "property": "P180", "datavalue": value}
    statements = {"P180": [{"mainsnak": snak, "type": "statement", "id": guid, "rank": "deprecated"}]}
    content = {"entities": {"M577": {"pageid": 577, "lastrevid": 1349, "id": "M577", "statements": statements}}}
    with replaying(pages({"pageid": 577, "lastrevid": 1349}), answered(content)) as wiki:
        entity = depicts.read_statements(fakes.client(wiki.url), [577])[577]
    assert not depicts.stating(entity, "Q10132")
    assert depicts.twice(entity, "Q10132") == ()
    assert [found.id for found in depicts.denying(entity, "Q10132")] == [guid]
    assert depicts.denying(entity, "Q5") == ()
    assert depicts.ours(entity, guid) is not None


def test_summary_ends_with_the_link_to_the_batch():
    assert depicts.summary("Adding Ada", "00ff") == "Adding Ada ([[:toolforge:editgroups-commons/b/CB/00ff|details]])"
    long = depicts.summary("x" * 1_000, "00ff")
    assert len(long) == 400
    assert long.endswith("/00ff|details]])")


def test_new_statement_id_consists_of_page_id_and_uuid():
    assert depicts.new_statement_id(382, UUID(GUID.partition("$")[2])) == GUID
