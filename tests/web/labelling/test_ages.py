"""The age of the person at the date of a picture."""

import pytest

from web.labelling.ages import Age, Span, age, span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1981-08-08", Span((1981, 8, 8), (1981, 8, 8))),
        ("2012-05", Span((2012, 5, 1), (2012, 5, 31))),
        ("2012-05-03 14:22:10", Span((2012, 5, 3), (2012, 5, 3))),
        ("Taken on 2012-05-03", Span((2012, 5, 3), (2012, 5, 3))),
        ("1950", Span((1950, 1, 1), (1950, 12, 31))),
        ("circa 1950", Span((1950, 1, 1), (1950, 12, 31))),
        ("1950s", Span((1950, 1, 1), (1959, 12, 31))),
        ("between 1930 and 1940", Span((1930, 1, 1), (1940, 12, 31))),
        ("11 March 2009", Span((2009, 1, 1), (2009, 12, 31))),
        ("2012-13-45", Span((2012, 1, 1), (2012, 12, 31))),
        ("unknown date", None),
        ("IMG 20123456", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_of_different_precision_are_parsed(text: str | None, expected: Span | None):
    assert span(text) == expected


@pytest.mark.parametrize(
    ("born", "died", "taken", "expected"),
    [
        ("1981-08-08", None, "2003-08-07", Age(21, 21, False)),
        ("1981-08-08", None, "2003-08-08", Age(22, 22, False)),
        ("1981-08-08", None, "2003", Age(21, 22, False)),
        ("1981", None, "2003-06-01", Age(21, 22, False)),
        ("1981-08-08", None, "1970", Age(-12, -11, False)),
        ("1900", "1950", "1960", Age(59, 60, True)),
        ("1900", "1950", "1950", Age(49, 50, False)),
        (None, None, "1950", None),
        ("1900", None, "no date", None),
    ],
)
def test_age_is_computed_from_two_dates(born: str | None, died: str | None, taken: str, expected: Age | None):
    assert age(born, died, taken) == expected
