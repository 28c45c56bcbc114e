"""Wikidata items for the people in the photographs: real ones for well-known people, made-up ones for all others."""

import zlib
from dataclasses import dataclass

NOT_PEOPLE = {"groups", "noface", "others", "crowds", "negatives", "awkward", "objects", "unknown"}
"""Folders whose photographs belong to no person; they are added to the categories as negative examples."""


@dataclass(frozen=True)
class Known:
    """A person with an item; `born` is a date in Wikibase's format, `precision` is 11 for a day and 9 for a year."""

    item: str
    description: str
    born: str = ""
    precision: int = 11


KNOWN = {
    "barack obama": Known("Q76", "president of the United States from 2009 to 2017", "+1961-08-04T00:00:00Z"),
    "joe biden": Known("Q6279", "president of the United States from 2021 to 2025", "+1942-11-20T00:00:00Z"),
    "roger federer": Known("Q1426", "Swiss tennis player", "+1981-08-08T00:00:00Z"),
    "serena williams": Known("Q11459", "American tennis player", "+1981-09-26T00:00:00Z"),
    "grace hopper": Known("Q11641", "American computer scientist and naval officer", "+1906-12-09T00:00:00Z"),
    "george w bush": Known("Q207", "president of the United States from 2001 to 2009", "+1946-07-06T00:00:00Z"),
    "tony blair": Known("Q9545", "prime minister of the United Kingdom from 1997 to 2007", "+1953-05-06T00:00:00Z"),
    "colin powell": Known("Q150851", "American politician and general", "+1937-04-05T00:00:00Z"),
    "jacques chirac": Known("Q2105", "president of France from 1995 to 2007", "+1932-11-29T00:00:00Z"),
    "hugo chavez": Known("Q8440", "president of Venezuela from 1999 to 2013", "+1954-07-28T00:00:00Z"),
    "junichiro koizumi": Known("Q130852", "prime minister of Japan from 2001 to 2006", "+1942-01-08T00:00:00Z"),
    "vladimir putin": Known("Q7747", "president of Russia", "+1952-10-07T00:00:00Z"),
    "arnold schwarzenegger": Known("Q2685", "actor, governor of California", "+1947-07-30T00:00:00Z"),
    "bill clinton": Known("Q1124", "president of the United States from 1993 to 2001", "+1946-08-19T00:00:00Z"),
    "kofi annan": Known("Q1254", "secretary-general of the United Nations", "+1938-04-08T00:00:00Z"),
    "al gore": Known("Q19673", "vice president of the United States", "+1948-03-31T00:00:00Z"),
    "tiger woods": Known("Q10993", "American golfer", "+1975-12-30T00:00:00Z"),
    "angelina jolie": Known("Q13909", "American actress", "+1975-06-04T00:00:00Z"),
}
FIRST_UNKNOWN, UNKNOWN_NUMBERS = 900_000_000, 90_000_000

THINGS = {
    "Q5": ("human", "any member of Homo sapiens"),
    "Q146": ("house cat", "domesticated feline"),
    "Q243": ("Eiffel Tower", "tower in Paris"),
    "Q8502": ("mountain", "large natural elevation"),
    "Q11442": ("bicycle", "pedal-driven two-wheel vehicle"),
    "Q12280": (
        "bridge",
        "structure that spans and provides a passage over a road, railway, river, or some other obstacle",
    ),
}
"""Items that are not people (except Q5, the class of people): id -> label and description."""


def label_of(folder: str) -> str:
    """Return a person's label: the folder's name with blanks for underscores and capitalised words."""
    words = folder.replace("_", " ").split()
    return " ".join(word[0].upper() + word[1:] for word in words)


def known(folder: str) -> Known:
    """Return the item of a folder's person.

    A person who is not in KNOWN gets an id derived from the folder's name, far above those of real items.
    """
    found = KNOWN.get(" ".join(folder.replace("_", " ").lower().split()))
    if found:
        return found
    number = FIRST_UNKNOWN + zlib.crc32(folder.encode()) % UNKNOWN_NUMBERS
    return Known(f"Q{number}", "person in the sandbox", "+1970-00-00T00:00:00Z", 9)
