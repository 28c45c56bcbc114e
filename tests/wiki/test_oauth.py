"""Tests for the parts of the sign-in that recordings cannot cover."""

import base64
import hashlib
import logging
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.wiki import fakes
from tests.wiki.replay import Reply, answered, page, replaying
from wiki.errors import AuthorizationLost, Reason, SignInFailed, StopBatch, Wait
from wiki.oauth import OAuth, Tokens, read_callback

TOKENS = answered({"token_type": "Bearer", "expires_in": 14400, "access_token": "A" * 790, "refresh_token": "R" * 870})


def oauth(url: str) -> OAuth:
    return OAuth(fakes.client(url, attempts=1), "id", "s3cr3t", "https://tool.example/auth/callback", now=lambda: 100.0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://meta.wikimedia.org"])
def test_authorize_url_contains_the_state_and_the_challenge(url):
    sign_in = oauth(url).authorize_url()
    assert sign_in.url.startswith(f"{url}/w/rest.php/oauth2/authorize?")
    query = {key: values[0] for key, values in parse_qs(urlsplit(sign_in.url).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(sign_in.verifier.encode()).digest()).rstrip(b"=").decode()
    assert query == {
        "response_type": "code",
        "client_id": "id",
        "redirect_uri": "https://tool.example/auth/callback",
        "state": sign_in.state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    assert len(sign_in.verifier) >= 43
    assert len(sign_in.state) >= 22


def test_every_sign_in_has_its_own_state_and_verifier():
    client = oauth("http://127.0.0.1:9")
    found = [client.authorize_url() for _ in range(20)]
    assert len({sign_in.state for sign_in in found}) == len({sign_in.verifier for sign_in in found}) == 20
    assert found[0].verifier not in repr(found[0])
    assert found[0].verifier not in found[0].url


def test_exchange_sends_code_verifier_and_secret_in_the_body():
    with replaying(TOKENS) as wiki:
        assert oauth(wiki.url).exchange("code", "verifier") == Tokens("A" * 790, "R" * 870, 14_500.0)
    sent = wiki.sent[0]
    assert (sent.method, sent.path) == ("POST", "/w/rest.php/oauth2/access_token")
    assert sent.in_body == {
        "grant_type": "authorization_code",
        "code": "code",
        "code_verifier": "verifier",
        "client_id": "id",
        "client_secret": "s3cr3t",
        "redirect_uri": "https://tool.example/auth/callback",
    }
    assert sent.headers["User-Agent"].startswith("WikiVisage/")
    assert "Authorization" not in sent.headers


def test_refresh_sends_the_secret_in_the_body():
    with replaying(TOKENS) as wiki:
        assert oauth(wiki.url).refresh("old").refresh == "R" * 870
    assert wiki.sent[0].in_body == {
        "grant_type": "refresh_token",
        "refresh_token": "old",
        "client_id": "id",
        "client_secret": "s3cr3t",
    }


@pytest.mark.parametrize(
    "reply",
    [page(503), page(429, Retry_After="3"), page(200), Reply(drop=True), answered({}), Reply(body=b"{", length=900)],
)
def test_temporary_errors_raise_wait_without_a_retry(reply):
    with replaying(reply) as wiki, pytest.raises(Wait):
        oauth(wiki.url).exchange("c", "v")
    assert len(wiki.sent) == 1, "a code is valid once"
    with replaying(reply) as wiki, pytest.raises(Wait):
        oauth(wiki.url).refresh("r")
    assert len(wiki.sent) == 1, "a refresh token is valid once"


def test_secret_is_not_sent_to_the_target_of_a_redirect():
    with replaying(page(307, Location="http://elsewhere.example/token"), TOKENS) as wiki, pytest.raises(StopBatch):
        oauth(wiki.url).refresh("r")
    assert len(wiki.sent) == 1


def test_http_is_rejected_except_on_this_machine():
    with pytest.raises(Exception, match="secure"):
        oauth("http://meta.example.org").authorize_url()


def test_tokens_are_not_logged_or_shown(caplog):
    caplog.set_level(logging.DEBUG)
    with replaying(TOKENS, TOKENS, page(500)) as wiki:
        client = oauth(wiki.url)
        tokens = client.exchange("c0de-value", "verifier-value")
        client.refresh("refresh-value")
        with pytest.raises(Wait) as caught:
            client.refresh("refresh-value")
    logged = caplog.text + repr(tokens) + repr(caught.value)
    for secret in ("s3cr3t", "A" * 100, "R" * 100, "c0de-value", "verifier-value", "refresh-value"):
        assert secret not in logged


def test_profile_accepts_an_id_as_number_or_text():
    for sub in ("12345678", 12345678):
        with replaying(answered({"sub": sub, "username": "Zoë", "rights": ["edit", 5], "editcount": "x"})) as wiki:
            profile = oauth(wiki.url).profile("access")
        assert (profile.sub, profile.username, profile.may_edit, profile.edit_count) == ("12345678", "Zoë", True, 0)
        assert wiki.sent[0].headers["Authorization"] == "Bearer access"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (page(401), AuthorizationLost),
        (page(503), Wait),
        (answered({"sub": ""}), Wait),
        (answered({"username": "A"}), Wait),
    ],
)
def test_profile_raises_the_error_that_the_answer_means(reply, kind):
    with replaying(reply) as wiki, pytest.raises(kind):
        oauth(wiki.url).profile("access")


@pytest.mark.parametrize(
    ("args", "state", "reason"),
    [
        ({"error": "unauthorized_client"}, "S", Reason.DENIED),
        ({"error": "access_denied", "state": "S"}, "S", Reason.DENIED),
        ({"error": "invalid_scope"}, "S", Reason.SIGN_IN_REFUSED),
        ({"code": "c", "state": "T"}, "S", Reason.SIGN_IN_STALE),
        ({"code": "c", "state": "Sé"}, "S", Reason.SIGN_IN_STALE),
        ({"code": "c"}, "S", Reason.SIGN_IN_STALE),
        ({"code": "c", "state": ""}, "", Reason.SIGN_IN_STALE),
        ({"code": "c", "state": "S"}, "", Reason.SIGN_IN_STALE),
        ({"state": "S"}, "S", Reason.SIGN_IN_REFUSED),
        ({}, "S", Reason.SIGN_IN_STALE),
    ],
)
def test_callback_without_success_raises_sign_in_failed(args, state, reason):
    with pytest.raises(SignInFailed) as caught:
        read_callback(args, state)
    assert caught.value.reason is reason


def test_callback_returns_the_code():
    assert read_callback({"code": "c", "state": "S"}, "S") == "c"
