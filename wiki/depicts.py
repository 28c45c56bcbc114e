"""Read and write depicts statements (P180) of files on Commons.

Each write is for one statement and carries its base revision, `assert=user` and, for a new statement, a GUID made by
this program, so that a repeated request cannot write twice. No write is repeated here.
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

_MOST_SUMMARY_CHARACTERS = 400  # of 500; the wiki puts a text of its own before ours
_ANONYMOUS_TOKEN = "+\\"  # noqa: S105
_LARGEST_REVISION = 2**63
# Rate limits that apply in addition to the one of the account.
_NARROWING = ("newbie", "ip", "ip-all", "subnet", "subnet-all", "user-global")


@dataclass(frozen=True)
class Written:
    """Result of a write. `patched`: the wiki merged it with another edit; read again. `nothing`: was already stored."""

    revision: int
    patched: bool
    nothing: bool = False


@dataclass(frozen=True)
class UserInfo:
    """The account as the wiki sees it. `central_id`: the same on all wikis; `id`: on this wiki.

    `edit_limit`: (edits, seconds), None without a limit. `blocked`: from all pages.
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
    """Return every requested page by page id, with its captions, 50 in one request. Raises WikiError.

    Pages are read before their entities, so that the base revision of a file without an entity is never newer than the
    state that was read.
    """
    found: dict[int, Entity] = {}
    for ids in batches(list(dict.fromkeys(page_ids))):
        pages = _pages(client, ids, bearer)
        entities = _entities(client, ids, bearer)
        found |= {page_id: _entity(page_id, pages.get(page_id, {}), entities) for page_id in ids}
    return found


def read_files(client: Client, page_ids: Sequence[int]) -> dict[int, tuple[Entity, FileInfo | MissingFile]]:
    """Return what `read_statements` does and the current files, in the same number of requests. Raises WikiError."""
    found: dict[int, tuple[Entity, FileInfo | MissingFile]] = {}
    for ids in batches(list(dict.fromkeys(page_ids))):
        pages = files.described(client, ids)
        entities = _entities(client, ids, "")
        for page_id in ids:
            found[page_id] = (_entity(page_id, pages.get(page_id, {}), entities), files.file_of(page_id, pages))
    return found


def new_statement_id(page_id: int, uuid: UUID) -> str:
    """Return a new statement's GUID, `M123$UUID`. Store it before sending it."""
    return names.statement_id(page_id, uuid)


def summary_words(action: Literal["add", "remove", "qualify", "duplicate"], item: str, label: str) -> str:
    """Return the description of an edit for its summary, in English because all users of Commons see it."""
    verbs = {
        "add": "depicts",
        "remove": "does not depict",
        "qualify": "position of",
        "duplicate": "second statement of",
    }
    return f"{verbs[action]} [[d:{item}|{label}]], seen with WikiVisage"


def summary(words: str, batch: str) -> str:
    """Return the edit summary: the words, cut if they are too long, and the link to the batch."""
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
    """Add a depicts statement with one wbeditentity. Raises WikiError; InvalidName before anything is sent."""
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
    stored = any(found.id == statement_id and found.item == item for found in read_statements_of(entity))
    if not stored:
        raise Reread(Reason.OUTCOME_UNKNOWN, "statement-not-in-answer", statement_id)
    return _written(answer, entity, "wbeditentity")


def remove_statement(
    client: Client, bearer: str, csrf: str, statement_id: str, base_revision: int, summary: str
) -> Written:
    """Remove a statement. Raises WikiError; Reread `statement_gone` if it does not exist."""
    params: Params = {"action": "wbremoveclaims", "claim": statement_id, "summary": summary}
    answer = _write(client, bearer, csrf, base_revision, params)
    return _written(answer, inner(answer, "pageinfo"), "wbremoveclaims")


def add_qualifier(
    client: Client, bearer: str, csrf: str, statement_id: str, box: Box, base_revision: int, summary: str
) -> Written:
    """Add the position to an existing statement. Raises WikiError; Reread if it may already have the position."""
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
    """Return a CSRF token for writes, valid as long as this access token. Raises WikiError."""
    params: Params = {"action": "query", "meta": "tokens", "type": "csrf", "assert": "user"}
    token = text(inner(client.get(params, bearer=bearer), "query", "tokens"), "csrftoken", 200)
    if not token:
        raise Wait(Reason.NOT_JSON, "no-token", "the answer contains no token")
    if token == _ANONYMOUS_TOKEN:
        raise StopBatch(Reason.WRONG_ACCOUNT, "anonymous-token", "the wiki does not recognise the account")
    return token


def user_info(client: Client, bearer: str) -> UserInfo:
    """Return the account that the wiki recognises by the access token. Raises WikiError."""
    params: Params = {"action": "query", "meta": "userinfo", "uiprop": "blockinfo|ratelimits|rights|centralids"}
    info = inner(client.get({**params, "assert": "user"}, bearer=bearer), "query", "userinfo")
    user = number(info, "id")
    if not user or "anon" in info:
        raise StopBatch(Reason.WRONG_ACCOUNT, "anonymous", "the wiki does not recognise the account")
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
    has_mediainfo = bool(raw) and "missing" not in raw
    redirect = bool(page.get("redirect"))
    revision = number(raw, "lastrevid", _LARGEST_REVISION) if has_mediainfo else 0
    return Entity(
        page_id=page_id,
        exists=bool(page) and not page.get("missing") and number(page, "ns") == 6 and not redirect,
        has_mediainfo=has_mediainfo,
        last_revision=revision or number(page, "lastrevid", _LARGEST_REVISION),
        statements=read_statements_of(raw) if has_mediainfo else (),
        title=text(page, "title", 300),
        redirect=redirect,
        captions=read_captions(raw) if has_mediainfo else {},
        protection=next((text(p, "level") for p in objects(page, "protection") if text(p, "type") == "edit"), ""),
    )


def _write(client: Client, bearer: str, csrf: str, base_revision: int, params: Params) -> JsonObject:
    """Send one write. Raises WikiError; Reread if the answer does not report success."""
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
    """Return the limit that MediaWiki applies, as (edits, seconds); None without one.

    The highest limit of the account and its groups counts; those of the IP address and of new accounts can lower it.
    """
    limits = inner(info, "ratelimits", "edit")
    found = {name: (number(limit, "hits"), number(limit, "seconds")) for name, limit in limits.items()}
    narrowing = [pair for name, pair in found.items() if name in _NARROWING and all(pair)]
    widening = [pair for name, pair in found.items() if name not in _NARROWING and all(pair)]
    account = [max(widening, key=_pace)] if widening else []
    return min([*account, *narrowing], key=_pace, default=None)


def _pace(limit: tuple[int, int]) -> float:
    return limit[0] / limit[1]
