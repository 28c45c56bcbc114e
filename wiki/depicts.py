"""Reading and writing depicts statements (P180) of files on Commons.

Writes are for one statement each, name the revision they are based on and the account's login, and carry a GUID of ours,
so that a repeated request cannot write twice. None is repeated here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from wiki import files, names
from wiki.answers import JsonObject, inner, number, objects, text
from wiki.captions import read_captions
from wiki.client import Client, Params, batches
from wiki.errors import Reason, Reread, StopBatch, Wait
from wiki.files import FileInfo, MissingFile
from wiki.names import Box, InvalidName, is_item, region
from wiki.statements import (
    DEPICTS,
    POSITION,
    Entity,
    Statement,
    denying,
    foreign,
    ours,
    positions,
    read_statement,
    read_statements_of,
    statement_json,
    stating,
    twice,
    untouched,
)

__all__ = [
    "DEPICTS",
    "POSITION",
    "Entity",
    "Statement",
    "UserInfo",
    "Written",
    "add_qualifier",
    "add_statement",
    "csrf_token",
    "denying",
    "foreign",
    "new_statement_id",
    "ours",
    "positions",
    "read_files",
    "read_statement",
    "read_statements",
    "remove_statement",
    "stating",
    "summary",
    "twice",
    "untouched",
    "user_info",
]

_MOST_SUMMARY_CHARACTERS = 400  # of 500; the wiki puts its own words before ours
_ANONYMOUS_TOKEN = "+\\"  # noqa: S105
_LARGEST_REVISION = 2**63
_NARROWING = ("newbie", "ip", "ip-all", "subnet", "subnet-all", "user-global")


@dataclass(frozen=True)
class Written:
    """`patched`: somebody edited meanwhile and the wiki merged both; read again. `nothing`: it was there already."""

    revision: int
    patched: bool
    nothing: bool = False


@dataclass(frozen=True)
class UserInfo:
    """The account as the wiki sees it. `central_id` is the same on all wikis, `id` is this wiki's.

    `edit_limit`: (edits, seconds); None where there is none. `blocked`: from all pages.
    """

    id: int
    central_id: int
    name: str
    blocked: bool
    blocked_partially: bool
    block_reason: str
    block_expiry: str
    edit_limit: tuple[int, int] | None
    rights: frozenset[str]

    @property
    def may_edit(self) -> bool:
        return "edit" in self.rights and not self.blocked


def read_statements(client: Client, page_ids: Sequence[int], *, bearer: str = "") -> dict[int, Entity]:
    """Every page asked for, by page id, with its captions, 50 in a request. Raises WikiError.

    The pages are asked before the entities: where there is no entity yet, the base revision is then never newer than
    what was seen.
    """
    found: dict[int, Entity] = {}
    for ids in batches(list(dict.fromkeys(page_ids))):
        pages = _pages(client, ids, bearer)
        entities = _entities(client, ids, bearer)
        found |= {page_id: _entity(page_id, pages.get(page_id, {}), entities) for page_id in ids}
    return found


def read_files(client: Client, page_ids: Sequence[int]) -> dict[int, tuple[Entity, FileInfo | MissingFile]]:
    """The same, and the files as they are now, in as many requests. Raises WikiError."""
    found: dict[int, tuple[Entity, FileInfo | MissingFile]] = {}
    for ids in batches(list(dict.fromkeys(page_ids))):
        pages = files.described(client, ids)
        entities = _entities(client, ids, "")
        for page_id in ids:
            found[page_id] = (_entity(page_id, pages.get(page_id, {}), entities), files.file_of(page_id, pages))
    return found


def new_statement_id(page_id: int, uuid: UUID) -> str:
    """`M123$UUID`, to be stored before it is sent."""
    return names.statement_id(page_id, uuid)


def summary_words(action: Literal["add", "remove", "qualify", "duplicate"], item: str, label: str) -> str:
    """What an edit's summary says of it, in English as everybody on Commons reads it."""
    verbs = {
        "add": "depicts",
        "remove": "does not depict",
        "qualify": "position of",
        "duplicate": "second statement of",
    }
    return f"{verbs[action]} [[d:{item}|{label}]], seen with WikiVisage"


def summary(words: str, batch: str) -> str:
    """The edit summary: the words, cut where they are too long, and the link to the batch."""
    link = names.batch_link(batch)
    return f"{words[: _MOST_SUMMARY_CHARACTERS - len(link) - 1].rstrip()} {link}"


def add_statement(
    client: Client,
    bearer: str,
    csrf: str,
    page_id: int,
    item: str,
    statement_id: str,
    base_revision: int,
    summary: str,
    *,
    box: Box | None = None,
    rank: str = "normal",
) -> Written:
    """Write that the file depicts the item, by one wbeditentity. Raises WikiError; InvalidName before anything is sent."""
    if not is_item(item):
        raise InvalidName(item)
    data = {"claims": [statement_json(statement_id, item, rank, box)]}
    params: Params = {
        "action": "wbeditentity",
        "id": names.entity_id(page_id),
        "data": json.dumps(data, ensure_ascii=False),
        "summary": summary,
    }
    answer = _write(client, bearer, csrf, base_revision, params)
    entity = inner(answer, "entity")
    stands = any(found.id == statement_id and found.item == item for found in read_statements_of(entity))
    if not stands:
        raise Reread(Reason.OUTCOME_UNKNOWN, "statement-not-in-answer", statement_id)
    return _written(answer, entity, "wbeditentity")


def remove_statement(
    client: Client, bearer: str, csrf: str, statement_id: str, base_revision: int, summary: str
) -> Written:
    """Remove the statement. Raises WikiError; Reread `statement_gone` where it is not there."""
    params: Params = {"action": "wbremoveclaims", "claim": statement_id, "summary": summary}
    answer = _write(client, bearer, csrf, base_revision, params)
    return _written(answer, inner(answer, "pageinfo"), "wbremoveclaims")


def add_qualifier(
    client: Client, bearer: str, csrf: str, statement_id: str, box: Box, base_revision: int, summary: str
) -> Written:
    """Add the position to a statement that is there. Raises WikiError; Reread where it may carry it already."""
    params: Params = {
        "action": "wbsetqualifier",
        "claim": statement_id,
        "property": POSITION,
        "snaktype": "value",
        "value": json.dumps(region(box)),
        "summary": summary,
    }
    answer = _write(client, bearer, csrf, base_revision, params)
    if region(box) not in positions(read_statement(inner(answer, "claim"))):
        raise Reread(Reason.OUTCOME_UNKNOWN, "qualifier-not-in-answer", statement_id)
    return _written(answer, inner(answer, "pageinfo"), "wbsetqualifier")


def csrf_token(client: Client, bearer: str) -> str:
    """A token for writing, good as long as this access token. Raises WikiError."""
    params: Params = {"action": "query", "meta": "tokens", "type": "csrf", "assert": "user"}
    token = text(inner(client.get(params, bearer=bearer), "query", "tokens"), "csrftoken", 200)
    if not token:
        raise Wait(Reason.NOT_JSON, "no-token", "no token in the answer")
    if token == _ANONYMOUS_TOKEN:
        raise StopBatch(Reason.WRONG_ACCOUNT, "anonymous-token", "the wiki does not see the login")
    return token


def user_info(client: Client, bearer: str) -> UserInfo:
    """Whom the wiki takes us for. Raises WikiError."""
    params: Params = {"action": "query", "meta": "userinfo", "uiprop": "blockinfo|ratelimits|rights|centralids"}
    info = inner(client.get({**params, "assert": "user"}, bearer=bearer), "query", "userinfo")
    user = number(info, "id")
    if not user or "anon" in info:
        raise StopBatch(Reason.WRONG_ACCOUNT, "anonymous", "the wiki does not see the login")
    blocked = bool(number(info, "blockid") or text(info, "blockedby"))
    partially = info.get("blockpartial") is True
    rights = info.get("rights")
    return UserInfo(
        id=user,
        central_id=number(inner(info, "centralids"), "CentralAuth") or user,
        name=text(info, "name", 255),
        blocked=blocked and not partially,
        blocked_partially=partially,
        block_reason=text(info, "blockreason", 500),
        block_expiry=text(info, "blockexpiry", 40),
        edit_limit=_edit_limit(info),
        rights=frozenset(right for right in rights if isinstance(right, str))
        if isinstance(rights, list)
        else frozenset(),
    )


def _pages(client: Client, ids: Sequence[int], bearer: str) -> dict[int, JsonObject]:
    pages: dict[int, JsonObject] = {}
    for answer in client.query({"prop": "info", "inprop": "protection", "pageids": ids}, bearer=bearer):
        for page in objects(answer.get("query"), "pages"):
            pages.setdefault(number(page, "pageid"), {}).update(page)
    return pages


def _entities(client: Client, ids: Sequence[int], bearer: str) -> JsonObject:
    wanted = [names.entity_id(page_id) for page_id in ids]
    params: Params = {"action": "wbgetentities", "ids": wanted, "props": "info|claims|labels"}
    return inner(client.get(params, bearer=bearer), "entities")


def _entity(page_id: int, page: JsonObject, entities: JsonObject) -> Entity:
    raw = inner(entities, names.entity_id(page_id))
    there = bool(raw) and "missing" not in raw
    redirect = bool(page.get("redirect"))
    revision = number(raw, "lastrevid", _LARGEST_REVISION) if there else 0
    return Entity(
        page_id=page_id,
        exists=bool(page) and not page.get("missing") and number(page, "ns") == 6 and not redirect,
        has_mediainfo=there,
        last_revision=revision or number(page, "lastrevid", _LARGEST_REVISION),
        statements=read_statements_of(raw) if there else (),
        title=text(page, "title", 300),
        redirect=redirect,
        captions=read_captions(raw) if there else {},
        protection=next((text(p, "level") for p in objects(page, "protection") if text(p, "type") == "edit"), ""),
    )


def _write(client: Client, bearer: str, csrf: str, base_revision: int, params: Params) -> JsonObject:
    """Sends one write. Raises WikiError; Reread where the wiki did not say that it succeeded."""
    answer = client.post({**params, "baserevid": base_revision, "assert": "user", "token": csrf}, bearer=bearer)
    if answer.get("success") != 1:
        raise Reread(Reason.OUTCOME_UNKNOWN, "no-success", str(params["action"]))
    return answer


def _written(answer: JsonObject, where: JsonObject, module: str) -> Written:
    revision = number(where, "lastrevid", _LARGEST_REVISION)
    nothing = "nochange" in where or "nochange" in answer
    if not revision and not nothing:
        raise Reread(Reason.OUTCOME_UNKNOWN, "no-revision", module)
    warnings = objects(inner(answer, "warnings", module), "messages")
    patched = any(text(warning, "name") == "wikibase-conflict-patched" for warning in warnings)
    return Written(revision, patched, nothing)


def _edit_limit(info: JsonObject) -> tuple[int, int] | None:
    """The loosest of the account's and its groups' limits, and then the narrowest with those of the address and of
    new accounts, as MediaWiki applies them."""
    limits = inner(info, "ratelimits", "edit")
    found = {name: (number(limit, "hits"), number(limit, "seconds")) for name, limit in limits.items()}
    narrowing = [pair for name, pair in found.items() if name in _NARROWING and all(pair)]
    widening = [pair for name, pair in found.items() if name not in _NARROWING and all(pair)]
    account = [max(widening, key=_pace)] if widening else []
    return min([*account, *narrowing], key=_pace, default=None)


def _pace(limit: tuple[int, int]) -> float:
    return limit[0] / limit[1]
