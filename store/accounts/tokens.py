"""The box that seals tokens, for those who may not know how it does it."""

from collections.abc import Sequence

from token_crypto import BadKey, TokenBox, Unreadable

__all__ = ["BadKey", "TokenBox", "Unreadable", "box"]


def box(keys: Sequence[str]) -> TokenBox:
    """A box with these keys, newest first. Raises token_crypto.BadKey."""
    return TokenBox(keys)
