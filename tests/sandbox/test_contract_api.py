"""Send the recorded requests to the sandbox: its responses have the same structures, codes and headers as MediaWiki's.

Ids made by a server (revisions, statements) differ; recorded ids are translated to those of the sandbox.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox import other_people
from sandbox.app import create_app
from sandbox.state.model import Grant
from sandbox.state.pictures import Pictures
from sandbox.state.world import World
from tests.sandbox.recordings import Recording, all_recordings, error_codes, shape, walk, wiki

NOT_STOOD_FOR = {
    "login": "BotPasswords",
    "clientlogin": "signing in by api.php",
    "move": "moving; others.move does it here",
    "delete": "deleting; others.delete does it here",
    "undelete": "undeleting; others.undelete does it here",
    "wbmergeitems": "merging; others.merge_items does it here",
    "wbsearchentities": "properties and pages of items stand in the same wiki there",
}
OTHERWISE = {
    "err_anonymous_no_edit_right": "anonymous editing was switched off on the recorded wiki for this case",
    "err_no_edit_right": "the right was taken from everybody on the recorded wiki; the grant's lack is recorded too",
    "err_no_edit_right_wbeditentity": "the same",
    "err_blocked_ip_hardblock": "addresses are not blocked here",
    "err_ratelimited_action_edit": "the limit of action=edit",
    "err_maxlag_minus1_single_db_passes": "negative maxlag",
    "err_maxlag_minus2_get_real": "negative maxlag",
    "err_blocked_sitewide_wbremoveclaims": "the page of the GUID is another there",
    "wbcreateclaim_P18_commonsMedia": "items are changed by others.make_item here",
    "search_haswbstatement_without_cirrus": "the sandbox has the search of Commons, that wiki had not",
    "oauth_api_clientlogin_with_bearer": "other tokens",
    "readonly_siteinfo": "the whole of siteinfo",
    "recentchanges_bot_flag": "recent changes",
    "recentchanges_bot_flag_without_right": "recent changes",
    "imageinfo_thumb640_svg": "no SVG here",
    "imageinfo_thumb640_tiff": "TIFF is rendered as on Commons, not as on that wiki",
    "mid_after_delete_and_reupload": "deleted between",
    "mid_after_undelete": "deleted between",
    "mid_while_deleted": "deleted between",
    "imageinfo_history_overwritten_file": "overwritten between; test_others has it",
    "err_maxlag_wikibase_queryservice_type": "its own fields of the query service",
    "anonymous_edit": "recorded with temporary accounts switched off",
    "anonymous_edit_with_temp_accounts_assert_user": "recorded with a token of another kind",
    "userinfo_loggedin": "e-mail and messages",
    "err_abusefilter_disallow_action_edit_for_comparison": "edit filters of action=edit",
    "intestactions_partial_block": "its block is not in the recorded order",
}
"""Cases that are left out, with the reason."""

ANONYMOUS = re.compile(
    r"anonymous(?!_token)|session_lost|origin_star|header_missing|limit_501|51_titles|post_params_in"
)
OTHER_USERS = {"conflict_other_user": "Bob", "bot_flag_with_bot_right": "Bobbot", "blocked_partial": "Newbie"}
UNDONE = "M459$4A6AF048-7734-44DB-A08D-384967872DD9"
FIRST = {
    "err_abusefilter_warn_first": 1,
    "revision_made_by_oauth2_has_automatic_tag": 1,
    "conflict_stale_baserevid_wbsetclaim_same_statement": 1,
}
"""Cases of which the order is not seen in a revision."""
BEFORE: dict[str, dict[str, Any]] = {
    "conflict_wikitext_edited_in_between": {"kind": "edit_text", "id": 541, "text": "another text"},
    "err_blocked_sitewide": {"kind": "block", "user": "Blocked"},
    "err_blocked_partial_on_page": {
        "kind": "block",
        "user": "Newbie",
        "titles": ["File:Testival 2026 portrait 0141.jpg"],
    },
    "oauth_api_blocked_user_edit": {"kind": "block", "user": "Alice"},
    "wbgetentities_moved_deleted_redirect": {"kind": "add_statement", "id": 328, "value": "Q5"},
    "wbgetentities_redirected_item": {"kind": "merge_items", "item": "Q200000000", "into": "Q9545"},
    "wbcreateclaim_value_is_redirected_item": {"kind": "merge_items", "item": "Q200000000", "into": "Q9545"},
    "wbcreateclaim_value_is_deleted_item": {"kind": "delete_item", "item": "Q146"},
    "conflict_race_first_mediainfo_stale_baserevid": {"kind": "add_statement", "id": 412, "value": "Q5"},
    "wbgetclaims_after_duplicates": {"kind": "add_statement", "id": 387, "value": "Q5"},
    "undo_mediainfo_edit_via_action_edit": {"kind": "add_statement", "id": 459, "value": "Q9545", "guid": UNDONE},
    "retry_lost_answer_wbsetclaim_new_guid_existing_mediainfo_1": {"kind": "add_statement", "id": 433, "value": "Q5"},
    "retry_lost_answer_wbeditentity_new_guid_existing_mediainfo_1": {"kind": "add_statement", "id": 109, "value": "Q5"},
    "retry_lost_answer_wbcreateclaim_existing_mediainfo_1": {"kind": "add_statement", "id": 340, "value": "Q5"},
    "err_protected_page": {"kind": "protect", "id": 444},
    "prop_info_protection_and_intestactions": {"kind": "protect", "id": 444},
}
"""What somebody else did just before a case."""


def _cases() -> list[Recording]:
    """Return the cases of api.php in recorded order: within one second, writes by their revision, then the others."""
    found = [one for one in all_recordings() if one.path == "/w/api.php" and one.params and one.body is not None]
    kept = [one for one in found if one.params.get("action") not in NOT_STOOD_FOR and one.case not in OTHERWISE]
    return sorted(kept, key=lambda one: (one.at, _place(one), one.method == "GET", FIRST.get(one.case, 2), one.case))


def _place(one: Recording) -> int:
    """Return the position among the cases of the same second: after the newest revision in the request."""
    if one.method == "GET" and error_codes(one.body) == ["no-such-entity"]:
        return 0
    numbers = [found["lastrevid"] for found in walk(one.body) if "lastrevid" in found]
    return max(numbers, default=FIRST.get(one.case, 10**9))


@dataclass
class Replay:
    """A sandbox like the recorded wiki, and the translation of ids."""

    world: World
    http: FlaskClient
    revisions: dict[str, str] = field(default_factory=dict)
    guids: dict[str, str] = field(default_factory=dict)
    goes_on: str = ""

    def user(self, one: Recording) -> str:
        """Return the user who sent the request."""
        if ANONYMOUS.search(one.case):
            return ""
        if "blocked" in one.case and not one.case.startswith("oauth") and "partial" not in one.case:
            return "Blocked"
        return next((name for part, name in OTHER_USERS.items() if part in one.case), "Alice")

    def send(self, one: Recording) -> TestResponse:
        """Send the request with the ids of this sandbox."""
        user = self.user(one)
        headers = {"Authorization": f"Bearer {_bearer(one, user)}"} if user else {}
        params = {name: self._here(value) for name, value in one.params.items()}
        params["baserevid"] = self._base(one)
        if "REDACTED_HEX" in params.get("cmcontinue", ""):
            params["cmcontinue"] = self.goes_on
        if one.params.get("token") == "REDACTED" and "badtoken" not in error_codes(one.body):
            params["token"] = f"csrf-{_bearer(one, user)}" if user else "+\\"
        if not params["baserevid"]:
            del params["baserevid"]
        if one.bare_url and one.method == "POST":
            token = {"token": params.pop("token", "csrf-Alice")}
            return self.http.post("/w/api.php", query_string=params, data=token, headers=headers)
        if one.method == "GET":
            return self.http.get("/w/api.php", query_string=params, headers=headers)
        return self.http.post("/w/api.php", data=params, headers=headers)

    def _base(self, one: Recording) -> str:
        """Return the base revision here; the newest one if it was made by an edit that was not recorded."""
        recorded = one.params.get("baserevid", "")
        if (
            recorded
            and one.case in BEFORE
            and recorded not in self.revisions
            and BEFORE[one.case]["kind"] == "add_statement"
        ):
            page = self.world.state.pages[int(BEFORE[one.case]["id"])]
            if recorded != str(page.id):
                self.revisions[recorded] = str(page.last.id)
        return self.revisions.get(recorded, recorded)

    def _here(self, text: str) -> str:
        for recorded, own in self.guids.items():
            text = text.replace(recorded, own)
        return text

    def learn(self, recorded: Any, own: Any) -> None:
        """Store which id of the sandbox corresponds to which recorded one."""
        there, here = list(walk(recorded)), list(walk(own))
        numbers = [[str(one["lastrevid"]) for one in side if "lastrevid" in one] for side in (there, here)]
        self.revisions.update(zip(*numbers, strict=False))
        guids = [[one["id"] for one in side if "$" in str(one.get("id", ""))] for side in (there, here)]
        known = set(self.guids.values())
        fresh = [
            [guid for guid in guids[0] if guid not in self.guids],
            [guid for guid in guids[1] if guid not in known],
        ]
        self.guids.update(zip(*fresh, strict=False))
        goes_on = [one["cmcontinue"] for one in here if "cmcontinue" in one]
        self.goes_on = goes_on[0] if goes_on else self.goes_on


def _bearer(one: Recording, user: str) -> str:
    if re.search(r"garbage_bearer|expired_bearer|tampered|old_access|revoked_grant", one.case):
        return "dead"
    if "consumer_disabled" in one.case:
        return "disabled"
    return f"basic-{user}" if "basic_only" in one.case or "authonly" in one.case else user


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """A sandbox with all users signed in."""
    folder = tmp_path_factory.mktemp("recorded")
    state = wiki(folder)
    state.consumers["disabled"] = type(state.consumers["client"])("disabled", "secret", enabled=False)
    for name in state.users:
        for prefix, consumer in (("", "client"), ("basic-", "basic")):
            access = f"{prefix}{name}"
            scopes = state.consumers[consumer].grants
            state.grants.append(Grant(consumer, name, access, "", 1e12, 1e12, scopes, f"csrf-{access}"))
    state.grants.append(Grant("disabled", "Alice", "disabled", "", 1e12, 1e12, ["basic"], "csrf-disabled"))
    world = World(state, Pictures(Path(folder)))
    return Replay(world, create_app(world, lambda: state).test_client())


FAULTS: list[tuple[str, dict[str, Any]]] = [
    (r"err_readonly", {"kind": "readonly"}),
    (r"err_maxlag", {"kind": "maxlag"}),
    (r"err_ratelimited|ratelimit_sequence_[34]|oauth_ratelimited", {"kind": "ratelimited"}),
    (r"err_abusefilter_disallow|abusefilter_throttle_[23]", {"kind": "abusefilter_disallowed"}),
    (r"abusefilter_warn", {"kind": "abusefilter_warning"}),
    (r"parallel_.*failed_save", {"kind": "lost_race"}),
]


def _prepare(replay: Replay, one: Recording) -> None:
    before = BEFORE.get(one.case)
    if before:
        other_people.KINDS[before["kind"]](replay.world, before)
    if one.case == "oauth_api_blocked_user_userinfo":
        other_people.block(replay.world, {"user": "Alice"})
    for pattern, fault in FAULTS:
        if re.search(pattern, one.case):
            replay.world.faults.add({**fault, "count": 1})


def test_every_recorded_request_gets_a_response_with_the_recorded_structure(replay: Replay) -> None:
    """All cases in one run, because they depend on each other; every difference is listed."""
    different: list[str] = []
    seen = 0
    for one in _cases():
        _prepare(replay, one)
        answer = replay.send(one)
        replay.world.faults.waiting.clear()
        other_people.unblock(replay.world, {"user": "Alice"})
        replay.world.state.items["Q146"].deleted = False
        body = answer.get_json(silent=True)
        replay.learn(one.body, body)
        different += [f"{one.case}: {line}" for line in differences(one, answer, body)]
        seen += 1
    assert not different, "\n".join(different)
    assert seen > 200


def differences(one: Recording, answer: TestResponse, body: Any) -> Iterator[str]:
    """Return the differences from the recording."""
    if answer.status_code != one.status:
        yield f"status {answer.status_code}, recorded {one.status}"
    if error_codes(body) != error_codes(one.body):
        yield f"codes {error_codes(body)}, recorded {error_codes(one.body)}"
    elif answer.headers.get("MediaWiki-API-Error", "") != one.header:
        yield f"header {answer.headers.get('MediaWiki-API-Error')!r}, recorded {one.header!r}"
    elif one.params.get("meta") == "userinfo" or "wbgetentities_items" in one.case or "person_items" in one.case:
        return  # Rights, rate limits and the statements of items differ between wikis.
    else:
        mine, theirs = shape(_bare(one, body)), shape(_bare(one, one.body))
        if mine != theirs:
            yield from _compare("", mine, theirs)


def _bare(one: Recording, value: Any) -> Any:
    """Remove the parts that depend on the wiki's configuration or on edits that are not recorded."""
    left_out = {"extmetadata", "new", "duration"} | (set() if "thumbsteps" in one.case else {"responsiveUrls"})
    if isinstance(value, dict):
        return {key: _bare(one, inner) for key, inner in value.items() if key not in left_out}
    return [_bare(one, inner) for inner in value] if isinstance(value, list) else value


def _compare(path: str, mine: Any, theirs: Any) -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys([*mine, *theirs]):
            if key not in mine:
                yield f"{path}/{key} is missing"
            elif key not in theirs:
                yield f"{path}/{key} is too much"
            else:
                yield from _compare(f"{path}/{key}", mine[key], theirs[key])
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs) == 1:
        yield from _compare(f"{path}[]", mine[0], theirs[0])
    elif isinstance(mine, list) and isinstance(theirs, list) and not (mine and theirs):
        return  # One of them is empty, but both are lists.
    elif mine != theirs:
        yield f"{path} is {json.dumps(mine)[:80]}, recorded {json.dumps(theirs)[:80]}"
