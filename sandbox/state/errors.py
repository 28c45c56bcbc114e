"""Errors of the action API. The answer's HTTP status is 200; only the code and a header tell them apart."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.state.model import Block, Json

FAILED = ("failed-save", "wikibase-api-failed-save", "The save has failed.")
DENIED = (
    "permissiondenied",
    "wikibase-api-permissiondenied",
    "You do not have the permissions needed to carry out this action.",
)


@dataclass
class Message:
    """A message of MediaWiki: its name, parameters and text."""

    name: str
    text: str
    parameters: list[Any] = field(default_factory=list)

    def as_json(self, version: int) -> Json:
        """The message as the API writes it; formatversion 1 wraps the text."""
        html: Any = self.text if version == 2 else {"*": self.text}
        return {"name": self.name, "parameters": self.parameters, "html": html}


@dataclass
class Part:
    """One line of the list that errorformat=plaintext (and its kin) gives."""

    code: str
    text: str
    data: Json | None = None


class ApiError(Exception):
    """An error of the action API.

    `messages` are those of Wikibase's errors, `extra` what stands beside code and info, `header` the value of
    MediaWiki-API-Error where it says more than the code, `parts` the list for the newer error formats.
    """

    def __init__(
        self,
        code: str,
        info: str,
        *,
        messages: list[Message] | None = None,
        extra: Json | None = None,
        header: str = "",
        parts: list[Part] | None = None,
        module: str | None = "",
        headers: dict[str, str] | None = None,
        docref: bool = True,
    ) -> None:
        super().__init__(f"{code}: {info}")
        self.code, self.info = code, info
        self.messages, self.extra = messages or [], extra or {}
        self.header = header or code
        self.parts = parts
        self.module = module
        self.headers = headers or {}
        self.docref = docref

    def listed(self) -> list[Part]:
        """The parts for errorformat other than bc."""
        if self.parts is not None:
            return self.parts
        data = dict(self.extra)
        if self.messages:
            data["messages"] = [message.as_json(2) for message in self.messages]
        return [Part(self.code, self.info, data or None)]


def wikibase(code: str, info: str, message: str = "", *parameters: Any, extra: Json | None = None) -> ApiError:
    """An error that Wikibase's modules make, with its message."""
    found = Message(message or f"wikibase-api-{code}", info, list(parameters))
    return ApiError(code, info, messages=[found], extra=extra)


def no_such_entity(entity_id: str) -> ApiError:
    """For a page that has no MediaInfo, is gone, or is no file: one and the same (the message itself is missing)."""
    error = wikibase("no-such-entity", "⧼no-such-entity⧽", "no-such-entity", entity_id)
    error.module = "main"
    return error


def unknown_id(entity_id: str) -> ApiError:
    """For an id that is none, in wbgetentities: it fails the whole batch."""
    info = f'Could not find an entity with the ID "{entity_id}".'
    return wikibase("no-such-entity", info, "wikibase-api-no-such-entity", entity_id, extra={"id": entity_id})


def invalid_snak() -> ApiError:
    """A value that is no value of the property's type."""
    return wikibase("invalid-snak", "Invalid snak data.")


def invalid_claim(info: str) -> ApiError:
    """A statement that is none."""
    return wikibase("invalid-claim", info, "wikibase-api-invalid-claim", info)


def invalid_guid() -> ApiError:
    """A statement id that is none, or whose statement is gone."""
    return wikibase("invalid-guid", "Invalid claim guid.")


def modification_failed(info: str, message: str = "wikibase-api-modification-failed", *parameters: Any) -> ApiError:
    """A change that Wikibase's validators refuse."""
    return wikibase("modification-failed", info, message, *(parameters or (info,)))


def edit_conflict() -> ApiError:
    """A stale baserevid whose change cannot be patched into the newest revision."""
    info = "Edit conflict. Could not patch the current revision."
    messages = [Message("wikibase-api-editconflict", info), Message("edit-conflict", "Edit conflict.")]
    return ApiError("editconflict", info, messages=messages)


def bad_revision(request_id: str) -> ApiError:
    """A baserevid from before the first MediaInfo, which somebody made meanwhile: a conflict in a fault's clothes."""
    name = "Wikibase\\Lib\\Store\\BadRevisionException"
    info = f"[{request_id}] Caught exception of type {name}"
    return ApiError(f"internal_api_error_{name}", info, extra={"errorclass": name}, docref=False)


def internal_error(request_id: str) -> ApiError:
    """A fault of the wiki's own."""
    name = "Wikimedia\\Rdbms\\DBQueryError"
    info = f"[{request_id}] Caught exception of type {name}"
    return ApiError("internal_api_error_DBQueryError", info, extra={"errorclass": name}, docref=False)


@dataclass
class Refusal:
    """Why a save was refused: code, Wikibase's message, and the message of the newer error formats."""

    code: str
    message: Message
    text: str
    data: Json | None = None
    permission: bool = True
    again: Part | None = None
    """What the newer formats say once more at the end."""


def refused(refusal: Refusal, *, early: bool) -> ApiError:
    """The answer to a refused save. wbeditentity asks for the permission first (`early`), the others while saving."""
    early = early and refusal.permission
    code, name, info = DENIED if early else FAILED
    messages = [Message(name, info), refusal.message]
    parts = [Part(code, info), Part(refusal.code, refusal.text, refusal.data)]
    header = f"{code}, {refusal.code}"
    if refusal.permission and not early:
        messages.append(Message("permissionserrors", "Permission error"))
        parts.append(Part("permissionserrors", "Permission error"))
        header += ", permissionserrors"
    if early and refusal.code == "permissiondenied":
        header, parts = code, parts[:1]
    parts.append(Part(code, info, {"messages": [message.as_json(2) for message in messages]}))
    parts += [refusal.again] if refusal.again else []
    return ApiError(code, info, messages=messages, header=header, parts=parts)


def rate_limited() -> Refusal:
    """Too many edits in the user's window."""
    text = (
        "As an anti-abuse measure, you are limited from performing this action too many times in a short space of "
        "time, and you have exceeded this limit.\nPlease try again in a few minutes."
    )
    again = Part("ratelimited", "You've exceeded your rate limit. Please wait some time and try again.")
    message = Message("actionthrottledtext", text)
    return Refusal("ratelimited", message, text.replace("\n", " "), permission=False, again=again)


def protected() -> Refusal:
    """A protected page."""
    text = "This page has been protected to prevent editing or other actions."
    return Refusal("protectedpage", Message("protectedpagetext", text, ["editprotected", "edit"]), text)


def no_right() -> Refusal:
    """An account without the right to edit, as when the grant was not given."""
    users = "[[Wikimedia Commons:Users|Users]]"
    text = f"The action you have requested is limited to users in one of the groups: *, {users}."
    message = Message("badaccess-groups", text, [{"list": ["*", users], "type": "comma"}, 2])
    return Refusal("permissiondenied", message, text)


def blocked(block: Block, user: str) -> Refusal:
    """A blocked account; a partial block has another message."""
    partial = bool(block.titles)
    kind = "is blocked from doing this" if partial else "has been blocked"
    text = (
        f"Your username or IP address {kind}. The block was made by [[User:Admin|Admin]]. The reason given is "
        f"{block.reason}. Start of block: {block.timestamp}. Expiration of block: {block.expiry}. "
        f"Intended blockee: {user}. Block ID #{block.id}."
    )
    names = ["[[User:Admin|Admin]]", block.reason, "127.0.0.1", "Admin", block.id, block.expiry, user, block.timestamp]
    message = Message("blockedtext-partial" if partial else "blockedtext", text, names)
    return Refusal("blocked", message, text, again=Part("blocked", text, {"blockinfo": block_info(block)}))


def block_info(block: Block) -> Json:
    """A block as userinfo, intestactions and errors show it."""
    return {
        "blockid": block.id,
        "blockedby": "Admin",
        "blockedbyid": 1,
        "blockreason": block.reason,
        "blockedtimestamp": block.timestamp,
        "blockexpiry": block.expiry,
        "blockpartial": bool(block.titles),
        "blocknocreate": False,
        "blockanononly": False,
        "blockemail": False,
        "blockowntalk": False,
        "blockedtimestampformatted": block.timestamp,
        "blockexpiryformatted": block.expiry,
        "blockexpiryrelative": block.expiry,
    }


def abuse_filter(action: str, description: str, number: str) -> Refusal:
    """An edit filter: `action` is "disallow" or "warn"; a warned request passes when it comes a second time."""
    code = "abusefilter-warning" if action == "warn" else "abusefilter-disallowed"
    text = (
        "This action has been automatically identified as harmful, and therefore disallowed. "
        f"A brief description of the abuse rule which your action matched is: {description}"
    )
    data = {"abusefilter": {"id": number, "description": description, "actions": [action]}}
    return Refusal(code, Message(code, text, [description, number]), text, data, permission=False)


def lost_race() -> Refusal:
    """Two writes of one page at the same moment: this one lost."""
    message = Message("edit-conflict", "Edit conflict.")
    return Refusal("editconflict", message, "Edit conflict: somebody else has changed the page.", permission=False)
