"""Encryption of stored OAuth tokens with Fernet; several keys allow rotation while the service runs."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_SEALED = b"f1:"
_PLAIN = b"p1:"


class BadKey(ValueError):
    """A value in WIKIVISAGE_TOKEN_KEY is not a Fernet key (32 bytes in URL-safe base64)."""


class Unreadable(ValueError):
    """A stored token was sealed with a key that is not configured any more; the user has to sign in again."""


class TokenBox:
    """Seals and unseals tokens; without keys they are stored as plain text with the prefix p1:.

    `keys`: Fernet keys, the newest first; it seals, all unseal. Raises BadKey.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None
            self._newest = Fernet(keys[0]) if keys else None
        except ValueError:
            raise BadKey(
                "WIKIVISAGE_TOKEN_KEY holds something that is not a Fernet key: make one with "
                'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())".'
            ) from None

    @property
    def seals(self) -> bool:
        """Whether tokens are encrypted, which requires a key."""
        return self._fernet is not None

    def seal(self, token: str) -> bytes:
        """Return the bytes to store for a token."""
        if self._fernet is None:
            return _PLAIN + token.encode()
        return _SEALED + self._fernet.encrypt(token.encode())

    def unseal(self, stored: bytes) -> str:
        """Return the token of stored bytes. Raises Unreadable."""
        if stored.startswith(_PLAIN):
            return stored[len(_PLAIN) :].decode()
        if self._fernet is None or not stored.startswith(_SEALED):
            raise Unreadable("A stored token cannot be read without its key.")
        try:
            return self._fernet.decrypt(stored[len(_SEALED) :]).decode()
        except InvalidToken:
            raise Unreadable("A stored token was sealed with another key.") from None

    def is_current(self, stored: bytes) -> bool:
        """Return whether a token is stored as `seal` stores it now: with the newest key, or unsealed without keys."""
        if self._newest is None or not stored.startswith(_SEALED):
            return self._newest is None and stored.startswith(_PLAIN)
        try:
            self._newest.decrypt(stored[len(_SEALED) :])
        except InvalidToken:
            return False
        return True

    def reseal(self, stored: bytes) -> bytes:
        """Return the stored token sealed with the newest key. Raises Unreadable."""
        return self.seal(self.unseal(stored))
