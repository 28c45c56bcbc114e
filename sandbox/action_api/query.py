"""The module action=query: the set of requested pages, their properties, lists, meta data and continuation."""

from dataclasses import dataclass, field

from sandbox.action_api import lists, meta, props
from sandbox.action_api.api import Action, Call
from sandbox.state import names
from sandbox.state.errors import ApiError
from sandbox.state.model import Json, Page


@dataclass
class PageSet:
    """The pages requested by titles, ids or a generator, with normalised titles and resolved redirects."""

    pages: list[Page] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    missing_ids: list[int] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    normalised: list[Json] = field(default_factory=list)
    redirects: list[Json] = field(default_factory=list)
    generated: bool = False


def query(call: Call) -> Json:
    """Answer action=query."""
    body: Json = {}
    more: dict[str, str | int] = {}
    result: Json = {}
    limits: dict[str, int] = {}
    call.get("continue")
    page_set = _requested_pages(call, more, limits)
    whole = True
    if page_set:
        whole = _pages(call, page_set, result, more)
    for name in call.many("list"):
        _list(call, name, result, more, limits)
    for name in call.many("meta"):
        if name not in meta.METAS:
            call.warn("query", f'Unrecognized value for parameter "meta": {name}', "unrecognizedvalues")
            continue
        result |= meta.METAS[name](call)
    if whole:
        body["batchcomplete"] = True
    if more:
        body["continue"] = _continue(more, whole)
    body |= {"limits": limits} if limits else {}
    return body | ({"query": result} if result else {})


def _continue(more: dict[str, str | int], whole: bool) -> Json:
    mark = "||"
    if whole:
        generators = [name for name in more if name.startswith("g")]
        mark = f"{generators[0]}||" if generators else "-||"
    return {**more, "continue": mark}


def _list(call: Call, name: str, result: Json, more: dict[str, str | int], limits: dict[str, int]) -> None:
    found = lists.LISTS.get(name)
    if found is None:
        call.warn("query", f'Unrecognized value for parameter "list": {name}', "unrecognizedvalues")
        return
    answer = found(call, "")
    result |= {name: answer.rows} | answer.beside
    more |= answer.more
    if answer.limit:
        limits[name] = answer.limit


def _requested_pages(call: Call, more: dict[str, str | int], limits: dict[str, int]) -> PageSet | None:
    generator = call.get("generator")
    if generator:
        return _generated(call, generator, more, limits)
    titles, ids, revisions = call.many("titles"), call.many("pageids"), call.many("revids")
    if titles:
        return _resolved(call, _by_titles(call, titles))
    if ids or revisions:
        return _resolved(call, _by_ids(call, ids, revisions))
    return None


def _generated(call: Call, name: str, more: dict[str, str | int], limits: dict[str, int]) -> PageSet:
    found = lists.LISTS.get(name)
    if found is None:
        raise ApiError("badvalue", f'Unrecognized value for parameter "generator": {name}.')
    answer = found(call, "g")
    if answer.limit:
        limits[name] = answer.limit
    call.later = {f"g{key}": value for key, value in answer.more.items()}
    pages = sorted(answer.pages, key=lambda page: page.id)
    return _resolved(call, PageSet(pages=pages, generated=True))


def _by_titles(call: Call, titles: list[str]) -> PageSet:
    page_set = PageSet()
    for given in titles:
        title = names.normalise(given)
        if title is None:
            page_set.invalid.append(given)
            continue
        if title != given:
            page_set.normalised.append({"fromencoded": False, "from": given, "to": title})
        page = call.world.page(title)
        if page is None:
            page_set.missing.append(title)
        elif page not in page_set.pages:
            page_set.pages.append(page)
    return page_set


def _by_ids(call: Call, ids: list[str], revisions: list[str]) -> PageSet:
    page_set = PageSet()
    for text in ids:
        if not text.isdigit():
            raise ApiError("badinteger", f'Invalid value "{text}" for integer parameter "pageids".')
        page = call.world.page_of_id(int(text))
        if page is None:
            page_set.missing_ids.append(int(text))
        elif page not in page_set.pages:
            page_set.pages.append(page)
    wanted = {int(text) for text in revisions if text.isdigit()}
    for page in call.world.state.pages.values() if wanted else ():
        if not page.deleted and any(revision.id in wanted for revision in page.revisions):
            page_set.pages.append(page)
    return page_set


def _resolved(call: Call, page_set: PageSet) -> PageSet:
    if not call.has("redirects"):
        return page_set
    kept: list[Page] = []
    for page in page_set.pages:
        target = call.world.page(page.redirect) if page.redirect else page
        if page.redirect:
            page_set.redirects.append({"from": page.title, "to": page.redirect})
        if target is not None and target not in kept:
            kept.append(target)
        elif target is None and page.redirect:
            page_set.missing.append(page.redirect)
    page_set.pages = kept
    return page_set


def _pages(call: Call, page_set: PageSet, result: Json, more: dict[str, str | int]) -> bool:
    """Add the pages and their properties to `result`; return False if a property has to be continued."""
    if page_set.normalised:
        result["normalized"] = page_set.normalised
    if page_set.redirects:
        result["redirects"] = page_set.redirects
    found: list[Json] = [
        {"ns": names.namespace_of(title), "title": title, "missing": True} for title in page_set.missing
    ]
    found += [{"pageid": number, "missing": True} for number in page_set.missing_ids]
    found += [
        {"title": title, "invalidreason": "The requested page title contains invalid characters.", "invalid": True}
        for title in page_set.invalid
    ]
    gone = len(found)
    pages = sorted(page_set.pages, key=lambda page: page.id)
    found += [{"pageid": page.id, "ns": page.namespace, "title": page.title} for page in pages]
    wanted = call.many("prop")
    whole = True
    for name in wanted:
        prop = props.PROPS.get(name)
        if prop is None:
            call.warn("query", f'Unrecognized value for parameter "prop": {name}', "unrecognizedvalues")
            continue
        asked = props.Asked(call, list(zip(pages, found[gone:], strict=True)), found[:gone], page_set.generated)
        started = prop(asked)
        more |= started
        whole = whole and not started
    if whole:
        more |= call.later
    if found:
        result["pages"] = found if call.version == 2 else _keyed(found)
    return whole


def _keyed(found: list[Json]) -> Json:
    """Return pages as formatversion 1 does: an object keyed by page id, with -1, -2, ... for missing titles."""
    keyed: Json = {}
    number = 0
    for page in found:
        if "pageid" not in page:
            number -= 1
        keyed[str(page.get("pageid", number))] = page
    return keyed


ACTIONS = {"query": Action(query)}
