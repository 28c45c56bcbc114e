"""How old a person was when a picture was taken, as far as two dates say: the birth from Wikidata, the picture's as worded."""

import re
from dataclasses import dataclass

_ISO = re.compile(r"^\D{0,12}(\d{4})-(\d\d)(?:-(\d\d))?")
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(s?)(?!\d)")
Day = tuple[int, int, int]


@dataclass(frozen=True)
class Span:
    """The first and the last day that can be meant, each (year, month, day)."""

    first: Day
    last: Day


@dataclass(frozen=True)
class Age:
    """Whole years, from `low` to `high`; negative before the birth. `after_death`: the picture is younger than that."""

    low: int
    high: int
    after_death: bool


def span(date: str | None) -> Span | None:
    """What a date can mean: "1981-08-08", "2012-05", "circa 1950", "1950s", "between 1930 and 1940"; None without a year."""
    if not date:
        return None
    iso = _ISO.match(date)
    if iso:
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3] or 0)
        if 1 <= month <= 12:
            return Span((year, month, day or 1), (year, month, day or 31))
        return Span((year, 1, 1), (year, 12, 31))
    years = [(int(match[1]), int(match[1]) + (9 if match[2] else 0)) for match in _YEAR.finditer(date)]
    if not years:
        return None
    return Span((min(first for first, _ in years), 1, 1), (max(last for _, last in years), 12, 31))


def age(born: str | None, died: str | None, taken: str | None) -> Age | None:
    """The age in the picture; None where the dates do not say."""
    birth, picture, death = span(born), span(taken), span(died)
    if birth is None or picture is None:
        return None
    low, high = _years(birth.last, picture.first), _years(birth.first, picture.last)
    return Age(low, high, death is not None and picture.first > death.last)


def _years(start: Day, end: Day) -> int:
    """Whole years from one day to another, rounded down; negative where the end comes first."""
    return end[0] - start[0] - (end[1:] < start[1:])
