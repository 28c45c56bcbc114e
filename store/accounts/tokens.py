"""Access to token encryption for layers that may not import token_crypto."""

from collections.abc import Sequence

from token_crypto import BadKey, TokenBox, Unreadable

__all__ = ["BadKey", "TokenBox", "Unreadable", "box"]


def box(keys: Sequence[str]) -> TokenBox:
    """Return a token box with these keys, newest first. Raises token_crypto.BadKey."""
    return TokenBox(keys)
