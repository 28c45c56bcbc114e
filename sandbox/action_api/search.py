"""Search with CirrusSearch's keywords: haswbstatement, incategory, deepcategory, intitle, filetype, filemime.

Words without a keyword are matched against title and text; "-" negates a word.
"""

import re
from collections.abc import Callable

from sandbox.state import names
from sandbox.state.model import Page
from sandbox.state.world import World

DEEPEST = 10_000
DEEPCATEGORY_LIMIT = 256
_WORD = re.compile(r'(-?)(?:(\w+):)?("(?:[^"\\]|\\.)*"|\S+)')
Test = Callable[[Page], bool]


def find(world: World, text: str, namespaces: set[int]) -> list[Page]:
    """Return the pages that match all words of the query, ordered by page id."""
    tests = [_test(world, minus, keyword, _unquoted(value)) for minus, keyword, value in _words(text)]
    pages = (page for page in world.state.pages.values() if not page.deleted and not page.redirect)
    return [page for page in pages if page.namespace in namespaces and all(test(page) for test in tests)]


def _words(text: str) -> list[tuple[str, str, str]]:
    """Split a query into (minus or "", keyword or "", value) for each word; a value may be quoted."""
    return [(minus, keyword, value) for minus, keyword, value in _WORD.findall(text)]


def _unquoted(value: str) -> str:
    bare = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return re.sub(r"\\(.)", r"\1", bare)


def _test(world: World, minus: str, keyword: str, value: str) -> Test:
    kinds: dict[str, Callable[[World, str], Test]] = {
        "haswbstatement": _has_statement,
        "incategory": _in_category,
        "deepcategory": _in_deep_category,
        "deepcat": _in_deep_category,
        "intitle": lambda _, words: lambda page: words.lower() in page.title.lower(),
        "filetype": _file_type,
        "filemime": _file_mime,
    }
    test = kinds[keyword](world, value) if keyword in kinds else _plain(f"{keyword}:{value}" if keyword else value)
    return (lambda page: not test(page)) if minus else test


def _plain(word: str) -> Test:
    lower = word.lower()
    return lambda page: lower in f"{page.title} {page.last.text}".lower()


def _has_statement(world: World, value: str) -> Test:
    wanted = [part.partition("=") for part in value.split("|")]

    def test(page: Page) -> bool:
        entity = page.last.entity
        if entity is None:
            return False
        for prop, _, item in wanted:
            group = entity.statements.get(prop, [])
            if group and (not item or any(_value(one) == item for one in group)):
                return True
        return False

    return test


def _value(statement: dict[str, object]) -> str:
    snak = statement["mainsnak"]
    value = snak.get("datavalue", {}).get("value", "") if isinstance(snak, dict) else ""
    return str(value["id"]) if isinstance(value, dict) and "id" in value else str(value)


def _in_category(world: World, value: str) -> Test:
    wanted = {names.normalise(f"Category:{one}") for one in value.split("|")}
    return lambda page: bool(wanted & set(page.categories))


def _in_deep_category(world: World, value: str) -> Test:
    below = below_category(world, names.normalise(f"Category:{value}") or "")
    return lambda page: bool(below & set(page.categories))


def below_category(world: World, title: str, limit: int = DEEPCATEGORY_LIMIT) -> set[str]:
    """Return a category and its subcategories, breadth first, until `limit` is reached; loops are followed once."""
    seen, queue = {title}, [title]
    while queue and len(seen) < limit:
        for number in sorted(world.members.get(queue.pop(0), ())):
            child = world.state.pages[number]
            if child.namespace == 14 and child.title not in seen:
                seen.add(child.title)
                queue.append(child.title)
    return seen


def _file_type(world: World, value: str) -> Test:
    return lambda page: bool(page.versions) and world.pictures.facts(page.versions[-1]).media_type == value.upper()


def _file_mime(world: World, value: str) -> Test:
    return lambda page: bool(page.versions) and world.pictures.facts(page.versions[-1]).mime == value
