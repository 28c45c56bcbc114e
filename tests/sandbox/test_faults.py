"""Each simulated fault affects the right requests, as often as asked for, and leaves the state of a real wiki."""

import time
from typing import Any

import pytest
import requests

from sandbox.faults.hostile import SPOILERS
from sandbox.faults.on_demand import POINTS, BadFault, Faults
from sandbox.server import Sandbox
from testing.waiting import PATIENCE
from tests.sandbox.clients import Client


def _page(client: Client) -> int:
    """Return a file without statements."""
    return int(client.members("Category:Joe Biden")[-1]["pageid"])


def _stored(client: Client, page: int) -> list[str]:
    state = client.admin("state")
    return next(file["depicts"] for file in state["files"] if file["id"] == page)


SAVES: list[tuple[str, str, str, str]] = [
    ("badtoken", "badtoken", "badtoken", "badtoken"),
    ("readonly", "readonly", "readonly", "readonly"),
    ("ratelimited", "failed-save", "failed-save, ratelimited", "failed-save, ratelimited"),
    ("blocked", "permissiondenied", "permissiondenied, blocked", "failed-save, blocked, permissionserrors"),
    (
        "protected",
        "permissiondenied",
        "permissiondenied, protectedpage",
        "failed-save, protectedpage, permissionserrors",
    ),
    ("no_right", "permissiondenied", "permissiondenied", "failed-save, permissiondenied, permissionserrors"),
    (
        "abusefilter_disallowed",
        "failed-save",
        "failed-save, abusefilter-disallowed",
        "failed-save, abusefilter-disallowed",
    ),
    ("abusefilter_warning", "failed-save", "failed-save, abusefilter-warning", "failed-save, abusefilter-warning"),
    ("editconflict", "editconflict", "editconflict", "editconflict"),
    ("lost_race", "failed-save", "failed-save, editconflict", "failed-save, editconflict"),
]


@pytest.mark.parametrize(("kind", "code", "header", "header_of_create"), SAVES)
def test_refused_write_gives_the_recorded_error_and_stores_nothing(
    alice: Client, kind: str, code: str, header: str, header_of_create: str
) -> None:
    page = _page(alice)
    alice.fault(kind, count=2)
    answer = alice.depict(page, "Q6279")
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == code
    assert answer.headers["MediaWiki-API-Error"] == header
    value = '{"entity-type": "item", "id": "Q6279"}'
    given = {"action": "wbcreateclaim", "entity": f"M{page}", "property": "P180", "snaktype": "value", "value": value}
    assert alice.post(**given).headers["MediaWiki-API-Error"] == header_of_create
    assert _stored(alice, page) == []
    assert alice.depict(page, "Q6279").json()["success"] == 1


def test_lag_is_reported_only_to_requests_with_maxlag(alice: Client) -> None:
    alice.fault("maxlag", count=None, lag=7.4)
    assert "error" not in alice.get(meta="userinfo")
    assert "error" not in alice.get(meta="userinfo", maxlag=8)
    answer = alice.depict(_page(alice), "Q6279", maxlag=5)
    assert answer.json()["error"] == answer.json()["error"] | {"code": "maxlag", "lag": 7.4, "type": "db"}
    assert (answer.headers["Retry-After"], answer.headers["X-Database-Lag"]) == ("5", "7")


@pytest.mark.parametrize("retry_after", ["3", None])
def test_429_is_sent_with_and_without_retry_after(alice: Client, retry_after: str | None) -> None:
    alice.fault("too_many_requests", retry_after=retry_after)
    answer = alice.ask("GET", meta="userinfo")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, retry_after)
    assert alice.ask("GET", meta="userinfo").status_code == 200


def test_503_and_html_are_sent_instead_of_json(alice: Client) -> None:
    alice.fault("unavailable")
    alice.fault("html")
    first, second = alice.ask("GET", meta="userinfo"), alice.ask("GET", meta="userinfo")
    assert first.status_code == 503
    assert second.status_code == 200
    assert {answer.headers["Content-Type"] for answer in (first, second)} == {"text/html; charset=utf-8"}


@pytest.mark.parametrize(("kind", "stored"), [("drop_before", []), ("drop_after", ["Q6279"])])
def test_write_with_a_lost_response_is_stored_or_not(alice: Client, kind: str, stored: list[str]) -> None:
    page = _page(alice)
    alice.fault(kind, match={"action": "wbeditentity"})
    with pytest.raises(requests.ConnectionError):
        alice.depict(page, "Q6279")
    assert _stored(alice, page) == stored


def test_edit_with_a_warning_is_accepted_the_second_time(alice: Client) -> None:
    page = _page(alice)
    alice.fault("abusefilter_warning", count=None)
    given: dict[str, Any] = {"guid": f"M{page}$11111111-2222-4333-8444-555555555555"}
    assert alice.depict(page, "Q6279", **given).headers["MediaWiki-API-Error"] == "failed-save, abusefilter-warning"
    assert alice.depict(page, "Q6279", **given).json()["success"] == 1


def test_expired_authorization_and_failing_refresh(alice: Client) -> None:
    alice.fault("authorization")
    assert alice.get(meta="userinfo")["error"]["code"] == "mwoauth-invalid-authorization"
    alice.fault("refresh")
    asked = {"grant_type": "refresh_token", "refresh_token": alice.tokens["refresh_token"]}
    assert alice.token(**asked).status_code == 401
    assert alice.token(**asked).status_code == 200


def test_response_to_a_refresh_can_be_lost(alice: Client) -> None:
    alice.fault("drop_after", match={"action": "refresh_token"})
    asked = {"grant_type": "refresh_token", "refresh_token": alice.tokens["refresh_token"]}
    with pytest.raises(requests.ConnectionError):
        alice.token(**asked)
    assert alice.token(**asked).json()["hint"] == "Token has been revoked"


@pytest.mark.parametrize("kind", ["truncate", "corrupt", "cut_short"])
def test_picture_can_be_sent_broken(alice: Client, kind: str) -> None:
    title = alice.members("Category:Joe Biden")[0]["title"]
    page = alice.get(titles=title, prop="imageinfo", iiprop="url|size")["query"]["pages"][0]
    url, size = page["imageinfo"][0]["url"], page["imageinfo"][0]["size"]
    whole = requests.get(url, timeout=PATIENCE).content
    alice.fault(kind, match={"path": "/w/images/"})
    if kind == "cut_short":
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(url, timeout=PATIENCE)
    else:
        broken = requests.get(url, timeout=PATIENCE).content
        assert broken != whole
        assert len(broken) == (size if kind == "corrupt" else size // 2)
    assert requests.get(url, timeout=PATIENCE).content == whole


def test_response_can_be_delayed(alice: Client) -> None:
    alice.fault("slow", seconds=0.2)
    begin = time.monotonic()
    alice.get(meta="userinfo")
    assert time.monotonic() - begin >= 0.2


def test_faults_are_matched_skipped_counted_and_cleared(alice: Client) -> None:
    alice.fault("unavailable", match={"module": "tokens", "method": "GET"}, skip=1, count=2)
    assert alice.ask("GET", meta="userinfo").status_code == 200
    codes = [alice.ask("GET", meta="tokens").status_code for _ in range(4)]
    assert codes == [200, 503, 503, 200]
    assert alice.admin("faults")["struck"] == {"unavailable": 2}
    alice.fault("unavailable", count=None)
    alice.admin("faults", {"clear": True})
    assert alice.admin("faults")["waiting"] == []
    assert alice.ask("GET", meta="userinfo").status_code == 200


def test_fault_occurs_with_its_probability() -> None:
    faults = Faults()
    faults.add({"kind": "slow", "probability": 0.3, "count": None})
    struck = sum(bool(faults.take("delay", {})) for _ in range(1000))
    assert 250 <= struck <= 350


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "nonsense"},
        {"kind": "slow", "match": {"colour": "x"}},
        {"kind": "slow", "match": {"path": "("}},
        {"kind": "slow", "x": 1},
    ],
)
def test_invalid_fault_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadFault):
        Faults().add(given)


def test_rate_limit_can_be_set_for_a_user(sandbox: Sandbox, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    alice.admin("settings", {"edit_limit": 2, "edit_window": 60.0})
    page = _page(alice)
    headers = [alice.depict(page, "Q6279").headers.get("MediaWiki-API-Error") for _ in range(3)]
    assert headers == [None, None, "failed-save, ratelimited"]
    limits = alice.get(meta="userinfo", uiprop="ratelimits")["query"]["userinfo"]["ratelimits"]
    assert limits["edit"]["user"] == {"hits": 2, "seconds": 60}
    now = time.time()
    monkeypatch.setattr(sandbox.world, "clock", lambda: now + 61)
    assert alice.depict(page, "Q6279").json()["success"] == 1


def test_every_kind_of_fault_is_tested() -> None:
    tested = {kind for kind, *_ in SAVES} | {
        "maxlag",
        "too_many_requests",
        "unavailable",
        "html",
        "drop_before",
        "drop_after",
    }
    tested |= {"authorization", "refresh", "truncate", "corrupt", "cut_short", "slow", "slow_after", "internal_error"}
    assert tested | set(SPOILERS) == set(
        POINTS
    )  # The malicious kinds are tested in tests/pipeline/detection/test_hostile.py.


def test_internal_error_stores_nothing_but_a_slow_response_does(alice: Client) -> None:
    page = _page(alice)
    alice.fault("internal_error")
    assert alice.depict(page, "Q6279").json()["error"]["code"] == "internal_api_error_DBQueryError"
    assert _stored(alice, page) == []
    alice.fault("slow_after", seconds=3)
    with pytest.raises(requests.Timeout):
        alice.http.post(f"{alice.base}/w/api.php", data={"action": "query", "format": "json"}, timeout=0.1)
