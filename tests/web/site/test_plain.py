"""Functions of the web package that need no database: plots, reports, addresses, reasons."""

import pytest

from store.labelling.progress import Breakdown, Curve
from web.projects import charts, model_report
from web.projects.model_report import Distances
from web.site import reasons, urls
from web.site.short_cache import ShortCache
from wiki.errors import Reason


def distances(**counts: dict[int, int]) -> Distances:
    rows = {said: tuple(counts.get(said, {}).get(step, 0) for step in range(120)) for said in ("yes", "no", "open")}
    return Distances(width=0.01, **rows)


def test_histogram_stacks_series_and_includes_values_out_of_range():
    plot = charts.histogram(distances(yes={0: 1, 11: 1}, open={50: 4, 119: 2}))
    assert plot.total == 8
    first, *_ = plot.parts
    assert (first.css_class, first.x, first.y + first.height) == ("yes", 1, charts.PLOT_HEIGHT)
    assert max(part.height for part in plot.parts) == charts.PLOT_HEIGHT - 8
    assert {round(part.x + part.width) for part in plot.parts if part.css_class == "open"} >= {charts.PLOT_WIDTH - 1}


def test_histogram_counts_values_within_the_threshold():
    plot = charts.histogram(distances(open={29: 1, 30: 2, 59: 3, 60: 5}))
    assert charts.count_within(plot, 0.3) == 1
    assert charts.count_within(plot, 0.6) == 6
    assert charts.count_within(plot, 1.0) == 11


def test_histogram_without_values_is_empty():
    assert charts.histogram(None).total == 0
    assert charts.histogram(distances()).parts == ()
    assert charts.curve_points(Curve(())) == ""


def test_curve_covers_the_whole_plot():
    points = charts.curve_points(Curve(((0, 0), (5, 1), (10, 2)))).split()
    assert points[0] == f"0.0,{charts.CURVE_HEIGHT}.0"
    assert points[-1] == f"{charts.CURVE_WIDTH}.0,6.0"


def test_shares_sum_to_the_whole_bar():
    found = charts.breakdown_parts(Breakdown(1, 1, 0, 2, 0, 0))
    assert sum(share.width for share in found) == pytest.approx(100)
    assert [share.x for share in found if share.number] == [0, 25, 75]


def test_report_is_none_before_the_first_run():
    assert model_report.parse_report(None) is None
    assert model_report.parse_report("{}") == model_report.Report(False, False, 0, 0, 0, 0, 0, (), None)


@pytest.mark.parametrize("target", ["/", "/projects?q=a", "/projects/1#members"])
def test_addresses_within_the_site_are_accepted(target: str):
    assert urls.local_target(target) == target


@pytest.mark.parametrize(
    "target",
    [None, "", "projects", "//x.example", "/\\x.example", "http://x.example", "/\t/x.example", "/a\nb", "\\\\x"],
)
def test_addresses_outside_the_site_are_refused(target: str | None):
    assert urls.local_target(target) == "/"


@pytest.mark.parametrize(
    ("given", "small"),
    [
        ("https://upload/thumb/a/ab/960px-A.jpg/960px-960px-A.jpg", "https://upload/thumb/a/ab/960px-A.jpg/330px-960px-A.jpg"),
        ("https://upload/thumb/a/ab/B.tif/lossy-page1-960px-B.tif.jpg", "https://upload/thumb/a/ab/B.tif/lossy-page1-330px-B.tif.jpg"),
        ("https://upload/thumb/a/ab/C.jpg/960px-C.jpg?7", "https://upload/thumb/a/ab/C.jpg/330px-C.jpg?7"),
        ("https://upload/a/ab/Small_960px.jpg", "https://upload/a/ab/Small_960px.jpg"),
        ("https://thumb/thumb/a/ab/D.svg/960px-D.svg.png?utm_content=thumbnail&a=%2C#b",
         "https://thumb/thumb/a/ab/D.svg/330px-D.svg.png?utm_content=thumbnail&a=%2C#b"),
        ("https://thumb/thumb/a/ab/E.jpg/960px-thumbnail.jpg?a=/960px-", "https://thumb/thumb/a/ab/E.jpg/330px-thumbnail.jpg?a=/960px-"),
        ("https://upload/a/ab/F.jpg?utm_content=thumbnail_unscaled", "https://upload/a/ab/F.jpg?utm_content=thumbnail_unscaled"),
        ("https://upload/a/ab/G.jpg?a=/960px-G.jpg", "https://upload/a/ab/G.jpg?a=/960px-G.jpg"),
    ],
)  # fmt: skip
def test_rendering_is_chosen_by_the_displayed_size(given: str, small: str):
    assert urls.rendering(given, 330) == small


@pytest.mark.parametrize("key", list(Reason))
def test_every_reason_of_the_wiki_has_a_text(key: Reason):
    assert key.value in reasons.KEYS


def test_recent_result_is_cached():
    now = [0.0]
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    recent = ShortCache(seconds=5, most=2, clock=lambda: now[0])
    assert [recent.get("a", make), recent.get("a", make)] == [1, 1]
    now[0] = 5
    assert recent.get("a", make) == 2
    recent.get("b", make)
    recent.get("c", make)
    assert recent.get("a", make) == 5
