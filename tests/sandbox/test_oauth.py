"""OAuth sign-in, rotation of tokens, and error responses."""

import base64
import hashlib

import pytest
import requests

from sandbox.server import CLIENT_ID, CLIENT_SECRET, Sandbox
from testing.waiting import PATIENCE
from tests.sandbox.clients import CALLBACK, Client
from tests.sandbox.recordings import recording, shape


def test_consent_gives_a_code_and_tokens_of_realistic_length(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    back = client.consent("Alice")
    assert back["state"] == "S"
    assert 870 <= len(back["code"]) <= 900
    tokens = client.token(grant_type="authorization_code", code=back["code"]).json()
    assert tokens["token_type"] == "Bearer"
    assert 750 <= len(tokens["access_token"]) <= 900
    assert tokens["access_token"].count(".") == 2
    assert 850 <= len(tokens["refresh_token"]) <= 900


def test_refusal_redirects_with_unauthorized_client_and_without_state(sandbox: Sandbox) -> None:
    back = Client(sandbox).consent(button="cancel")
    assert back["error"] == "unauthorized_client"
    assert "state" not in back
    assert set(back) == {"error", "error_description", "message"}


def test_authorization_without_a_login_redirects_to_the_login_page(sandbox: Sandbox) -> None:
    asked = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": CALLBACK}
    answer = requests.get(
        f"{sandbox.base}/w/rest.php/oauth2/authorize", params=asked, allow_redirects=False, timeout=PATIENCE
    )
    assert answer.status_code == 307
    assert "Special:UserLogin" in answer.headers["Location"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"redirect_uri": "http://evil.test/cb"}, 401),
        ({"client_id": "0" * 32}, 401),
        ({"response_type": "token"}, 400),
        ({"response_type": ""}, 400),
    ],
)
def test_request_without_a_valid_redirect_gets_an_error_page(
    sandbox: Sandbox, changed: dict[str, str], status: int
) -> None:
    asked = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": CALLBACK, **changed}
    answer = requests.get(
        f"{sandbox.base}/w/rest.php/oauth2/authorize", params=asked, allow_redirects=False, timeout=PATIENCE
    )
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")


def test_callback_must_equal_the_registered_one(sandbox: Sandbox) -> None:
    sandbox.world.state.consumers[CLIENT_ID].redirects = [CALLBACK]
    asked = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": CALLBACK + "?x=1"}
    answer = requests.get(
        f"{sandbox.base}/w/rest.php/oauth2/authorize", params=asked, allow_redirects=False, timeout=PATIENCE
    )
    assert answer.status_code == 401


WRONG: dict[str, dict[str, str]] = {
    "oauth_token_wrong_code": {"code": "abc"},
    "oauth_token_missing_code": {"code": ""},
    "oauth_token_missing_redirect_uri": {"redirect_uri": ""},
    "oauth_token_wrong_redirect_uri": {"redirect_uri": "http://evil.test/"},
    "oauth_token_wrong_client_secret": {"client_secret": "wrong"},
    "oauth_token_unknown_client": {"client_id": "0" * 32},
    "oauth_token_bad_grant_type": {"grant_type": "password"},
    "oauth_refresh_garbage": {"grant_type": "refresh_token", "refresh_token": "garbage"},
    "oauth_refresh_wrong_secret": {"grant_type": "refresh_token", "client_secret": "wrong"},
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_token_request_gets_the_recorded_response(sandbox: Sandbox, case: str) -> None:
    client = Client(sandbox)
    code = client.consent()["code"]
    answer = client.token(**{"grant_type": "authorization_code", "code": code, **WRONG[case]})
    recorded = recording(case)
    assert answer.status_code == recorded.status
    assert answer.json()["error"] == recorded.body["error"]
    assert answer.json().get("hint") == recorded.body.get("hint")
    assert shape(answer.json()) == shape(recorded.body)
    assert client.token(grant_type="authorization_code", code=code).status_code == 200, "failures do not burn the code"


def test_code_works_once_and_its_reuse_does_not_revoke_tokens(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    code = client.consent()["code"]
    client.take(client.token(grant_type="authorization_code", code=code).json())
    again = client.token(grant_type="authorization_code", code=code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
    assert again.json()["hint"] == "Authorization code has been revoked"
    assert client.get(meta="userinfo")["query"]["userinfo"]["name"] == "Alice"


def test_basic_credentials_are_accepted_but_json_is_not(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    url = f"{sandbox.base}/w/rest.php/oauth2/access_token"
    form = {"grant_type": "authorization_code", "code": client.consent()["code"], "redirect_uri": CALLBACK}
    assert requests.post(url, json=form, timeout=PATIENCE).status_code == 415
    assert requests.post(url, data=form, auth=(CLIENT_ID, CLIENT_SECRET), timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize(
    ("verifier", "status", "error"),
    [("right", 200, ""), ("", 400, "invalid_request"), ("wrong", 400, "invalid_grant")],
)
def test_pkce_verifier_is_checked(sandbox: Sandbox, verifier: str, status: int, error: str) -> None:
    right = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(right.encode()).digest()).decode().rstrip("=")
    client = Client(sandbox)
    code = client.consent(code_challenge=challenge, code_challenge_method="S256")["code"]
    sent = {"code_verifier": right if verifier == "right" else "x" * 50} if verifier else {}
    answer = client.token(grant_type="authorization_code", code=code, **sent)
    assert answer.status_code == status
    assert answer.json().get("error", "") == error


def test_refresh_invalidates_both_old_tokens_and_the_csrf_token(alice: Client) -> None:
    old, old_csrf = alice.tokens, alice.csrf
    page = alice.members("Category:Joe Biden")[0]["pageid"]
    alice.take(alice.token(grant_type="refresh_token", refresh_token=old["refresh_token"]).json())
    assert alice.csrf != old_csrf
    assert alice.depict(page, "Q6279", token=old_csrf).json()["error"]["code"] == "badtoken"
    assert alice.depict(page, "Q6279").json()["success"] == 1
    again = alice.token(grant_type="refresh_token", refresh_token=old["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (401, "invalid_request")
    alice.http.headers["Authorization"] = f"Bearer {old['access_token']}"
    dead = alice.ask("GET", meta="userinfo")
    assert dead.status_code == 200
    assert dead.json()["error"]["code"] == "mwoauth-invalid-authorization"
    assert dead.headers["MediaWiki-API-Error"] == "mwoauth-invalid-authorization"


def test_tokens_expire_and_can_be_revoked(alice: Client) -> None:
    profile = f"{alice.base}/w/rest.php/oauth2/resource/profile"
    assert alice.http.get(profile, timeout=PATIENCE).json()["username"] == "Alice"
    alice.admin("edit", {"kind": "expire_tokens", "user": "Alice"})
    assert "error" in alice.get(meta="userinfo")
    alice.take(alice.token(grant_type="refresh_token", refresh_token=alice.tokens["refresh_token"]).json())
    alice.admin("edit", {"kind": "revoke_tokens", "user": "Alice"})
    answer = alice.http.get(profile, timeout=PATIENCE)
    assert (answer.status_code, answer.json()["hint"]) == (401, "Access token has been revoked")
    refused = alice.token(grant_type="refresh_token", refresh_token=alice.tokens["refresh_token"])
    assert refused.json()["hint"] == "Token has been revoked"


@pytest.mark.parametrize(("kind", "case"), [("profile", "oauth_resource_profile"), ("scopes", "oauth_resource_scopes")])
def test_resources_have_the_recorded_structure(alice: Client, kind: str, case: str) -> None:
    body = alice.http.get(f"{alice.base}/w/rest.php/oauth2/resource/{kind}", timeout=PATIENCE).json()
    assert shape(body) == shape(recording(case).body)


def test_access_token_is_not_accepted_for_pages(alice: Client) -> None:
    title = alice.members("Category:Joe Biden")[0]["title"]
    assert alice.http.get(f"{alice.base}/wiki/Special:FilePath/{title[5:]}", timeout=PATIENCE).status_code == 400
    assert alice.http.get(f"{alice.base}/wiki/{title}", timeout=PATIENCE).status_code == 400


def test_renamed_account_keeps_its_id(alice: Client) -> None:
    before = alice.get(meta="userinfo")["query"]["userinfo"]
    alice.admin("edit", {"kind": "rename_user", "user": "Alice", "to": "Alice the Second"})
    after = alice.get(meta="userinfo")["query"]["userinfo"]
    assert after == {"id": before["id"], "name": "Alice the Second"}
    assert alice.get(assertuser="Alice", meta="userinfo")["error"]["code"] == "assertnameduserfailed"
