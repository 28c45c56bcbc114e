"""Errors of the action API. Their HTTP status is 200; only the error code and a header identify them."""

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
    """A MediaWiki interface message: name, text and parameters."""

    name: str
    text: str
    parameters: list[Any] = field(default_factory=list)

    def as_json(self, version: int) -> Json:
        """Return the message in the API's format; formatversion 1 wraps the text in an object."""
        html: Any = self.text if version == 2 else {"*": self.text}
        return {"name": self.name, "parameters": self.parameters, "html": html}


@dataclass
class Part:
    """One entry of the list of errors in the error formats other than bc, for example plaintext."""

    code: str
    text: str
    data: Json | None = None


class ApiError(Exception):
    """An error of the action API.

    `messages`: Wikibase's messages. `extra`: further keys beside `code` and `info`. `header`: value of the header
    MediaWiki-API-Error if it differs from the code. `parts`: the list of errors for the error formats other than bc.
    `module`: path of the module that is reported, "" for the requested action and None for none.
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
        """Return the list of errors for the error formats other than bc."""
        if self.parts is not None:
            return self.parts
        data = dict(self.extra)
        if self.messages:
            data["messages"] = [message.as_json(2) for message in self.messages]
        return [Part(self.code, self.info, data or None)]


def wikibase(code: str, info: str, message: str = "", *parameters: Any, extra: Json | None = None) -> ApiError:
    """Return an error of Wikibase's API modules with its message."""
    found = Message(message or f"wikibase-api-{code}", info, list(parameters))
    return ApiError(code, info, messages=[found], extra=extra)


def no_such_entity(entity_id: str) -> ApiError:
    """Return the error for a page that does not exist, is not a file or has no MediaInfo.

    The real wiki does not define the message, so its name in "⧼⧽" takes the place of the text.
    """
    error = wikibase("no-such-entity", "⧼no-such-entity⧽", "no-such-entity", entity_id)
    error.module = "main"
    return error


def unknown_id(entity_id: str) -> ApiError:
    """Return the error for an invalid id in wbgetentities; one such id fails the whole request."""
    info = f'Could not find an entity with the ID "{entity_id}".'
    return wikibase("no-such-entity", info, "wikibase-api-no-such-entity", entity_id, extra={"id": entity_id})


def invalid_snak() -> ApiError:
    """Return the error for a value that does not have the property's data type."""
    return wikibase("invalid-snak", "Invalid snak data.")


def invalid_claim(info: str) -> ApiError:
    """Return the error for JSON that is not a valid statement."""
    return wikibase("invalid-claim", info, "wikibase-api-invalid-claim", info)


def invalid_guid() -> ApiError:
    """Return the error for a malformed statement id, or one whose statement does not exist."""
    return wikibase("invalid-guid", "Invalid claim guid.")


def modification_failed(info: str, message: str = "wikibase-api-modification-failed", *parameters: Any) -> ApiError:
    """Return the error for a change that Wikibase's validators reject."""
    return wikibase("modification-failed", info, message, *(parameters or (info,)))


def edit_conflict() -> ApiError:
    """Return the error for an outdated baserevid whose change cannot be patched into the newest revision."""
    info = "Edit conflict. Could not patch the current revision."
    messages = [Message("wikibase-api-editconflict", info), Message("edit-conflict", "Edit conflict.")]
    return ApiError("editconflict", info, messages=messages)


def bad_revision(request_id: str) -> ApiError:
    """Return the error for a baserevid older than the first MediaInfo.

    It is an edit conflict that Wikibase reports as an internal error.
    """
    name = "Wikibase\\Lib\\Store\\BadRevisionException"
    info = f"[{request_id}] Caught exception of type {name}"
    return ApiError(f"internal_api_error_{name}", info, extra={"errorclass": name}, docref=False)


def internal_error(request_id: str) -> ApiError:
    """Return the error for an internal failure of the wiki."""
    name = "Wikimedia\\Rdbms\\DBQueryError"
    info = f"[{request_id}] Caught exception of type {name}"
    return ApiError("internal_api_error_DBQueryError", info, extra={"errorclass": name}, docref=False)


@dataclass
class Refusal:
    """The reason why a save was refused.

    `message`: Wikibase's message. `text`: message of the error formats other than bc. `permission`: the reason is a
    missing permission, which wbeditentity reports before saving.
    """

    code: str
    message: Message
    text: str
    data: Json | None = None
    permission: bool = True
    again: Part | None = None
    """Additional last entry in the error formats other than bc."""


def refused(refusal: Refusal, *, early: bool) -> ApiError:
    """Return the error for a refused save.

    `early`: the permission was checked before saving, as in wbeditentity; other modules check it while saving.
    """
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
    """Return the refusal of a user who exceeds the rate limit."""
    text = (
        "As an anti-abuse measure, you are limited from performing this action too many times in a short space of "
        "time, and you have exceeded this limit.\nPlease try again in a few minutes."
    )
    again = Part("ratelimited", "You've exceeded your rate limit. Please wait some time and try again.")
    message = Message("actionthrottledtext", text)
    return Refusal("ratelimited", message, text.replace("\n", " "), permission=False, again=again)


def protected() -> Refusal:
    """Return the refusal for a protected page."""
    text = "This page has been protected to prevent editing or other actions."
    return Refusal("protectedpage", Message("protectedpagetext", text, ["editprotected", "edit"]), text)


def no_right() -> Refusal:
    """Return the refusal of a user without the right to edit, for example because the grant is missing."""
    users = "[[Wikimedia Commons:Users|Users]]"
    text = f"The action you have requested is limited to users in one of the groups: *, {users}."
    message = Message("badaccess-groups", text, [{"list": ["*", users], "type": "comma"}, 2])
    return Refusal("permissiondenied", message, text)


def blocked(block: Block, user: str) -> Refusal:
    """Return the refusal of a blocked user; a partial block has another message."""
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
    """Return a block in the format of userinfo, intestactions and errors."""
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
    """Return the refusal of an edit filter; `action` is "disallow" or "warn", which lets a repeated request pass."""
    code = "abusefilter-warning" if action == "warn" else "abusefilter-disallowed"
    text = (
        "This action has been automatically identified as harmful, and therefore disallowed. "
        f"A brief description of the abuse rule which your action matched is: {description}"
    )
    data = {"abusefilter": {"id": number, "description": description, "actions": [action]}}
    return Refusal(code, Message(code, text, [description, number]), text, data, permission=False)


def lost_race() -> Refusal:
    """Return the refusal of a write during which another request wrote the same page."""
    message = Message("edit-conflict", "Edit conflict.")
    return Refusal("editconflict", message, "Edit conflict: somebody else has changed the page.", permission=False)
