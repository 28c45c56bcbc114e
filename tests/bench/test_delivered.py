"""The benchmark of the pages detects a filter that has no effect."""

from bench.traffic.delivered import entries, faults


def test_empty_and_identical_lists_are_reported():
    reported = faults(
        [
            ("review.page", "/review", ("1", "2")),
            ("review.page", "/review?show=stated", ("3",)),
            ("review.page", "/review?shown=stated", ("1", "2")),
            ("review.page", "/review?show=drawn", ()),
            ("files.page", "/files", ("1", "2")),
            ("pages.help_page", "/help", None),
        ]
    )
    assert reported == {
        "/review?shown=stated": "lists the same as /review",
        "/review?show=drawn": "lists nothing",
    }


def test_entries_are_found_in_html_and_json():
    assert entries("review.page", '<li data-face="12"><li data-face="3">') == ('data-face="12"', 'data-face="3"')
    assert entries("review.listed", '{"faces":[{"face":7},{"face": 8}]}') == ('"face":7', '"face": 8')
    assert entries("pages.help_page", "no list") is None
