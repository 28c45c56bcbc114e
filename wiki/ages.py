"""Ages of persons whose dates Wikidata may know only in part."""

from datetime import date

from wiki.wikidata import PartialDate, Person

ADULT = 18  # years
# Precisions of dates on Wikidata.
_DAY, _MONTH, _YEAR = 11, 10, 9


def may_be_minor(person: Person, today: date) -> bool:
    """Return whether a living person may be younger than ADULT, by the latest day of birth that Wikidata allows."""
    if person.born is None or person.died is not None:
        return False
    return person.born.latest > date(today.year - ADULT, today.month, min(today.day, 28))


def iso(when: PartialDate | None) -> str | None:
    """Format a date as 2001-05-11, 2001-05 or 2001, by its precision; None if it is vaguer or before our era."""
    if when is None or when.precision < _YEAR or when.earliest.year == 1:
        return None
    return when.earliest.isoformat()[: {_YEAR: 4, _MONTH: 7}.get(when.precision, 10)]
