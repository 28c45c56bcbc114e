"""Tests that every recorded answer of a real MediaWiki has the meaning that is listed in `meanings`."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests import recordings
from tests.recordings import needs_originals, recording
from tests.wiki import fakes, meanings
from tests.wiki.meanings import Meaning
from tests.wiki.replay import Replay, asked, replaying
from wiki import depicts
from wiki.errors import StopBatch, Wait, WikiError
from wiki.oauth import OAuth, read_callback

T = TypeVar("T")

BEARER = "an-access-token"


def check(meaning: Meaning, act: Callable[[], T]) -> T | None:
    """Run `act` and check that it raises the error of the meaning, or none if the meaning is a success."""
    if isinstance(meaning, str):
        return act()
    kind, reason = meaning
    with pytest.raises(WikiError) as caught:
        act()
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    return None


def cases(table: dict[str, Meaning]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("case", "meaning"), table.items(), ids=table.keys())


@cases(meanings.EDITS)
def test_answers_to_edits(case, meaning):
    params = {key: str(value) for key, value in asked(case).items() if key not in ("format", "formatversion")}
    params.setdefault("action", "wbeditentity")
    with replaying(case) as wiki:
        answer = check(meaning, lambda: fakes.client(wiki.url).post(params, bearer=BEARER))
    assert len(wiki.sent) == 1, "a write is never sent again by the client"
    if answer is not None:
        assert ("wikibase-conflict-patched" in str(answer)) == (meaning == meanings.PATCHED)
        assert (answer.get("success") == 1) or case == "oauth_api_logout_with_bearer"


@cases(meanings.READS)
def test_answers_to_reads(case, meaning):
    with replaying(case) as wiki:
        check(meaning, lambda: fakes.client(wiki.url, attempts=1).get(asked(case), bearer=BEARER))


@cases(meanings.CODES)
def test_answers_to_the_exchange_of_a_code(case, meaning):
    with replaying(case) as wiki:
        tokens = check(meaning, lambda: oauth(wiki).exchange("a-code", "v" * 43))
    if tokens:
        assert tokens.access
        assert tokens.expires_at == 50_000 + recording(case)["response"]["body"]["expires_in"]
    assert wiki.sent[0].in_body["code_verifier"] == "v" * 43
    assert wiki.sent[0].in_body["redirect_uri"] == "http://localhost/callback"


@cases(meanings.REFRESHES)
def test_answers_to_a_refresh(case, meaning):
    with replaying(case) as wiki:
        tokens = check(meaning, lambda: oauth(wiki).refresh("a-refresh-token"))
    assert wiki.sent[0].in_body["refresh_token"] == "a-refresh-token"
    if tokens:
        assert tokens.access
        assert tokens.refresh


@cases(meanings.PROFILES)
def test_answers_to_a_request_for_the_profile(case, meaning):
    with replaying(case) as wiki:
        profile = check(meaning, lambda: oauth(wiki).profile(BEARER))
    if profile:
        assert (profile.sub, profile.username) == ("3", "Alice")
        assert profile.blocked == (case == "oauth_profile_blocked_user")
        assert profile.may_edit == (case != "oauth_authonly_profile")


@cases(meanings.CALLBACKS)
def test_callbacks(case, meaning):
    location = recording(case)["response"]["headers"]["Location"]
    args = dict(parse_qsl(urlsplit(location).query))
    code = check(meaning, lambda: read_callback(args, args.get("state") or "the-state-we-kept"))
    if code:
        assert code == args["code"]


TABLES = (
    meanings.EDITS, meanings.READS, meanings.CODES, meanings.REFRESHES, meanings.PROFILES, meanings.CALLBACKS,
)  # fmt: skip


def test_every_recording_of_the_families_has_a_meaning():
    recorded = {case for case in recordings.cases() if case.startswith(meanings.FAMILIES)}
    decided = [case for table in TABLES for case in table]
    assert len(decided) == len(set(decided))
    assert recorded - meanings.ELSEWHERE == set(decided)


@needs_originals
def test_every_ignored_recording_exists():
    assert set(recordings.cases()) >= meanings.ELSEWHERE


@pytest.mark.parametrize(
    ("case", "seconds", "lag", "host"),
    [
        ("err_maxlag_get", 5, 7.4, "db1234"),
        ("err_maxlag_post_edit_fv1", 5, 7.4, "db1234"),
        ("err_maxlag_errorformat_plaintext", 5, 7.4, "db1234"),
        ("err_maxlag_wikibase_queryservice_type", 5, 312.5, "wdqs1007"),
    ],
)
def test_wait_contains_the_lag_and_the_host(case, seconds, lag, host):
    with replaying(case) as wiki, pytest.raises(Wait) as caught:
        fakes.client(wiki.url, attempts=1).get({"action": "query"})
    assert (caught.value.seconds, caught.value.asked, caught.value.lag, caught.value.host) == (seconds, True, lag, host)


def test_no_temporary_account_is_created_because_requests_assert_a_login():
    """Without `assert` the wiki would accept these edits; every write of this program carries it."""
    for case in (case for case, meaning in meanings.EDITS.items() if meaning == meanings.ANONYMOUS):
        assert "assert" not in asked(case)
        assert "assertuser" not in asked(case)
    with replaying("tokens_csrf_anonymous") as wiki, pytest.raises(StopBatch):
        depicts.csrf_token(fakes.client(wiki.url), BEARER)
    assert wiki.sent[0].params["assert"] == "user"


def oauth(wiki: Replay) -> OAuth:
    client = fakes.client(wiki.url, attempts=1)
    return OAuth(client, "the-client", "the-secret", "http://localhost/callback", now=lambda: 50_000.0)
