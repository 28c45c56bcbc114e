"""Tests for reading Wikidata, and for finding files that depict an item."""

from datetime import date

import pytest

from tests.wiki import fakes
from tests.wiki.replay import answered, page, replaying
from wiki import sparql, wikidata
from wiki.errors import EndpointRefuses, NoSuchItem, Reason, Wait
from wiki.names import InvalidName
from wiki.sparql import Depicting
from wiki.wikidata import PartialDate


def value(content: object, rank: str = "normal") -> dict[str, object]:
    return {"rank": rank, "mainsnak": {"snaktype": "value", "datavalue": {"value": content}}}


def unknown(rank: str = "normal") -> dict[str, object]:
    return {"rank": rank, "mainsnak": {"snaktype": "somevalue"}}


def person_of(claims: dict[str, object], **more: object) -> wikidata.Person:
    entity = {"id": "Q42", "type": "item", "claims": claims, **more}
    with replaying(answered({"entities": {"Q42": entity}})) as wiki:
        return wikidata.person(fakes.client(wiki.url), "Q42", ["nb", "en"])


def test_person_is_read_from_a_recorded_item():
    with replaying("wbgetentities_person_items_P18_P31_P373") as wiki:
        found = wikidata.person(fakes.client(wiki.url), "Q9545", ["nb", "en"])
    assert (found.item, found.label, found.description) == ("Q9545", "Tony Blair", "Prime Minister of the UK")
    assert (found.is_human, found.redirected_to, found.born) == (True, "", None)
    assert (found.portrait, found.commons_category) == ("File:Face Tony Blair 0001.jpg", "Category:Tony Blair")
    assert wiki.sent[0].path == "/wikidata/w/api.php"
    assert wiki.sent[0].params["languages"] == "nb|en|mul"


def test_person_of_a_merged_item_is_the_item_it_was_merged_into():
    with replaying("wbgetentities_redirected_item") as wiki:
        found = wikidata.person(fakes.client(wiki.url), "Q200000000", ["en"])
    assert (found.item, found.redirected_to, found.label) == ("Q9545", "Q9545", "Tony Blair")


@pytest.mark.parametrize("entity", [{"id": "Q42", "missing": ""}, {}, {"id": "<b>"}])
def test_person_raises_no_such_item_if_the_item_is_missing(entity):
    with replaying(answered({"entities": {"Q42": entity}})) as wiki, pytest.raises(NoSuchItem):
        wikidata.person(fakes.client(wiki.url), "Q42", ["en"])


@pytest.mark.parametrize("qid", ["", "42", "P31", "Q0", "Q1|Q2"])
def test_no_request_is_sent_for_an_invalid_item_id(qid):
    with replaying() as wiki, pytest.raises(NoSuchItem):
        wikidata.person(fakes.client(wiki.url), qid, ["en"])
    assert wiki.sent == []


def test_portrait_is_the_one_of_preferred_rank():
    found = person_of({"P18": [value("Child.jpg"), value("Bad.jpg", "deprecated"), value("Adult.jpg", "preferred")]})
    assert found.portrait == "File:Adult.jpg"


@pytest.mark.parametrize(
    "claims", [{"P18": [unknown("preferred"), value("A.jpg")]}, {"P18": [value("a|b"), value("A.jpg")]}]
)
def test_portrait_without_a_valid_value_is_skipped(claims):
    assert person_of(claims).portrait == "File:A.jpg"


@pytest.mark.parametrize(
    "claims", [{}, [], {"P18": [unknown()]}, {"P18": "x", "P31": [value([])], "P569": [unknown()]}]
)
def test_person_is_empty_if_nothing_is_known(claims):
    found = person_of(claims)
    assert (found.portrait, found.commons_category, found.is_human, found.born) == ("", "", False, None)


def test_is_human_requires_a_statement_that_is_not_deprecated():
    assert not person_of({"P31": [value({"id": "Q95074"})]}).is_human
    assert not person_of({"P31": [value({"id": "Q5"}, "deprecated")]}).is_human
    assert person_of({"P31": [value({"id": "Q95074"}), value({"id": "Q5"})]}).is_human


def test_label_falls_back_to_mul():
    labels = {"mul": {"value": "Ada"}, "de": {"value": "Die Ada"}}
    assert person_of({}, labels=labels).label == "Ada"


@pytest.mark.parametrize(
    ("time", "precision", "earliest", "latest"),
    [
        ("+1952-03-11T00:00:00Z", 11, date(1952, 3, 11), date(1952, 3, 11)),
        ("+2008-02-00T00:00:00Z", 10, date(2008, 2, 1), date(2008, 2, 29)),
        ("+2008-00-00T00:00:00Z", 9, date(2008, 1, 1), date(2008, 12, 31)),
        ("+1980-00-00T00:00:00Z", 8, date(1980, 1, 1), date(1989, 12, 31)),
        ("+1901-00-00T00:00:00Z", 7, date(1901, 1, 1), date(2000, 12, 31)),
        ("-0043-03-15T00:00:00Z", 11, date(1, 1, 1), date(1, 1, 1)),
        ("+2008-13-45T00:00:00Z", 11, date(2008, 1, 1), date(2008, 1, 1)),
        ("+9999-00-00T00:00:00Z", 6, date(9999, 1, 1), date(9999, 12, 31)),
        ("nonsense", 11, date(1, 1, 1), date(1, 1, 1)),
    ],
)
def test_partial_date_has_its_precision_and_its_earliest_and_latest_day(time, precision, earliest, latest):
    found = person_of({"P569": [value({"time": time, "precision": precision})]}).born
    assert found == PartialDate(time, precision)
    assert (found.earliest, found.latest) == (earliest, latest)


def test_labels_are_requested_once_for_each_valid_item():
    with replaying("wbgetentities_redirected_item") as wiki:
        found = wikidata.labels(fakes.client(wiki.url), ["Q9545", "nonsense", "Q9545"], ["en"])
    assert found == {"Q9545": {"en": "Tony Blair"}}
    assert wiki.sent[0].params["ids"] == "Q9545"


def test_search_returns_items():
    with replaying("wbsearchentities", "wbsearchentities_nothing") as wiki:
        client = fakes.client(wiki.url)
        (hit,) = wikidata.search(client, "Tony", "en")
        assert wikidata.search(client, "zzz", "en") == []
    assert (hit.item, hit.label, hit.description) == ("Q9545", "Tony Blair", "Prime Minister of the UK")


def rows(*page_ids: int):
    bindings = [{"file": {"type": "uri", "value": f"https://commons.wikimedia.org/entity/M{n}"}} for n in page_ids]
    return answered({"head": {"vars": ["file"]}, "results": {"bindings": bindings}})


def test_depicting_uses_the_query_service():
    with replaying(rows(5, 7, 5)) as wiki:
        assert sparql.depicting(fakes.client(wiki.url), "Q42") == Depicting((5, 7), "sparql")
    query = wiki.sent[0].params["query"]
    assert "?statement ps:P180 wd:Q42" in query
    assert "wdt:" not in query
    assert "LIMIT 1000" in query
    assert wiki.sent[0].headers["Accept"] == "application/sparql-results+json"


def test_category_is_quoted_in_the_query():
    with replaying(rows(5)) as wiki:
        sparql.files_depicting(fakes.client(wiki.url), "Q42", 'A "b" c', limit=10)
    assert '"Category:A \\"b\\" c"' in wiki.sent[0].params["query"]


@pytest.mark.parametrize("item", ["Q0", "wd:Q1", "Q1 . ?a ?b ?c"])
def test_invalid_item_is_rejected_before_a_query(item):
    with replaying() as wiki, pytest.raises(InvalidName):
        sparql.files_depicting(fakes.client(wiki.url), item)
    assert wiki.sent == []


REFUSALS = [
    page(302, Location="https://commons-query.wikimedia.org/oauth/check_login"),
    page(307, Location="/login"),
    page(401),
    page(403),
    page(404),
    page(400),
    page(200),
    answered({"results": {}}),
    answered([]),
]


@pytest.mark.parametrize("reply", REFUSALS)
def test_files_depicting_raises_endpoint_refuses_if_the_service_refuses(reply):
    with replaying(reply) as wiki, pytest.raises(EndpointRefuses) as caught:
        sparql.files_depicting(fakes.client(wiki.url), "Q42")
    assert caught.value.reason is Reason.LOGIN_WANTED
    assert len(wiki.sent) == 1


@pytest.mark.parametrize("reply", [*REFUSALS, page(500), page(429)])
def test_depicting_falls_back_to_the_search(reply):
    found = answered({"query": {"search": [{"pageid": 5, "title": "File:A.jpg"}]}})
    with replaying(reply, found) as wiki:
        client = fakes.client(wiki.url)
        assert sparql.depicting(client, "Q42", "A b") == Depicting((5,), "search")
    assert wiki.sent[1].params["srsearch"] == 'haswbstatement:P180=Q42 incategory:"A b"'


@pytest.mark.parametrize("reply", [page(500), page(503, Retry_After="9"), page(429)])
def test_files_depicting_raises_wait_if_the_service_is_busy(reply):
    with replaying(reply) as wiki, pytest.raises(Wait):
        sparql.files_depicting(fakes.client(wiki.url), "Q42")
    assert len(wiki.sent) == 1, "an expensive query is not retried"
