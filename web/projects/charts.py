"""Geometry of the charts: pure functions that turn numbers into SVG coordinates."""

from dataclasses import dataclass

from store.labelling.progress import Breakdown, Curve
from web.projects.model_report import Distances

NEAREST, FARTHEST = 0.1, 1.0  # range of the distance threshold, and therefore of the histogram's axis
PLOT_WIDTH, PLOT_HEIGHT = 900, 180
BARS = 45
BAR = (FARTHEST - NEAREST) / BARS


@dataclass(frozen=True)
class BarPart:
    """One segment of a bar in the histogram, in SVG units; `css_class` is its CSS class."""

    css_class: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Histogram of distances from NEAREST to FARTHEST; faces outside are counted in the first and last bar.

    `open`: number of faces without a human's answer, in steps of `width` (distance) from 0, used to count how many lie
    within a threshold. `total`: number of faces.
    """

    parts: tuple[BarPart, ...]
    open: tuple[int, ...]
    width: float
    total: int


def histogram(distances: Distances | None) -> Histogram:
    """Return stacked bars: confirmed faces at the bottom, above them rejected ones, then those without an answer."""
    if distances is None:
        return Histogram((), (), 1.0, 0)
    bars = [dict.fromkeys(("yes", "no", "open"), 0) for _ in range(BARS)]
    for answer, counts in (("yes", distances.yes), ("no", distances.no), ("open", distances.open)):
        for step, number in enumerate(counts):
            middle = (step + 0.5) * distances.width
            bars[min(max(int((middle - NEAREST) / BAR), 0), BARS - 1)][answer] += number
    highest = max(sum(bar.values()) for bar in bars)
    parts = tuple(part for number, bar in enumerate(bars) for part in _stack(number, bar, highest))
    return Histogram(parts, distances.open, distances.width, sum(sum(bar.values()) for bar in bars))


def _stack(number: int, bar: dict[str, int], highest: int) -> list[BarPart]:
    width = PLOT_WIDTH / BARS
    y = float(PLOT_HEIGHT)
    parts = []
    for answer, count in bar.items():
        if count:
            height = max(1.5, (PLOT_HEIGHT - 8) * count / highest)
            y -= height
            parts.append(
                BarPart(answer, round(number * width + 1, 2), round(y, 2), round(width - 2, 2), round(height, 2))
            )
    return parts


def axis_x(distance: float) -> float:
    """Return the x coordinate of a distance on the histogram's axis."""
    return round(PLOT_WIDTH * (min(max(distance, NEAREST), FARTHEST) - NEAREST) / (FARTHEST - NEAREST), 2)


def count_within(plot: Histogram, threshold: float) -> int:
    """Return how many faces without a human's answer lie within a threshold."""
    return sum(plot.open[: round(threshold / plot.width)])


CURVE_WIDTH, CURVE_HEIGHT = 600, 180


def curve_points(curve: Curve) -> str:
    """Return the `points` of a polyline, x for answers and y for matches; empty with fewer than two points."""
    if len(curve.points) < 2:
        return ""
    answers, matches = curve.points[-1]
    return " ".join(
        f"{CURVE_WIDTH * x / answers:.1f},{CURVE_HEIGHT - (CURVE_HEIGHT - 6) * y / max(1, matches):.1f}"
        for x, y in curve.points
    )


@dataclass(frozen=True)
class BreakdownPart:
    """A segment of the breakdown's bar; `x` and `width` in percent of the bar, `said` is its CSS class."""

    css_class: str
    number: int
    x: float
    width: float


def breakdown_parts(breakdown: Breakdown) -> list[BreakdownPart]:
    """Return the segments of the breakdown's bar, in the order of the legend."""
    numbers = {
        "human-yes": breakdown.human_yes,
        "bootstrap": breakdown.bootstrap,
        "model-yes": breakdown.model_yes,
        "unsure": breakdown.unsure,
        "model-no": breakdown.model_no,
        "human-no": breakdown.human_no,
    }
    x = 0.0
    parts = []
    for css_class, number in numbers.items():
        width = 100 * number / breakdown.total if breakdown.total else 0.0
        parts.append(BreakdownPart(css_class, number, round(x, 3), round(width, 3)))
        x += width
    return parts
