"""Volunteers: their accounts on the wiki and their encrypted OAuth tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from database import Connection
from token_crypto import TokenBox, Unreadable

REFRESH_SECONDS = 60  # how long one process may take to refresh before another may try


@dataclass(frozen=True)
class User:
    """A volunteer; `subject` is the account's id on the wiki, which outlasts renames."""

    id: int
    subject: str
    name: str
    language: str | None
    blocked: bool
    session_epoch: int
    signed_in: bool  # whether a refresh token that may still work is stored


@dataclass(frozen=True)
class Tokens:
    """A user's tokens as stored; a refresh compares and swaps `version`."""

    access: str
    refresh: str | None
    expires_in: int  # seconds, by the database's clock; negative once expired
    version: int


_COLUMNS = "id, subject, name, language, blocked, session_epoch, refresh_token IS NOT NULL AS signed_in"


def _user(row: dict[str, object]) -> User:
    return User(**{**row, "blocked": bool(row["blocked"]), "signed_in": bool(row["signed_in"])})  # type: ignore[arg-type]


def sign_in(
    db: Connection, box: TokenBox, *, subject: str, name: str, blocked: bool, access: str, refresh: str, expires_in: int
) -> User:
    """Create or update the user of a wiki account and store the tokens.

    The caller resumes batches that waited for the sign-in (batches.resume_after_sign_in) in the same transaction.
    """
    db.execute(
        """INSERT INTO users (subject, name, blocked, access_token, refresh_token, token_expires_at, seen_at)
           VALUES (%s, %s, %s, %s, %s, NOW() + INTERVAL %s SECOND, NOW())
           ON DUPLICATE KEY UPDATE name = VALUES(name), blocked = VALUES(blocked), access_token = VALUES(access_token),
             refresh_token = VALUES(refresh_token), token_expires_at = VALUES(token_expires_at), seen_at = NOW(),
             token_version = token_version + 1, refreshing_until = NULL""",
        (subject, name, blocked, box.seal(access), box.seal(refresh), expires_in),
    )
    row = db.row(f"SELECT {_COLUMNS} FROM users WHERE subject = %s", (subject,))
    assert row is not None
    return _user(row)


def get(db: Connection, user_id: int) -> User | None:
    """Return the user, or None."""
    row = db.row(f"SELECT {_COLUMNS} FROM users WHERE id = %s", (user_id,))
    return _user(row) if row else None


def by_name(db: Connection, name: str) -> User | None:
    """Return the user with this Wikimedia name who has signed in before, or None; deleted accounts have no name."""
    if not name:
        return None
    row = db.row(f"SELECT {_COLUMNS} FROM users WHERE name = %s ORDER BY seen_at DESC LIMIT 1", (name,))
    return _user(row) if row else None


def set_language(db: Connection, user_id: int, language: str) -> None:
    """Store the language that the user chose."""
    db.execute("UPDATE users SET language = %s WHERE id = %s", (language, user_id))


def sign_out_everywhere(db: Connection, user_id: int) -> None:
    """End every session of the user."""
    db.execute("UPDATE users SET session_epoch = session_epoch + 1 WHERE id = %s", (user_id,))


def tokens(db: Connection, box: TokenBox, user_id: int) -> Tokens | None:
    """Return the stored tokens, or None. Raises token_crypto.Unreadable."""
    row = db.row(
        """SELECT access_token, refresh_token, token_version,
             COALESCE(TIMESTAMPDIFF(SECOND, NOW(), token_expires_at), -1) AS expires_in FROM users WHERE id = %s""",
        (user_id,),
    )
    if row is None or row["access_token"] is None:
        return None
    refresh = box.unseal(row["refresh_token"]) if row["refresh_token"] else None
    return Tokens(box.unseal(row["access_token"]), refresh, int(row["expires_in"]), row["token_version"])


def begin_refresh(db: Connection, user_id: int, version: int) -> bool:
    """Return whether the caller may refresh tokens of this version; other callers wait and read the tokens again."""
    return bool(
        db.execute(
            """UPDATE users SET refreshing_until = NOW() + INTERVAL %s SECOND
               WHERE id = %s AND token_version = %s AND (refreshing_until IS NULL OR refreshing_until < NOW())""",
            (REFRESH_SECONDS, user_id, version),
        )
    )


def end_refresh(
    db: Connection, box: TokenBox, user_id: int, version: int, *, access: str, refresh: str, expires_in: int
) -> bool:
    """Replace the tokens of `version` by refreshed ones; return False if newer ones are stored already."""
    return bool(
        db.execute(
            """UPDATE users SET access_token = %s, refresh_token = %s, token_expires_at = NOW() + INTERVAL %s SECOND,
                 token_version = token_version + 1, refreshing_until = NULL
               WHERE id = %s AND token_version = %s""",
            (box.seal(access), box.seal(refresh), expires_in, user_id, version),
        )
    )


def refresh_failed(db: Connection, user_id: int, version: int, *, dead: bool) -> None:
    """Allow another caller to refresh; `dead`: the refresh token is invalid for good, the user has to sign in."""
    db.execute(
        """UPDATE users SET refreshing_until = NULL, refresh_token = IF(%s, NULL, refresh_token)
           WHERE id = %s AND token_version = %s""",
        (dead, user_id, version),
    )


@dataclass(frozen=True)
class Resealed:
    """Result of one step of a key rotation: `last` user processed, 0 at the end; `unreadable` users must sign in again."""

    last: int
    sealed: int
    changed_meanwhile: int
    unreadable: int


def reseal(db: Connection, box: TokenBox, after_id: int, limit: int = 100) -> Resealed:
    """Encrypt the next users' tokens with the newest key; tokens that a refresh replaces meanwhile are left alone."""
    rows = db.rows(
        """SELECT id, access_token, refresh_token, token_version FROM users
           WHERE id > %s AND access_token IS NOT NULL ORDER BY id LIMIT %s""",
        (after_id, limit),
    )
    found = [_reseal(db, box, row) for row in rows]
    return Resealed(
        last=rows[-1]["id"] if len(rows) == limit else 0,
        sealed=found.count("sealed"),
        changed_meanwhile=found.count("changed"),
        unreadable=found.count("unreadable"),
    )


def _reseal(
    db: Connection, box: TokenBox, row: dict[str, Any]
) -> Literal["current", "sealed", "changed", "unreadable"]:
    stored = (row["access_token"], row["refresh_token"])
    if all(box.is_current(token) for token in stored if token):
        return "current"
    try:
        access, refresh = (box.reseal(token) if token else None for token in stored)
    except Unreadable:
        return "unreadable"
    changed = db.execute(
        "UPDATE users SET access_token = %s, refresh_token = %s WHERE id = %s AND token_version = %s",
        (access, refresh, row["id"], row["token_version"]),
    )
    return "sealed" if changed else "changed"


def last_seen(db: Connection, user_id: int) -> datetime | None:
    """Return when the user last signed in."""
    seen: datetime | None = db.value("SELECT seen_at FROM users WHERE id = %s", (user_id,))
    return seen
