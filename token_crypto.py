"""OAuth tokens at rest: sealed with Fernet, newest key first, so that keys can be rotated while the service runs."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_SEALED = b"f1:"
_PLAIN = b"p1:"


class BadKey(ValueError):
    """A value of WIKIVISAGE_TOKEN_KEY is not a Fernet key (32 bytes, url-safe base64)."""


class Unreadable(ValueError):
    """A stored token was sealed with a key that is not among today's: the user has to sign in again."""


class TokenBox:
    """Seals and unseals tokens; without keys they are stored as they are, marked as such."""

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
        """Whether a key is set."""
        return self._fernet is not None

    def seal(self, token: str) -> bytes:
        """The bytes to store for a token."""
        if self._fernet is None:
            return _PLAIN + token.encode()
        return _SEALED + self._fernet.encrypt(token.encode())

    def unseal(self, stored: bytes) -> str:
        """The token behind stored bytes. Raises Unreadable."""
        if stored.startswith(_PLAIN):
            return stored[len(_PLAIN) :].decode()
        if self._fernet is None or not stored.startswith(_SEALED):
            raise Unreadable("A stored token cannot be read without its key.")
        try:
            return self._fernet.decrypt(stored[len(_SEALED) :]).decode()
        except InvalidToken:
            raise Unreadable("A stored token was sealed with another key.") from None

    def is_current(self, stored: bytes) -> bool:
        """Whether a token is stored as seal() would store it now: with the newest key."""
        if self._newest is None or not stored.startswith(_SEALED):
            return self._newest is None and stored.startswith(_PLAIN)
        try:
            self._newest.decrypt(stored[len(_SEALED) :])
        except InvalidToken:
            return False
        return True

    def reseal(self, stored: bytes) -> bytes:
        """The same token sealed with the newest key. Raises Unreadable."""
        return self.seal(self.unseal(stored))
