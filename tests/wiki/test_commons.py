"""Tests for reading Commons: categories, walks, files, searches, pictures."""

import threading
import time
from datetime import UTC, datetime

import pytest

from tests.recordings import recording
from tests.wiki import fakes
from tests.wiki.replay import Reply, answered, page, replaying
from wiki import commons, media
from wiki.commons import CategoryInfo, FileInfo, Hit, Kind, MissingFile, PageRef, WalkState, Why
from wiki.errors import DownloadRefused, DownloadTooLarge, GiveUp, Reason, Wait
from wiki.names import InvalidName


def members(*found: tuple[int, str], more: str = "") -> Reply:
    """Return an answer with category members, given by page id and title."""
    listed = [{"pageid": number, "ns": 14 if "Category:" in title else 6, "title": title} for number, title in found]
    content: dict[str, object] = {"query": {"categorymembers": listed}}
    if more:
        content["continue"] = {"cmcontinue": more, "continue": "-||"}
    return answered(content)


def walk_all(url: str, state: WalkState, depth: int = 5, **options: object) -> tuple[list[int], WalkState]:
    """Return the page ids that a walk yields from this state on, and its last state."""
    found: list[int] = []
    for batch in commons.walk(fakes.client(url), state, depth, **options):  # type: ignore[arg-type]
        found += [member.page_id for member in batch.members]
        state = batch.state
    return found, state


def test_missing_and_empty_categories_are_distinguished():
    asked = [
        "Portraits at Testival 2026",
        "Category:Portraits at Testival 2026, day 1",
        "category:There is no such category",
        "Page_without_members",
        "Testival 2026",
    ]
    with replaying("categoryinfo") as wiki:
        found = commons.category_info(fakes.client(wiki.url), asked)
    assert found[asked[0]] == CategoryInfo("Category:Portraits at Testival 2026", True, 573, 570, 2)
    assert [found[title].exists for title in asked] == [True, True, False, True, True]
    assert [found[title].empty for title in asked] == [False, False, True, True, False]


def test_category_exists_without_a_page_if_it_has_members():
    with replaying("categoryinfo_members_but_no_page") as wiki:
        found = commons.category_info(fakes.client(wiki.url), ["Category without a page"])
    info = found["Category without a page"]
    assert (info.exists, info.page, info.files) == (True, False, 1)


def test_no_request_is_sent_for_an_invalid_category_title():
    with replaying() as wiki, pytest.raises(InvalidName):
        commons.category_info(fakes.client(wiki.url), ["Fine", "a|b"])
    assert wiki.sent == []


def test_walk_follows_the_continuation_of_a_large_category():
    with replaying("categorymembers_file_page1", "categorymembers_file_page2") as wiki:
        found, state = walk_all(wiki.url, commons.start(["Portraits at Testival 2026"]), depth=0)
    assert len(found) == len(set(found)) == 570
    assert state.done
    assert wiki.sent[1].params["cmcontinue"].startswith("file|")
    assert wiki.sent[0].params["cmtype"] == "file"


def test_walk_ends_in_a_recorded_loop_of_categories():
    body = recording("categorymembers_loop")["response"]["body"]
    with replaying(*["categorymembers_loop"] * 10) as wiki:
        _, state = walk_all(wiki.url, commons.start(["Loop A"]))
    assert state.done
    assert len(wiki.sent) == 1 + len(
        {entry["title"] for entry in body["query"]["categorymembers"]} - {"Category:Loop A"}
    )


TREE = {
    "Category:A": [(1, "File:1"), (10, "Category:B"), (11, "Category:C")],
    "Category:B": [(2, "File:2"), (1, "File:1"), (12, "Category:A"), (13, "Category:D")],
    "Category:C": [(3, "File:3"), (13, "Category:D")],
    "Category:D": [(4, "File:4"), (12, "Category:A"), (13, "Category:D")],
}


def replies(*order: str) -> list[Reply]:
    return [members(*TREE[f"Category:{name}"]) for name in order]


def test_walk_is_breadth_first_with_each_file_and_category_once():
    with replaying(*replies("A", "B", "C", "D")) as wiki:
        found, _ = walk_all(wiki.url, commons.start(["A"]))
        asked = [sent.params["cmtitle"] for sent in wiki.sent]
    assert found == [1, 2, 3, 4]
    assert asked == ["Category:A", "Category:B", "Category:C", "Category:D"]


def test_walk_stops_at_the_requested_depth():
    with replaying(members((1, "File:1"))) as wiki:
        walk_all(wiki.url, commons.start(["A"]), depth=0)
    assert wiki.sent[0].params["cmtype"] == "file"
    with replaying(*replies("A", "B", "C")) as wiki:
        assert walk_all(wiki.url, commons.start(["A"]), depth=1)[0] == [1, 2, 3]
    assert [sent.params["cmtype"] for sent in wiki.sent] == ["file|subcat", "file", "file"]


def test_walk_resumes_from_its_stored_state():
    with replaying(*replies("A", "B", "C", "D")) as wiki:
        first = next(commons.walk(fakes.client(wiki.url), commons.start(["A"]), 5))
        state = WalkState.from_json(first.state.to_json())
        assert state == first.state
        rest, end = walk_all(wiki.url, state, seen=[member.page_id for member in first.members])
    assert [member.page_id for member in first.members] + rest == [1, 2, 3, 4]
    assert end.done


def test_walk_resumes_within_a_category():
    with replaying(members((1, "File:1"), more="x"), members((2, "File:2"))) as wiki:
        first = next(commons.walk(fakes.client(wiki.url), commons.start(["A"]), 0))
        rest, _ = walk_all(wiki.url, WalkState.from_json(first.state.to_json()), depth=0)
    assert rest == [2]
    assert wiki.sent[1].params["cmcontinue"] == "x"


def test_walk_ends_at_its_limits_and_reports_them():
    with replaying(*replies("A", "B", "C", "D")) as wiki:
        found, state = walk_all(wiki.url, commons.start(["A"]), max_files=2)
    assert (found, state.limit, state.done) == ([1, 2], "files", True)
    with replaying(*replies("A", "B")) as wiki:
        found, state = walk_all(wiki.url, commons.start(["A"]), max_categories=2)
    assert (found, state.limit) == ([1, 2], "categories")
    with replaying(*replies("A", "B", "C", "D")) as wiki:
        found, state = walk_all(wiki.url, commons.start(["A"]), max_files=4, max_categories=4)
    assert (found, state.limit) == ([1, 2, 3, 4], "")


def test_walk_ends_if_the_continuation_repeats():
    with replaying(*[members((1, "File:1"), more="x")] * 5) as wiki:
        found, _ = walk_all(wiki.url, commons.start(["A"]), depth=0)
    assert (found, len(wiki.sent)) == ([1], 2)


def test_walk_yields_only_file_pages():
    odd = answered({"query": {"categorymembers": [{"pageid": 1, "ns": 0}, {"pageid": "x", "ns": 6}, None, {"ns": 6}]}})
    with replaying(odd) as wiki:
        assert walk_all(wiki.url, commons.start(["A"]))[0] == []


def info(*found: tuple[str, int, int]) -> Reply:
    pages = [{"title": t, "pageid": 1, "categoryinfo": {"size": f + s, "files": f, "subcats": s}} for t, f, s in found]
    return answered({"query": {"pages": pages}})


def subcats(*titles: str) -> Reply:
    return members(*((n, title) for n, title in enumerate(titles, 100)))


def test_category_tree_contains_depths_counts_and_parents():
    a, b, c, d = (f"Category:{name}" for name in "ABCD")
    with replaying(info((a, 5, 2)), subcats(b, c), info((b, 3, 1), (c, 2, 0)), subcats(a, d), info((d, 1, 9))) as wiki:
        tree = commons.category_tree(fakes.client(wiki.url), "A", 2)
    assert [(branch.title, branch.depth, branch.files, branch.parent) for branch in tree.branches] == [
        (a, 0, 5, ""),
        (b, 1, 3, a),
        (c, 1, 2, a),
        (d, 2, 1, b),
    ]
    assert (tree.files, tree.complete) == (11, True)


def test_category_tree_is_cut_at_the_limit():
    many = [f"Category:{n}" for n in range(30)]
    with replaying(info(("Category:A", 0, 30)), subcats(*many), info(*((title, 1, 0) for title in many[:9]))) as wiki:
        tree = commons.category_tree(fakes.client(wiki.url), "A", 3, max_categories=10)
    assert (len(tree.branches), tree.complete) == (10, False)


def test_category_tree_of_a_missing_category_has_one_branch():
    with replaying(answered({"query": {"pages": [{"title": "Category:A", "missing": True}]}})) as wiki:
        tree = commons.category_tree(fakes.client(wiki.url), "A", 3)
    assert [(branch.files, branch.subcats) for branch in tree.branches] == [(0, 0)]


def test_new_members_are_requested_by_time():
    with replaying(members((1, "File:1"), (2, "File:2"), more="x"), members((3, "File:3"))) as wiki:
        since = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
        found = commons.new_members(fakes.client(wiki.url), "A", since, limit=3)
    assert [member.page_id for member in found] == [1, 2, 3]
    params = wiki.sent[0].params
    assert (params["cmsort"], params["cmdir"], params["cmstart"]) == ("timestamp", "newer", "2026-11-22T10:00:00Z")


def test_image_info_distinguishes_files_redirects_and_missing_pages():
    with replaying("imageinfo_by_pageids") as wiki:
        found = commons.image_info(fakes.client(wiki.url), [328, 652, 141, 99999999, 620])
    good = found[328]
    assert isinstance(good, FileInfo)
    assert (good.sha1, good.width, good.size_bytes) == ("872bdf47761d77be7f7bfee2f48c9841b18ab9e9", 59, 1018)
    assert {key: value.why for key, value in found.items() if isinstance(value, MissingFile)} == {
        652: Why.REDIRECT,  # although the answer contains the picture of the target
        141: Why.DELETED,
        99999999: Why.DELETED,
        620: Why.NO_FILE,
    }
    assert wiki.sent[0].params["iiurlwidth"] == "960"


def test_image_info_of_a_small_file_and_of_a_page_without_a_file():
    with replaying("imageinfo_mixed_states") as wiki:
        found = commons.image_info(fakes.client(wiki.url), [149, 653])
    first, second = found[149], found[653]
    assert isinstance(first, FileInfo)
    assert first.thumb_url == first.url
    assert isinstance(second, MissingFile)
    assert second.why is Why.NO_FILE


def test_thumb_url_is_empty_if_the_wiki_returns_an_icon():
    with replaying("imageinfo_thumb640_tiff") as wiki:
        found = commons.image_info(fakes.client(wiki.url), [7])[7]
    assert isinstance(found, FileInfo)
    assert (found.thumb_url, found.mime, found.kind) == ("", "image/tiff", Kind.IMAGE)


def picture(page_id: int, **changes: object) -> dict[str, object]:
    details = {"sha1": "a" * 40, "url": "u", "thumburl": "t", "mime": "image/jpeg", "mediatype": "BITMAP", "size": 9}
    return {"pageid": page_id, "ns": 6, "title": f"File:{page_id}", "imageinfo": [{**details, **changes}]}


def test_image_info_is_merged_from_continued_answers():
    bare = [{"pageid": n, "ns": 6, "title": f"File:{n}"} for n in (1, 2)]
    first = answered({"continue": {"iicontinue": "x", "continue": "||"}, "query": {"pages": [picture(1), bare[1]]}})
    with replaying(first, answered({"batchcomplete": True, "query": {"pages": [bare[0], picture(2)]}})) as wiki:
        found = commons.image_info(fakes.client(wiki.url), [1, 2])
    assert [isinstance(found[n], FileInfo) for n in (1, 2)] == [True, True]


def test_metadata_of_a_file_becomes_plain_text():
    metadata = {
        "Artist": {"value": '<a href="//x">Zoë &amp; <b>Co</b></a><script>alert(1)</script>\n <style>b{}</style>'},
        "LicenseShortName": {"value": "CC BY-SA 4.0"},
        "ImageDescription": {"value": "a  b"},
        "DateTimeOriginal": [],
    }
    with replaying(
        answered({"query": {"pages": [picture(1, extmetadata=metadata, width=10**30, height="x")]}})
    ) as wiki:
        found = commons.image_info(fakes.client(wiki.url), [1])[1]
    assert isinstance(found, FileInfo)
    assert (found.artist, found.licence, found.description, found.date) == ("Zoë & Co", "CC BY-SA 4.0", "a b", "")
    assert (found.width, found.height) == (0, 0)


@pytest.mark.parametrize(
    ("mime", "mediatype", "kind"),
    [
        ("image/jpeg", "BITMAP", Kind.IMAGE),
        ("image/svg+xml", "DRAWING", Kind.IMAGE),
        ("image/tiff", "", Kind.IMAGE),
        ("image/vnd.djvu", "BITMAP", Kind.DOCUMENT),
        ("application/pdf", "OFFICE", Kind.DOCUMENT),
        ("video/webm", "VIDEO", Kind.VIDEO),
        ("application/ogg", "VIDEO", Kind.VIDEO),
        ("application/ogg", "AUDIO", Kind.AUDIO),
        ("audio/midi", "AUDIO", Kind.AUDIO),
        ("application/sla", "3D", Kind.OTHER),
        ("", "", Kind.OTHER),
    ],
)
def test_kind_of_file_by_mime_and_media_type(mime, mediatype, kind):
    assert commons.kind_of(mime, mediatype) is kind


def test_titles_are_resolved_through_redirects():
    asked = [
        "Testival 2026 portrait 0001.jpg",
        "File:Testival_2026_portrait_0559.jpg",
        "File:Hand made redirect.jpg",
        "a|b",
        "X",
    ]
    with replaying("imageinfo_mixed_states_redirects_resolved") as wiki:
        found = commons.resolve_titles(fakes.client(wiki.url), asked)
    target = PageRef(149, "File:Testival 2026 portrait 0001.jpg")
    renamed = PageRef(328, "File:Testival 2026 portrait renamed.jpg")
    assert [found[title] for title in asked] == [target, renamed, target, None, None]
    assert wiki.sent[0].params["redirects"] == "1"


def test_search_follows_the_continuation():
    last = answered({"query": {"search": [{"pageid": 9, "title": "File:Last.jpg"}]}})
    with replaying("search_files_incategory", last) as wiki:
        found = [hit for hits in commons.search(fakes.client(wiki.url), "Testival") for hit in hits]
    assert [hit.page_id for hit in found] == [144, 400, 176, 9]
    assert found[-1] == Hit(9, "File:Last.jpg")
    assert wiki.sent[1].params["sroffset"] == "3"
    assert wiki.sent[0].params["srnamespace"] == "6"


def hits(offset: int) -> Reply:
    found = [{"pageid": n + 1, "title": f"File:{n}"} for n in range(offset, offset + 500)]
    return answered({"continue": {"sroffset": offset + 500, "continue": "-||"}, "query": {"search": found}})


def test_search_stops_at_ten_thousand_hits():
    with replaying(*(hits(offset) for offset in range(0, 20_000, 500))) as wiki:
        found = sum(len(portion) for portion in commons.search(fakes.client(wiki.url), "x", limit=50_000))
    assert (found, len(wiki.sent)) == (10_000, 20)


def test_search_stops_at_the_limit():
    with replaying(hits(0), hits(500), hits(1_000)) as wiki:
        found = [hit for portion in commons.search(fakes.client(wiki.url), "x", limit=700) for hit in portion]
    assert (len(found), len(wiki.sent)) == (700, 2)


def test_count_returns_the_total_of_hits():
    with replaying("search_files_incategory") as wiki:
        assert commons.count(fakes.client(wiki.url), "Testival") == 560


def test_query_terms_are_quoted():
    assert commons.haswbstatement("Q42") == "haswbstatement:P180=Q42"
    assert commons.incategory('category:a "b" c') == 'incategory:"A \\"b\\" c"'
    assert commons.incategory("A_b") == 'incategory:"A b"'
    with pytest.raises(InvalidName):
        commons.incategory("a|b")


def test_pagepile_returns_each_title_once():
    pile = answered({"pages": ["File:A_b.jpg", "File:C.jpg", "File:C.jpg", 7], "wiki": "commonswiki", "id": 5})
    with replaying(pile) as wiki:
        found = commons.pagepile(fakes.client(wiki.url), 5)
    assert (found.wiki, found.titles) == ("commonswiki", ("File:A b.jpg", "File:C.jpg"))
    assert wiki.sent[0].params["id"] == "5"


@pytest.mark.parametrize("reply", [Reply(200, {}, b"Pile 5 does not exist"), answered({"pages": {}}), answered({})])
def test_pagepile_raises_missing_if_there_is_no_such_pile(reply):
    with replaying(reply) as wiki, pytest.raises(GiveUp) as caught:
        commons.pagepile(fakes.client(wiki.url), 5)
    assert caught.value.reason is Reason.MISSING


JPEG = Reply(200, {"Content-Type": "image/jpeg"}, b"\xff\xd8" + bytes(5_000))


def test_download_returns_the_whole_picture():
    with replaying(JPEG) as wiki:
        assert commons.download(fakes.client(wiki.url), f"{wiki.url}/a.jpg") == JPEG.body
    assert wiki.sent[0].headers["User-Agent"].startswith("WikiVisage/")
    assert "Authorization" not in wiki.sent[0].headers


def test_download_adds_the_scheme_of_the_wiki_to_a_url_without_one():
    with replaying(JPEG) as wiki:
        assert commons.download(fakes.client(wiki.url), f"{wiki.url.partition(':')[2]}/a.jpg") == JPEG.body


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/a.jpg",
        "https://127.0.0.1/a.jpg",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "",
        "//",
        "http://[::1",
        "http://upload.wikimedia.org@elsewhere.example/a.jpg",
        "http://169.254.169.254/latest",
    ],
)
def test_download_sends_nothing_to_other_hosts(url):
    with replaying() as wiki, pytest.raises(DownloadRefused):
        commons.download(fakes.client(wiki.url), url)
    assert wiki.sent == []


def test_download_follows_redirects_on_allowed_hosts_only():
    with replaying(page(302, Location="/b.jpg"), page(301, Location="c.jpg"), JPEG) as wiki:
        assert commons.download(fakes.client(wiki.url), f"{wiki.url}/x/a.jpg") == JPEG.body
        assert [sent.path for sent in wiki.sent] == ["/x/a.jpg", "/b.jpg", "/c.jpg"]
    with replaying(page(302, Location="http://elsewhere.example/b.jpg")) as wiki, pytest.raises(DownloadRefused):
        commons.download(fakes.client(wiki.url), f"{wiki.url}/a.jpg")
    with replaying(*[page(302, Location="/a.jpg")] * 9) as wiki, pytest.raises(DownloadRefused):
        commons.download(fakes.client(wiki.url), f"{wiki.url}/a.jpg")
    assert len(wiki.sent) == 4


def test_download_sends_the_parameters_of_each_url_only_to_that_url():
    first, second = "/a/ab/Zo%C3%AB%2C_100%25_%2B_more%3F.jpg?utm_source=x&utm_content=original", "/b.jpg?utm_content=y"
    with replaying(page(302, Location=second), JPEG) as wiki:
        commons.download(fakes.client(wiki.url), wiki.url + first)
    assert [sent.params for sent in wiki.sent] == [
        {"utm_source": "x", "utm_content": "original"},
        {"utm_content": "y"},
    ]
    assert wiki.sent[0].path == first.partition("?")[0]


def test_download_follows_a_redirect_with_unencoded_letters():
    """Servers send UTF-8 in this header, but it is read as Latin-1."""
    with replaying(page(302, Location="/Zoë.jpg".encode().decode("latin-1")), JPEG) as wiki:
        assert commons.download(fakes.client(wiki.url), f"{wiki.url}/a.jpg") == JPEG.body
    assert wiki.sent[1].path == "/Zo%C3%AB.jpg"


def test_media_hosts_are_compared_in_normal_form():
    hosts = ("upload.wikimedia.org",)
    client = fakes.client("https://commons.wikimedia.org", media_hosts=hosts)
    for url in ("https://UPLOAD.wikimedia.org:443/a", "//upload.wikimedia.org/a?b", "https://upload.wikimedia.org/a#b"):
        assert media.allowed(client, url).endswith(url)
    for url in (
        "https://user@upload.wikimedia.org/a",
        "https://upload.wikimedia.org:8443/a",
        "http://upload.wikimedia.org",
    ):
        with pytest.raises(DownloadRefused):
            media.allowed(client, url)


@pytest.mark.parametrize(
    "reply", [Reply(body=b"x" * 100, length=10**9), Reply(200, {"Content-Type": "image/jpeg"}, b"x" * 200_000)]
)
def test_download_raises_too_large_over_the_limit(reply):
    with replaying(reply) as wiki, pytest.raises(DownloadTooLarge):
        commons.download(fakes.client(wiki.url), f"{wiki.url}/a.jpg", most_bytes=100_000)


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (page(404), GiveUp, Reason.MISSING),
        (page(410), GiveUp, Reason.MISSING),
        (page(400), GiveUp, Reason.REFUSED),
        (page(403), GiveUp, Reason.REFUSED),
        (page(401), GiveUp, Reason.REFUSED),
        (page(429), Wait, Reason.TOO_MANY_REQUESTS),
        (page(503), Wait, Reason.SERVER),
        (page(200), Wait, Reason.NOT_JSON),
        (Reply(drop=True), Wait, Reason.NETWORK),
        (Reply(200, {"Content-Type": "image/jpeg"}, b"\xff\xd8" + bytes(500), length=5_000), Wait, Reason.NETWORK),
    ],
)
def test_download_raises_the_error_that_the_answer_means(reply, kind, reason):
    with replaying(reply) as wiki, pytest.raises(kind) as caught:
        commons.download(fakes.client(wiki.url, attempts=1), f"{wiki.url}/a.jpg")
    assert (type(caught.value), caught.value.reason) == (kind, reason)


def test_download_is_retried_if_the_picture_is_truncated():
    cut = Reply(200, {"Content-Type": "image/jpeg"}, JPEG.body[:800], length=len(JPEG.body))
    with replaying(cut, JPEG) as wiki:
        assert commons.download(fakes.client(wiki.url), f"{wiki.url}/a.jpg") == JPEG.body


def test_download_times_out_if_the_bytes_arrive_slowly():
    """Without the limit the download would take a minute."""
    drip = Reply(200, {"Content-Type": "image/jpeg"}, pieces=(b"x",) * 1_200, pause=0.05)
    with replaying(drip) as wiki:
        began = time.monotonic()
        with pytest.raises(Wait) as caught:
            commons.download(fakes.client(wiki.url, attempts=1), f"{wiki.url}/a.jpg", seconds=0.3)
        assert time.monotonic() - began < 30
    assert caught.value.reason is Reason.TIMEOUT


def test_downloads_are_throttled():
    clock = fakes.Time()
    with replaying(JPEG, JPEG, JPEG) as wiki:
        client = fakes.client(wiki.url, clock, download_throttle_seconds=1.5)
        for _ in range(3):
            commons.download(client, f"{wiki.url}/a.jpg")
    assert clock.waits == [0.0, 1.5, 1.5]


def test_downloads_of_many_threads_are_throttled_together():
    clock = fakes.Time()
    client = fakes.client("http://127.0.0.1:1", clock, download_throttle_seconds=2.0)
    waits: list[float] = []
    threads = [threading.Thread(target=lambda: waits.append(client.next_download_in())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [0.0, 2.0, 4.0, 6.0, 8.0]
