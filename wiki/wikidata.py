"""Client functions for reading Wikidata: persons, labels, search."""

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from wiki.answers import JsonObject, inner, number, objects, text
from wiki.client import Client, batches
from wiki.errors import NoSuchItem
from wiki.names import InvalidName, category_title, file_title, is_item

HUMAN = "Q5"
_INSTANCE_OF, _PORTRAIT, _COMMONS_CATEGORY, _BORN, _DIED = "P31", "P18", "P373", "P569", "P570"
_TIME = re.compile(r"\+0*(\d{1,4})-(\d\d)-(\d\d)T")
_YEAR_PRECISION, _MONTH_PRECISION, _DAY_PRECISION = 9, 10, 11


@dataclass(frozen=True)
class PartialDate:
    """A date of Wikidata. `time`: "+1952-03-11T00:00:00Z"; `precision`: 11 day, 10 month, 9 year, 8 decade ..."""

    time: str
    precision: int

    @property
    def earliest(self) -> date:
        """The first possible day; 0001-01-01 for dates before our era."""
        year, month, day = self._parts()
        return date(year, month, day)

    @property
    def latest(self) -> date:
        """The last possible day."""
        year, month, day = self._parts()
        if self.precision < _YEAR_PRECISION:
            year = min(year + 10 ** (_YEAR_PRECISION - max(self.precision, 6)) - 1, date.max.year)
        if self.precision < _MONTH_PRECISION:
            month = 12
        if self.precision < _DAY_PRECISION:
            day = calendar.monthrange(year, month)[1]
        return date(year, month, day)

    def _parts(self) -> tuple[int, int, int]:
        match = _TIME.match(self.time)
        if not match or not int(match[1]):
            return 1, 1, 1
        year, month, day = (int(part) for part in match.groups())
        month = month if self.precision >= _MONTH_PRECISION and 1 <= month <= 12 else 1
        last = calendar.monthrange(year, month)[1]
        return year, month, day if self.precision >= _DAY_PRECISION and 1 <= day <= last else 1


@dataclass(frozen=True)
class Person:
    """An item of Wikidata, read as a person. `portrait`, `commons_category`: titles with namespace, empty if unknown.

    `redirected_to`: the item into which the requested one was merged, and then the same as `item`; else empty.
    """

    item: str
    label: str
    description: str
    is_human: bool
    portrait: str
    commons_category: str
    born: PartialDate | None
    died: PartialDate | None
    redirected_to: str = ""


@dataclass(frozen=True)
class ItemHit:
    item: str
    label: str
    description: str


def person(client: Client, qid: str, languages: Sequence[str]) -> Person:
    """Return the person with the id `qid`; label and description are in the first of `languages` that has one.

    Raises NoSuchItem (not an item id, deleted, or never existed), WikiError.
    """
    if not is_item(qid):
        raise NoSuchItem(qid)
    entity = _entities(client, [qid], languages, "labels|descriptions|claims|info").get(qid, {})
    item = text(entity, "id")
    if not is_item(item) or "missing" in entity:
        raise NoSuchItem(qid)
    claims = inner(entity, "claims")
    return Person(
        item=item,
        label=_term(entity, "labels", languages),
        description=_term(entity, "descriptions", languages),
        is_human=any(_item(snak) == HUMAN for snak in _snaks(claims, _INSTANCE_OF)),
        portrait=_portrait(claims),
        commons_category=_category(claims),
        born=_date(claims, _BORN),
        died=_date(claims, _DIED),
        redirected_to=item if item != qid else "",
    )


def labels(client: Client, items: Sequence[str], languages: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the labels of every item in each language or its fallbacks, if it has any. Raises WikiError."""
    found: dict[str, dict[str, str]] = {}
    for ids in batches([item for item in dict.fromkeys(items) if is_item(item)]):
        for qid, entity in _entities(client, ids, languages, "labels").items():
            labels = {language: _term(entity, "labels", [language]) for language in languages}
            found[qid] = {language: label for language, label in labels.items() if label}
    return found


def search(client: Client, typed: str, language: str, limit: int = 10) -> list[ItemHit]:
    """Return items whose label or alias begins with the typed text. Raises WikiError."""
    answer = client.get(
        {
            "action": "wbsearchentities",
            "search": typed[:250],
            "language": language,
            "uselang": language,
            "type": "item",
            "limit": limit,
        },
        client.endpoints.wikidata_api,
    )
    hits = (ItemHit(text(hit, "id"), text(hit, "label"), text(hit, "description")) for hit in objects(answer, "search"))
    return [hit for hit in hits if is_item(hit.item)]


def _entities(client: Client, ids: Sequence[str], languages: Sequence[str], props: str) -> JsonObject:
    params = {"action": "wbgetentities", "ids": ids, "props": props, "languages": _fallback(languages)}
    answer = client.get({**params, "languagefallback": True}, client.endpoints.wikidata_api)
    return {qid: inner(answer, "entities", qid) for qid in ids}


def _fallback(languages: Sequence[str]) -> list[str]:
    """Return the languages and their fallbacks; `mul` contains labels that are the same in all languages."""
    return list(dict.fromkeys([*languages, "mul", "en"]))


def _term(entity: JsonObject, kind: str, languages: Sequence[str]) -> str:
    terms = (text(inner(entity, kind, language), "value", 250) for language in _fallback(languages))
    return next((term for term in terms if term), "")


def _snaks(claims: JsonObject, property_id: str) -> Iterator[JsonObject]:
    """Yield the values of a property, preferred ones first, without deprecated, "unknown value" and "no value"."""
    statements = objects(claims, property_id)
    for rank in ("preferred", "normal"):
        for statement in statements:
            if text(statement, "rank") == rank and (value := inner(statement, "mainsnak", "datavalue")):
                yield value


def _item(value: JsonObject) -> str:
    return text(inner(value, "value"), "id")


def _portrait(claims: JsonObject) -> str:
    for value in _snaks(claims, _PORTRAIT):
        try:
            return file_title(text(value, "value"))
        except InvalidName:
            continue
    return ""


def _category(claims: JsonObject) -> str:
    for value in _snaks(claims, _COMMONS_CATEGORY):
        try:
            return category_title(text(value, "value"))
        except InvalidName:
            continue
    return ""


def _date(claims: JsonObject, property_id: str) -> PartialDate | None:
    for value in _snaks(claims, property_id):
        time = inner(value, "value")
        if text(time, "time"):
            return PartialDate(text(time, "time", 40), number(time, "precision", 14))
    return None
