"""List modules of action=query, also usable as generators: categorymembers, search, usercontribs and users."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.action_api import search
from sandbox.action_api.api import Call
from sandbox.state import names
from sandbox.state.errors import ApiError
from sandbox.state.model import Json, Page

TYPES = {14: "subcat", 6: "file"}
ORDER = ("page", "subcat", "file")


@dataclass
class Answer:
    """The result of a list module.

    `rows`: for a list. `pages`: for a generator. `more`: continuation parameters. `beside`: other keys of the response.
    `limit`: the limit to report if "max" was requested, else 0.
    """

    rows: list[Json] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    more: dict[str, str | int] = field(default_factory=dict)
    beside: Json = field(default_factory=dict)
    limit: int = 0


List = Callable[[Call, str], Answer]


def limit_of(call: Call, name: str, module: str, default: int = 10, most: int = 500) -> tuple[int, int]:
    """Return the effective limit, and the limit to report: the same if "max" was requested, else 0.

    A limit outside 1 to `most` only adds a warning. Raises ApiError `badinteger`.
    """
    text = call.get(name) or str(default)
    if text == "max":
        return most, most
    if not text.lstrip("-").isdigit():
        raise ApiError("badinteger", f'Invalid value "{text}" for integer parameter "{name}".')
    if not 1 <= int(text) <= most:
        call.warn(module, f'The value "{text}" for parameter "{name}" must be between 1 and {most}.', "outofrange")
    return min(max(1, int(text)), most), 0


def category_members(call: Call, prefix: str) -> Answer:
    """Answer list=categorymembers; a category that does not exist gives the same result as an empty one."""
    title = _category(call, prefix)
    limit, asked_max = limit_of(call, f"{prefix}cmlimit", "categorymembers")
    types = call.get(f"{prefix}cmtype", "page|subcat|file").split("|")
    members = [call.world.state.pages[number] for number in call.world.members.get(title, ())]
    members = [page for page in members if TYPES.get(page.namespace, "page") in types]
    by_time = call.get(f"{prefix}cmsort") == "timestamp"
    order = _by_time(call, prefix, title, members) if by_time else _by_key(call, prefix, members)
    start = _start(call, prefix, order)
    shown, rest = order[start : start + limit], order[start + limit :]
    answer = Answer(pages=[page for _, page in shown], limit=asked_max)
    wanted = call.get(f"{prefix}cmprop", "ids|title").split("|")
    answer.rows = [_member(page, title, wanted) for _, page in shown]
    if rest:
        answer.more["cmcontinue"] = f"{rest[0][0]}|{rest[0][1].id}"
    return answer


def _category(call: Call, prefix: str) -> str:
    number = call.get(f"{prefix}cmpageid")
    if number.isdigit():
        page = call.world.page_of_id(int(number))
        given = page.title if page else ""
    else:
        given = call.get(f"{prefix}cmtitle")
        if not given:
            raise ApiError("missingparam", 'One of the parameters "cmtitle" and "cmpageid" is required.')
    title = names.normalise(given)
    if title is None:
        raise ApiError("invalidtitle", f'Bad title "{given}".')
    if names.namespace_of(title) != 14:
        raise ApiError("invalidcategory", "The category name you entered is not valid.")
    return title


def _by_key(call: Call, prefix: str, members: list[Page]) -> list[tuple[str, Page]]:
    def key(page: Page) -> tuple[int, str, int]:
        kind = TYPES.get(page.namespace, "page")
        return ORDER.index(kind), names.bare(page.title).upper(), page.id

    backwards = call.get(f"{prefix}cmdir") in ("desc", "descending", "older")
    ordered = sorted(members, key=key, reverse=backwards)
    return [(f"{ORDER[key(page)[0]]}|{key(page)[1].encode().hex()}", page) for page in ordered]


def _by_time(call: Call, prefix: str, title: str, members: list[Page]) -> list[tuple[str, Page]]:
    backwards = call.get(f"{prefix}cmdir") in ("desc", "descending", "older")
    start, end = _moment(call.get(f"{prefix}cmstart")), _moment(call.get(f"{prefix}cmend"))
    if backwards:
        start, end = end, start
    rows = [(_digits(page.categories[title]), page) for page in members]
    rows = [row for row in rows if (not start or row[0] >= start) and (not end or row[0] <= end)]
    return sorted(rows, key=lambda row: (row[0], row[1].id), reverse=backwards)


def _digits(stamp: str) -> str:
    return "".join(character for character in stamp if character.isdigit())


def _moment(text: str) -> str:
    """Return a timestamp as 14 digits, or "" if none was sent. Raises ApiError `badtimestamp`."""
    digits = _digits(text)
    if text and len(digits) < 14:
        raise ApiError("badtimestamp", f'Invalid value "{text}" for timestamp parameter.')
    return digits[:14]


def _start(call: Call, prefix: str, order: list[tuple[str, Page]]) -> int:
    text = call.get(f"{prefix}cmcontinue")
    if not text:
        return 0
    if text.count("|") not in (1, 2) or not text.rpartition("|")[2].isdigit():
        info = "Invalid continue param. You should pass the original value returned by the previous query."
        raise ApiError("badcontinue", info)
    key, _, number = text.rpartition("|")
    wanted = (_rank(key), int(number))
    backwards = call.get(f"{prefix}cmdir") in ("desc", "descending", "older")
    for index, (mark, page) in enumerate(order):
        here = (_rank(mark), page.id)
        if (here <= wanted) if backwards else (here >= wanted):
            return index
    return len(order)


def _rank(mark: str) -> tuple[int, str]:
    kind, _, key = mark.partition("|")
    return (ORDER.index(kind), key) if kind in ORDER else (0, mark)


def _member(page: Page, category: str, wanted: list[str]) -> Json:
    row: Json = {}
    if "ids" in wanted:
        row["pageid"] = page.id
    if "title" in wanted:
        row |= {"ns": page.namespace, "title": page.title}
    if "sortkey" in wanted:
        row["sortkey"] = names.bare(page.title).upper().encode().hex()
    if "sortkeyprefix" in wanted:
        row["sortkeyprefix"] = ""
    if "type" in wanted:
        row["type"] = TYPES.get(page.namespace, "page")
    if "timestamp" in wanted:
        row["timestamp"] = page.categories[category]
    return row


def search_pages(call: Call, prefix: str) -> Answer:
    """Answer list=search with CirrusSearch's keywords (see `search.find`)."""
    text = call.get(f"{prefix}srsearch")
    if not text:
        raise ApiError("missingparam", 'The "srsearch" parameter must be set.')
    limit, asked_max = limit_of(call, f"{prefix}srlimit", "search")
    spaces = {int(one) for one in call.many(f"{prefix}srnamespace", "0") if one.isdigit()}
    start = int(call.get(f"{prefix}sroffset") or 0)
    for name in ("srinfo", "srsort", "srqiprofile", "srwhat", "srenablerewrites"):
        call.get(prefix + name)
    found = search.find(call.world, text, spaces)
    shown = found[start : start + limit]
    answer = Answer(pages=shown, limit=asked_max, beside={"searchinfo": {"totalhits": len(found)}})
    wanted = call.get(f"{prefix}srprop", "size|wordcount|timestamp|snippet").split("|")
    answer.rows = [_hit(page, wanted) for page in shown]
    if len(found) > start + limit and start + limit < search.DEEPEST:
        answer.more["sroffset"] = start + limit
    return answer


def _hit(page: Page, wanted: list[str]) -> Json:
    text = page.last.text
    row: Json = {"ns": page.namespace, "title": page.title, "pageid": page.id}
    row |= {"size": len(text)} if "size" in wanted else {}
    row |= {"wordcount": len(text.split())} if "wordcount" in wanted else {}
    row |= {"snippet": text[:100]} if "snippet" in wanted else {}
    return row | ({"timestamp": page.last.timestamp} if "timestamp" in wanted else {})


def contributions(call: Call, prefix: str) -> Answer:
    """Answer list=usercontribs for one user, newest first."""
    name = call.get(f"{prefix}ucuser")
    limit, asked_max = limit_of(call, f"{prefix}uclimit", "usercontribs")
    wanted = call.get(f"{prefix}ucprop", "ids|title|timestamp|comment|size|flags").split("|")
    start = call.get(f"{prefix}uccontinue").rpartition("|")[2]
    rows = [
        (revision.id, page)
        for page in call.world.state.pages.values()
        for revision in page.revisions
        if revision.user == name and not page.deleted and (not start or revision.id <= int(start))
    ]
    rows.sort(key=lambda row: -row[0])
    answer = Answer(limit=asked_max, pages=[page for _, page in rows[:limit]])
    answer.rows = [_contribution(call, number, page, wanted) for number, page in rows[:limit]]
    if len(rows) > limit:
        following = rows[limit][1].revision(rows[limit][0])
        answer.more["uccontinue"] = f"{_digits(following.timestamp if following else '')}|{rows[limit][0]}"
    return answer


def _contribution(call: Call, number: int, page: Page, wanted: list[str]) -> Json:
    revision = page.revision(number)
    if revision is None:
        return {}
    user = call.world.user(revision.user)
    row: Json = {"userid": user.id, "user": user.name}
    if "ids" in wanted:
        row |= {"pageid": page.id, "revid": revision.id, "parentid": revision.parent}
    row |= {"ns": page.namespace, "title": page.title} if "title" in wanted else {}
    row |= {"timestamp": revision.timestamp} if "timestamp" in wanted else {}
    if "flags" in wanted:
        row |= {"new": revision.parent == 0, "minor": False, "top": revision is page.last}
    row |= {"comment": revision.comment} if "comment" in wanted else {}
    row |= {"size": len(revision.text)} if "size" in wanted else {}
    return row | ({"tags": revision.tags} if "tags" in wanted else {})


def users(call: Call, prefix: str) -> Answer:
    """Answer list=users for names and ids."""
    asked, numbers = call.many(f"{prefix}ususers"), call.many(f"{prefix}ususerids")
    props = call.get(f"{prefix}usprop").split("|")
    known = call.world.state.users
    rows: list[Json] = []
    for name in asked:
        rows.append({"userid": known[name].id, "name": name} if name in known else {"name": name, "missing": True})
    for number in numbers:
        found = next((user for user in known.values() if str(user.id) == number), None)
        rows.append({"userid": found.id, "name": found.name} if found else {"userid": int(number), "missing": True})
    for row in rows:
        user = known.get(row.get("name", ""))
        if user:
            row |= {"editcount": user.edits} if "editcount" in props else {}
            row |= {"groups": user.groups} if "groups" in props else {}
            row |= {"registration": user.registered} if "registration" in props else {}
    return Answer(rows=rows)


LISTS: dict[str, List] = {
    "categorymembers": category_members,
    "search": search_pages,
    "usercontribs": contributions,
    "users": users,
}
