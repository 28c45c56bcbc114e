"""A person's age in a picture, from the dates of birth and death on Wikidata and the free-text date of the picture."""

import re
from dataclasses import dataclass

_ISO = re.compile(r"^\D{0,12}(\d{4})-(\d\d)(?:-(\d\d))?")
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(s?)(?!\d)")
Day = tuple[int, int, int]


@dataclass(frozen=True)
class Span:
    """First and last day that an imprecise date can mean, each as (year, month, day)."""

    first: Day
    last: Day


@dataclass(frozen=True)
class Age:
    """Age range in whole years, negative before the birth.

    `after_death`: the picture was taken after the last day on which the person can have died.
    """

    low: int
    high: int
    after_death: bool


def span(date: str | None) -> Span | None:
    """Return the days that a date can mean, or None if it contains no year.

    Understood are for example "1981-08-08", "2012-05", "circa 1950", "1950s" and "between 1930 and 1940".
    """
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
    """Return the person's age in the picture, or None if the date of birth or of the picture is unknown."""
    birth, picture, death = span(born), span(taken), span(died)
    if birth is None or picture is None:
        return None
    low, high = _years(birth.last, picture.first), _years(birth.first, picture.last)
    return Age(low, high, death is not None and picture.first > death.last)


def _years(start: Day, end: Day) -> int:
    """Return the whole years between two days, rounded down; negative if `end` is before `start`."""
    return end[0] - start[0] - (end[1:] < start[1:])
