"""Encryption of stored tokens."""

import pytest
from cryptography.fernet import Fernet

from token_crypto import BadKey, TokenBox, Unreadable

TOKEN = "eyJ0eXAi" * 110  # As long as the wiki's tokens.


def key() -> str:
    return Fernet.generate_key().decode()


def test_encrypted_token_is_unreadable_and_can_be_decrypted():
    box = TokenBox([key()])
    stored = box.seal(TOKEN)
    assert box.seals
    assert TOKEN.encode() not in stored
    assert box.unseal(stored) == TOKEN
    assert len(stored) < 4096


def test_token_is_stored_unencrypted_without_a_key_and_can_be_encrypted_later():
    plain = TokenBox([])
    stored = plain.seal(TOKEN)
    assert not plain.seals
    assert TokenBox([key()]).unseal(stored) == TOKEN


def test_old_tokens_are_readable_after_a_rotation_and_encrypted_with_the_new_key():
    old, new = key(), key()
    stored = TokenBox([old]).seal(TOKEN)
    resealed = TokenBox([new, old]).reseal(stored)
    assert TokenBox([new]).unseal(resealed) == TOKEN
    with pytest.raises(Unreadable):
        TokenBox([new]).unseal(stored)


def test_missing_key_is_reported():
    stored = TokenBox([key()]).seal(TOKEN)
    for box in (TokenBox([]), TokenBox([key()])):
        with pytest.raises(Unreadable):
            box.unseal(stored)


def test_invalid_key_is_refused_without_being_shown():
    with pytest.raises(BadKey) as refused:
        TokenBox(["hunter2"])
    assert "hunter2" not in str(refused.value)
    assert "WIKIVISAGE_TOKEN_KEY" in str(refused.value)
