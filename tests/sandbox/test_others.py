"""Actions of other users on the wiki, the true state for tests, saving, and concurrent writes."""

import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox
from sandbox.state.storage import BadState, load
from testing.waiting import PATIENCE
from tests.sandbox.clients import Client


def _info(client: Client, title: str) -> Any:
    asked = {"titles": title, "prop": "imageinfo|info", "iiprop": "sha1|url|archivename|timestamp", "iilimit": 5}
    return client.get(**asked)["query"]["pages"][0]


@pytest.fixture
def rows(alice: Client) -> list[dict[str, Any]]:
    """Return Joe Biden's files."""
    return alice.members("Category:Joe Biden")


def test_overwriting_changes_the_sha1_and_keeps_the_id(alice: Client, rows: list[dict[str, Any]]) -> None:
    first, second = rows[0]["title"], rows[1]["title"]
    before, other = _info(alice, first), _info(alice, second)
    alice.admin("edit", {"kind": "overwrite", "title": first, "with": second})
    after = _info(alice, first)
    assert after["pageid"] == before["pageid"]
    assert after["imageinfo"][0]["sha1"] == other["imageinfo"][0]["sha1"] != before["imageinfo"][0]["sha1"]
    old = after["imageinfo"][1]
    assert old["sha1"] == before["imageinfo"][0]["sha1"]
    assert old["archivename"].endswith(first[5:].replace(" ", "_"))
    assert requests.get(old["url"], timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize("redirect", [True, False])
def test_moved_file_keeps_its_id_and_statements(alice: Client, rows: list[dict[str, Any]], redirect: bool) -> None:
    page, title = rows[-1]["pageid"], rows[-1]["title"]
    alice.depict(page, "Q6279")
    alice.admin("edit", {"kind": "move", "title": title, "to": "File:New name.jpg", "redirect": redirect})
    assert _info(alice, "File:New name.jpg")["pageid"] == page
    entity = alice.get(action="wbgetentities", ids=f"M{page}")["entities"][f"M{page}"]
    assert entity["title"] == "File:New name.jpg"
    assert len(entity["statements"]["P180"]) == 1
    assert _info(alice, title).get("redirect", False) is redirect
    assert _info(alice, title).get("missing", False) is not redirect


def test_deleted_file_can_be_restored_with_its_statements(alice: Client, rows: list[dict[str, Any]]) -> None:
    page, title = rows[-1]["pageid"], rows[-1]["title"]
    alice.depict(page, "Q6279")
    alice.admin("edit", {"kind": "delete", "id": page})
    assert _info(alice, title)["missing"] is True
    assert alice.get(action="wbgetentities", ids=f"M{page}")["entities"][f"M{page}"] == {
        "id": f"M{page}",
        "missing": "",
    }
    assert alice.depict(page, "Q6279").json()["error"]["code"] == "no-such-entity"
    alice.admin("edit", {"kind": "undelete", "id": page})
    assert len(alice.get(action="wbgetclaims", entity=f"M{page}")["claims"]["P180"]) == 1


def test_blocked_user_can_sign_in_but_not_edit(alice: Client, rows: list[dict[str, Any]]) -> None:
    alice.admin("edit", {"kind": "block", "user": "Alice", "reason": "for a test"})
    assert alice.get(meta="userinfo", uiprop="blockinfo")["query"]["userinfo"]["blockreason"] == "for a test"
    refused = alice.depict(rows[-1]["pageid"], "Q6279")
    assert refused.headers["MediaWiki-API-Error"] == "permissiondenied, blocked"
    alice.sign_in("Alice")
    profile = alice.http.get(f"{alice.base}/w/rest.php/oauth2/resource/profile", timeout=PATIENCE).json()
    assert profile["blocked"] is True
    alice.admin("edit", {"kind": "unblock", "user": "Alice"})
    assert alice.depict(rows[-1]["pageid"], "Q6279").json()["success"] == 1


def test_partial_block_applies_to_its_page_only(alice: Client, rows: list[dict[str, Any]]) -> None:
    alice.admin("edit", {"kind": "block", "user": "Alice", "titles": [rows[-1]["title"]]})
    assert "error" in alice.depict(rows[-1]["pageid"], "Q6279").json()
    assert alice.depict(rows[-2]["pageid"], "Q6279").json()["success"] == 1


def test_another_user_can_add_change_and_remove_statements(alice: Client, rows: list[dict[str, Any]]) -> None:
    page = rows[-1]["pageid"]
    made = alice.admin("edit", {"kind": "add_statement", "id": page, "value": "Q6279", "user": "Bob"})
    changed = {"kind": "change_statement", "id": page, "guid": made["guid"], "qualifiers": {"P2677": "pct:1,2,3,4"}}
    alice.admin("edit", {**changed, "rank": "preferred"})
    one = alice.get(action="wbgetclaims", entity=f"M{page}")["claims"]["P180"][0]
    assert (one["id"], one["rank"], one["qualifiers-order"]) == (made["guid"], "preferred", ["P2677"])
    alice.admin("edit", {"kind": "remove_statement", "id": page, "guid": made["guid"]})
    entity = alice.get(action="wbgetentities", ids=f"M{page}")["entities"][f"M{page}"]
    assert entity["statements"] == []
    history = alice.get(pageids=page, prop="revisions", rvprop="user|comment", rvlimit=9)["query"]["pages"][0][
        "revisions"
    ]
    assert [revision["user"] for revision in history] == ["Volunteer", "Volunteer", "Bob", "Sandbox"]


def test_impossible_action_is_refused_with_a_message(alice: Client) -> None:
    url = f"{alice.base}/sandbox/edit"
    for given, words in (
        ({"kind": "nonsense"}, "kind must be one of"),
        ({"kind": "delete", "title": "Nothing.jpg"}, "There is no page"),
        ({"kind": "add_statement", "title": "Joe Biden old name.jpg"}, "missing: value"),
    ):
        answer = requests.post(url, json=given, timeout=PATIENCE)
        assert answer.status_code in (400, 404)
        assert words in answer.json()["error"]


def test_complete_state_can_be_read(alice: Client, rows: list[dict[str, Any]]) -> None:
    page = rows[-1]["pageid"]
    revision = alice.depict(page, "Q6279", summary="for a test", tags="wikivisage").json()["entity"]["lastrevid"]
    state = alice.admin("state")
    assert state["people"] == {"ada_lovelace": state["people"]["ada_lovelace"], "joe_biden": "Q6279"}
    file = next(file for file in state["files"] if file["id"] == page)
    assert (file["people"], file["depicts"], file["lastrevid"]) == (["joe_biden"], ["Q6279"], revision)
    edit = state["edits"][-1]
    assert (edit["user"], edit["module"], edit["revision"]) == ("Alice", "wbeditentity", revision)
    assert edit["summary"] == "/* wbeditentity-update:0| */ for a test"
    assert edit["tags"] == ["wikivisage", "OAuth CID: 1"]
    assert state["counts"]["requests"]["api:wbeditentity"] == 1


def test_reset_restores_the_initial_state(alice: Client, rows: list[dict[str, Any]]) -> None:
    alice.depict(rows[-1]["pageid"], "Q6279")
    alice.fault("readonly", count=None)
    alice.admin("settings", {"latency": 0.01})
    alice.admin("reset", {"keep_tokens": True})
    state = alice.admin("state")
    assert (state["edits"], state["faults"]["waiting"], state["settings"]["latency"]) == ([], [], 0)
    assert alice.depict(rows[-1]["pageid"], "Q6279").json()["success"] == 1


def test_one_of_two_concurrent_writes_fails(alice: Client, rows: list[dict[str, Any]]) -> None:
    alice.admin("settings", {"latency": 0.3})
    page, headers = rows[-1]["pageid"], []

    def write() -> None:
        headers.append(alice.depict(page, "Q6279").headers.get("MediaWiki-API-Error"))

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(headers, key=str) == [None, "failed-save, editconflict", "failed-save, editconflict"]
    assert alice.admin("state?files=0")["counts"]["most_at_once"]["api"] == 3


def test_edit_without_login_creates_a_temporary_account(sandbox: Sandbox, rows: list[dict[str, Any]]) -> None:
    nobody = Client(sandbox)
    nobody.csrf = "+\\"
    body = nobody.depict(rows[-1]["pageid"], "Q6279").json()
    assert body["tempusercreated"] == "~2026-1"
    assert (
        nobody.depict(rows[-1]["pageid"], "Q6279", assertuser="Alice").json()["error"]["code"]
        == "assertnameduserfailed"
    )


def test_state_is_kept_after_a_restart(photos: Path, picture_cache: Path, tmp_path: Path) -> None:
    kept = tmp_path / "state.json"
    first = Sandbox(photos, cache=picture_cache, state=kept).start()
    client = Client(first).sign_in("Alice")
    page = client.members("Category:Joe Biden")[-1]["pageid"]
    entity = client.depict(page, "Q6279", qualifiers={"P2677": "pct:1,2,3,4"}).json()["entity"]
    first.stop()
    second = Sandbox(photos, cache=picture_cache, state=kept).start()
    client.base = second.base
    stored = client.get(action="wbgetentities", ids=f"M{page}")["entities"][f"M{page}"]
    name = client.get(meta="userinfo")["query"]["userinfo"]["name"]
    second.stop()
    assert stored["statements"] == entity["statements"]
    assert name == "Alice"


def test_damaged_state_file_is_reported_with_instructions(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"pages": 5}')
    with pytest.raises(BadState, match="Delete it to begin anew"):
        load(tmp_path / "state.json")
