"""Tests for names and ids: items, titles, entities, statements, boxes, batches."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiki import names
from wiki.names import InvalidName


@pytest.mark.parametrize(
    "typed",
    [
        "Q42",
        "q42",
        "  Q42\n",
        "https://www.wikidata.org/wiki/Q42",
        "http://www.wikidata.org/entity/Q42",
        "https://m.wikidata.org/wiki/Q42#P18",
        "https://www.wikidata.org/wiki/Q42?uselang=nb",
        "https://www.wikidata.org/wiki/Q42?utm_source=commons.wikimedia.org#/media/File:A.jpg",
        "https://www.wikidata.org/wiki/%5142",
        "//www.wikidata.org/wiki/q42",
        "https://www.wikidata.org/w/index.php?title=Q42&action=history",
        "https://www.wikidata.org/wiki/Special:EntityPage/Q42",
        "https://www.wikidata.org/wiki/Special:EntityData/Q42.json?flavor=simple",
        "https://www.wikidata.beta.wmcloud.org/wiki/Q42",
        "https://wikidata.example/wiki/Q42?x#y",
        "d:Q42",
        "wikidata:q42",
        "\u200eQ42\u200f",
    ],
)
def test_item_id_is_parsed_from_ids_and_links(typed):
    assert names.item_id(typed, ["https://wikidata.example/wiki"]) == "Q42"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "42",
        "Q",
        "Q0",
        "https://elsewhere.example/wiki/Q42",
        "https://www.wikidata.org/wiki/User:Ada/Q42",
        "https://www.wikidata.org/?Q42",
        "https://www.wikidata.org/wiki/Ada?x=Q42",
        "https://[::1/wiki/Q42",
        "Q042",
        "P42",
        "Q42 Q43",
        "Q4२",
        "Qd:42",
        "Q42'; --",
        "Q12345678901",
        "Ada",
        "Q٤٢",
    ],
)
def test_item_id_rejects_anything_else(typed):
    with pytest.raises(InvalidName):
        names.item_id(typed)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("Ada Lovelace", "Category:Ada Lovelace"),
        ("category:ada_Lovelace", "Category:Ada Lovelace"),
        (" :Category : Ada   Lovelace ", "Category:Ada Lovelace"),
        ('Category:O\'Brien (2026), "Zoë"', 'Category:O\'Brien (2026), "Zoë"'),
        ("\u200eå in\u00a0Å\u200f", "Category:Å in Å"),
        ("ßtraße", "Category:ßtraße"),
        ("Cafe\u0301", "Category:Café"),
        ("File:x", "Category:File:x"),
        ("日本", "Category:日本"),
    ],
)
def test_category_title_is_normalized(typed, title):
    assert names.category_title(typed) == title


@pytest.mark.parametrize(
    ("typed", "title"),
    [("image:a.jpg", "File:A.jpg"), ("File:A_b.jpg", "File:A b.jpg"), ("a b.jpg", "File:A b.jpg")],
)
def test_file_title_is_normalized(typed, title):
    assert names.file_title(typed) == title


SITES = ["https://commons.wikimedia.org/wiki", "upload.wikimedia.org", "thumb.wikimedia.org", "127.0.0.1:8181"]
UTM = "?utm_source=commons.wikimedia.org&utm_campaign=imageinfo&utm_content="


@pytest.mark.parametrize(
    "link",
    [
        "https://commons.wikimedia.org/wiki/File:Zo%C3%AB,_100%25_%2B_more%3F.jpg",
        "https://commons.wikimedia.org/wiki/File:Zoë%2C_100%25_+_more%3f.jpg?uselang=nb#filelinks",
        " //commons.m.wikimedia.org/wiki/Image:Zo%C3%AB,_100%25_+_more%3F.jpg\u200e",
        "https://commons.wikimedia.org/w/index.php?title=File:Zo%C3%AB,+100%25_%2B_more%3F.jpg&action=history",
        "https://commons.wikimedia.org/w/index.php/File:Zo%C3%AB,_100%25_+_more%3F.jpg",
        "https://commons.wikimedia.org/wiki/Special:FilePath/Zo%C3%AB,_100%25_+_more%3F.jpg?width=300",
        "https://commons.wikimedia.org/wiki/Special:Redirect/file/File:Zo%C3%AB,_100%25_+_more%3F.jpg",
        "https://commons.wikimedia.org/wiki/Category:Ada#/media/File:Zo%C3%AB,_100%25_+_more%3F.jpg",
        f"https://upload.wikimedia.org/wikipedia/commons/1/16/Zo%C3%AB%2C_100%25_%2B_more%3F.jpg{UTM}original",
        "https://thumb.wikimedia.org/wikipedia/commons/thumb/1/16/Zo%C3%AB%2C_100%25_%2B_more%3F.jpg/960px-x.jpg"
        f"{UTM}thumbnail",
        "http://127.0.0.1:8181/wiki/File:Zo%C3%AB%2C_100%25_%2B_more%3F.jpg",
    ],
)
def test_file_title_is_parsed_from_links(link: str):
    assert names.file_title(link, SITES) == "File:Zoë, 100% + more?.jpg"


@pytest.mark.parametrize(
    "link",
    [
        "https://commons.wikimedia.org/wiki/Category:Ada_&_Zo%C3%AB?uselang=nb&filefrom=B#mw-category-media",
        "https://commons.m.wikimedia.org/wiki/category:Ada_%26_Zo%c3%ab",
        "https://commons.wikimedia.org/w/index.php?title=Category:Ada+%26+Zo%C3%AB&filefrom=B",
        "https://commons.wikimedia.org/wiki/Category:Ada_&_Zo%C3%AB#/media/File:A.jpg",
    ],
)
def test_category_title_is_parsed_from_links(link: str):
    assert names.category_title(link, SITES) == "Category:Ada & Zoë"


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/wiki/File:A.jpg",
        "https://en.wikipedia.org/wiki/File:A.jpg",
        "https://commons.wikimedia.org@elsewhere.example/wiki/File:A.jpg",
        "https://commons.wikimedia.org:8000/wiki/File:A.jpg",
        "https://commons.wikimedia.org/wiki/Category:A.jpg",
        "https://commons.wikimedia.org/wiki/Ada",
        "https://commons.wikimedia.org/wiki/Category:Ada/a/ab/A.jpg",
        "https://commons.wikimedia.org/?curid=7",
        "https://commons.wikimedia.org/wiki/File:",
        "https://commons.wikimedia.org/wiki/File:A%7CB.jpg",
        "https://[::1/wiki/File:A.jpg",
        "//",
    ],
)
def test_file_title_rejects_other_links(link: str):
    with pytest.raises(InvalidName):
        names.file_title(link, SITES)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        "Category:",
        "a|b",
        "a#b",
        "<b>",
        "a]b",
        "{a}",
        "a\x00b",
        "a\nb\x07",
        "%41",
        "..",
        "a/../b",
        "&amp;",
        "x" * 256,
    ],
)
def test_category_title_rejects_invalid_titles(typed):
    with pytest.raises(InvalidName):
        names.category_title(typed)


def test_file_title_rejects_more_than_255_bytes():
    assert names.file_title("é" * 127 + "a").startswith("File:É")
    with pytest.raises(InvalidName):
        names.file_title("é" * 128)


@given(st.text(max_size=60))
def test_category_title_is_idempotent(typed):
    try:
        title = names.category_title(typed)
    except InvalidName:
        return
    assert names.category_title(title) == title
    assert "|" not in title
    assert "_" not in title


def test_ids_of_entities_and_statements():
    uuid = UUID("6b2f1f2e-0c1d-4e3f-8a5b-abcdefabcdef")
    assert names.entity_id(12) == "M12"
    assert names.statement_id(12, uuid) == "M12$6B2F1F2E-0C1D-4E3F-8A5B-ABCDEFABCDEF"
    assert names.page_id_of("https://commons.wikimedia.org/entity/M12") == 12
    assert names.page_id_of("https://commons.wikimedia.org/entity/M12?utm_source=x#y") == 12
    assert names.page_id_of("M12") == 12
    assert [names.page_id_of(other) for other in ("Q12", "M", "M0", "M1x", "", "M99999999999")] == [0] * 6
    with pytest.raises(InvalidName):
        names.entity_id(0)


@pytest.mark.parametrize(
    ("box", "value"),
    [
        ((0.105, 0.2, 0.3, 0.4), "pct:10.5,20,30,40"),
        ((0.0, 0.0, 1.0, 1.0), "pct:0,0,100,100"),
        ((1 / 3, 1 / 7, 1 / 9, 1 / 11), "pct:33.33,14.29,11.11,9.09"),
        ((-0.1, 0.9, 0.3, 0.3), "pct:0,90,20,10"),
        ((0.5, 0.5, 1e-9, 1e-9), "pct:50,50,0.01,0.01"),
    ],
)
def test_region_formats_a_box_in_percent(box, value):
    assert names.region(box) == value
    again = names.box_of(value)
    assert again is not None
    assert names.region(again) == value


@pytest.mark.parametrize("box", [(1.1, 0, 0.5, 0.5), (0, 0, 0, 0.5), (0.5, 0.5, -0.2, 0.1), (float("nan"), 0, 1, 1)])
def test_region_rejects_boxes_outside_the_picture(box):
    with pytest.raises(InvalidName):
        names.region(box)


@given(st.tuples(*[st.floats(0, 0.98)] * 2, *[st.floats(0.02, 1)] * 2))
def test_box_of_returns_the_box_that_region_formatted(box):
    again = names.box_of(names.region(box))
    assert again is not None
    x, y, width, height = again
    assert (x, y) == pytest.approx(box[:2], abs=1e-4)
    assert (width, height) == pytest.approx((min(box[2], 1 - box[0]), min(box[3], 1 - box[1])), abs=1e-4)


@pytest.mark.parametrize(
    "value", ["full", "10,20,30,40", "pct:1,2,3", "pct:a,b,c,d", "pct:90,90,20,20", "", "pct:-1,0,1,1"]
)
def test_box_of_returns_none_for_other_values(value):
    assert names.box_of(value) is None


def test_batch_link_leads_to_editgroups():
    assert names.batch_link("00ff") == "([[:toolforge:editgroups-commons/b/CB/00ff|details]])"


def test_page_url_is_encoded():
    base = "https://commons.wikimedia.org/wiki"
    assert names.page_url(base, "File:O'Brien & Å?.jpg") == f"{base}/File:O%27Brien_%26_%C3%85%3F.jpg"
    assert names.page_url(base + "/", "Category:A/B") == f"{base}/Category:A/B"
