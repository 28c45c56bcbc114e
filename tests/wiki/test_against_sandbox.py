"""Tests of the whole client against the sandbox: find, read and write a person's files, with faults."""

import io
import json
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import pytest
import requests
from PIL import Image

from config import Settings
from sandbox import environment
from sandbox.server import CLIENT_ID, CLIENT_SECRET, Sandbox
from testing.waiting import PATIENCE
from tests.wiki import fakes
from wiki import commons, depicts, history, sparql, wikidata
from wiki.client import Client, Endpoints
from wiki.commons import FileInfo, MissingFile, Why
from wiki.errors import (
    AuthorizationLost,
    GiveUp,
    NoSuchItem,
    Reason,
    RefreshDead,
    Reread,
    RetryWithNewToken,
    SignInFailed,
    StopBatch,
    Wait,
    WikiError,
)
from wiki.oauth import OAuth, Tokens, read_callback

CALLBACK = "http://127.0.0.1:9/auth/callback"
BOX = (0.1, 0.2, 0.3, 0.4)


@dataclass
class Bench:
    """A client for a sandbox, a signed-in user, and a person with files there."""

    sandbox: Sandbox
    client: Client
    time: fakes.Time
    oauth: OAuth
    tokens: Tokens
    csrf: str
    item: str
    name: str
    files: list[dict[str, Any]]

    def ask(self, path: str, content: object) -> dict[str, Any]:
        """Call the sandbox's own interface."""
        data, headers = json.dumps(content).encode(), {"Content-Type": "application/json"}
        with urlopen(Request(f"{self.sandbox.base}/sandbox/{path}", data, headers)) as answer:
            result: dict[str, Any] = json.load(answer)
            return result

    def fault(self, kind: str, **more: object) -> None:
        self.ask("faults", {"kind": kind, **more})

    def edit_as_other_user(self, kind: str, **more: object) -> dict[str, Any]:
        return self.ask("edit", {"kind": kind, **more})

    def free(self) -> int:
        """Return the page id of a file without statements."""
        return next(int(file["id"]) for file in self.files if not file["depicts"] and file["has_file"])

    def stored_statements(self, page_id: int) -> list[dict[str, Any]]:
        """Return the statements that the sandbox really stores."""
        with urlopen(f"{self.sandbox.base}/sandbox/state") as answer:
            return next(file["statements"] for file in json.load(answer)["files"] if file["id"] == page_id)

    def read(self, page_id: int) -> depicts.Entity:
        return depicts.read_statements(self.client, [page_id])[page_id]

    def add(self, page_id: int, guid: str, base: int, **more: Any) -> depicts.Written:
        words = depicts.summary("Adding a statement", "00ff00ff00ff")
        return depicts.add_statement(
            self.client, self.tokens.access, self.csrf, page_id, self.item, guid, base, words, **more
        )


def guid(page_id: int) -> str:
    return depicts.new_statement_id(page_id, uuid.uuid4())


def client_of(sandbox: Sandbox, time: fakes.Time) -> Client:
    variables = environment.variables(sandbox.base, "http://127.0.0.1:9")
    endpoints = Endpoints(**Settings.from_env(variables).endpoints)
    hosts = (variables["WIKIVISAGE_MEDIA_HOSTS"],)
    return Client(endpoints, "WikiVisage/test (a@b.org)", time, clock=time, rng=random.Random(2), media_hosts=hosts)


def browse(url: str, button: str = "accept", name: str = "Alice") -> dict[str, str]:
    """Sign in at the wiki, press the button, and return the parameters of the callback."""
    browser = requests.Session()
    base = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    login = {"wpName": name, "returnto": url.removeprefix(base)}
    page = browser.post(f"{base}/wiki/Special:UserLogin", login, timeout=PATIENCE)
    fields = dict(parse_qsl(urlsplit(page.url).query))
    fields[button] = "1"
    answer = browser.post(f"{base}/wiki/Special:OAuth/approve", fields, timeout=PATIENCE, allow_redirects=False)
    back = browser.get(base + answer.headers["Location"], timeout=PATIENCE, allow_redirects=False)
    assert back.headers["Location"].startswith(CALLBACK)
    browser.close()
    return dict(parse_qsl(urlsplit(back.headers["Location"]).query))


def sign_in(oauth: OAuth, name: str = "Alice") -> Tokens:
    begun = oauth.authorize_url()
    return oauth.exchange(read_callback(browse(begun.url, name=name), begun.state), begun.verifier)


@pytest.fixture
def bench(sandbox):
    time = fakes.Time()
    client = client_of(sandbox, time)
    oauth = OAuth(client, CLIENT_ID, CLIENT_SECRET, CALLBACK)
    tokens = sign_in(oauth)
    with urlopen(f"{sandbox.base}/sandbox/state") as answer:
        state = json.load(answer)
    folder = max(state["people"], key=lambda name: sum(file["people"] == [name] for file in state["files"]))
    files = [
        file for file in state["files"] if folder in file["people"] and not file["deleted"] and not file["redirect"]
    ]
    csrf = depicts.csrf_token(client, tokens.access)
    item = state["people"][folder]
    yield Bench(sandbox, client, time, oauth, tokens, csrf, item, state["items"][item], files)
    client.close()


def test_profile_and_user_info_name_the_signed_in_account(bench):
    profile = bench.oauth.profile(bench.tokens.access)
    user = depicts.user_info(bench.client, bench.tokens.access)
    assert (profile.username, user.name) == ("Alice", "Alice")
    assert profile.sub == str(user.central_id)
    assert profile.may_edit
    assert user.may_edit


def test_refresh_invalidates_the_old_tokens(bench):
    old, csrf = bench.tokens, bench.csrf
    bench.tokens = bench.oauth.refresh(old.refresh)
    assert bench.tokens.access != old.access
    with pytest.raises(RefreshDead):
        bench.oauth.refresh(old.refresh)
    with pytest.raises(AuthorizationLost) as caught:
        depicts.csrf_token(bench.client, old.access)
    assert caught.value.refreshable
    page_id = bench.free()
    with pytest.raises(RetryWithNewToken):
        bench.add(page_id, guid(page_id), bench.read(page_id).last_revision)
    bench.csrf = depicts.csrf_token(bench.client, bench.tokens.access)
    assert bench.csrf != csrf
    bench.add(page_id, guid(page_id), bench.read(page_id).last_revision)


def test_sign_in_fails_if_the_user_declines(bench):
    begun = bench.oauth.authorize_url()
    with pytest.raises(SignInFailed) as caught:
        read_callback(browse(begun.url, "cancel"), begun.state)
    assert caught.value.reason is Reason.DENIED


def test_code_is_valid_once_and_only_with_its_verifier(bench):
    begun = bench.oauth.authorize_url()
    code = read_callback(browse(begun.url), begun.state)
    with pytest.raises(SignInFailed):
        bench.oauth.exchange(code, "x" * 64)
    begun = bench.oauth.authorize_url()
    code = read_callback(browse(begun.url), begun.state)
    bench.oauth.exchange(code, begun.verifier)
    with pytest.raises(SignInFailed):
        bench.oauth.exchange(code, begun.verifier)


def test_refresh_with_a_wrong_client_secret_leaves_the_tokens_valid(bench):
    wrong = OAuth(bench.client, CLIENT_ID, "wrong", CALLBACK)
    with pytest.raises(StopBatch) as caught:
        wrong.refresh(bench.tokens.refresh)
    assert not isinstance(caught.value, AuthorizationLost)
    assert bench.oauth.refresh(bench.tokens.refresh).access


def test_files_of_a_person_are_found(bench):
    person = wikidata.person(bench.client, bench.item, ["nb", "en"])
    assert (person.label, person.is_human) == (bench.name, True)
    assert [hit.item for hit in wikidata.search(bench.client, bench.name, "en")] == [bench.item]
    assert wikidata.labels(bench.client, [bench.item], ["en"]) == {bench.item: {"en": bench.name}}
    portrait = commons.resolve_titles(bench.client, [person.portrait])[person.portrait]
    assert portrait
    category = person.commons_category
    assert commons.category_info(bench.client, [category])[category].files > 0
    batches = list(commons.walk(bench.client, commons.start([category]), 2))
    found = {member.page_id for batch in batches for member in batch.members}
    assert portrait.page_id in found
    assert {file["id"] for file in bench.files if category in file["categories"]} <= found


def test_person_reports_items_that_are_not_human_or_missing(bench):
    assert not wikidata.person(bench.client, "Q146", ["en"]).is_human
    with pytest.raises(NoSuchItem):
        wikidata.person(bench.client, "Q999999998", ["en"])


def test_image_info_reports_deleted_and_moved_files(bench):
    category = f"Category:{bench.name}"
    batches = list(commons.walk(bench.client, commons.start([category]), 2))
    ids = [member.page_id for batch in batches for member in batch.members]
    gone = bench.edit_as_other_user("delete", id=bench.files[0]["id"])["id"]
    moved = bench.edit_as_other_user("move", id=bench.files[1]["id"], to=f"File:{bench.name} moved.jpg")
    found = commons.image_info(bench.client, [*ids, gone, moved["id"], moved["redirect"]])
    assert set(found) == {*ids, gone, moved["id"], moved["redirect"]}
    assert found[gone] == MissingFile(gone, Why.DELETED)
    assert found[moved["redirect"]] == MissingFile(moved["redirect"], Why.REDIRECT)
    assert isinstance(found[moved["id"]], FileInfo)
    assert {state.why for state in found.values() if isinstance(state, MissingFile)} <= {*Why}


def test_download_of_originals_and_renderings(bench):
    info = commons.image_info(bench.client, [bench.free()])[bench.free()]
    assert isinstance(info, FileInfo)
    original = commons.download(bench.client, info.url)
    assert len(original) == info.size_bytes
    with Image.open(io.BytesIO(commons.download(bench.client, info.thumb_url))) as rendered:
        assert rendered.width == min(960, info.width)
    with pytest.raises(GiveUp) as caught:
        commons.download(bench.client, f"{bench.sandbox.base}/images/no/such.jpg")
    assert caught.value.reason is Reason.MISSING
    by_name = (
        f"{bench.client.endpoints.commons_page}/Special:FilePath/{info.title.partition(':')[2].replace('%', '%25')}"
    )
    assert commons.download(bench.client, by_name) == original


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "too_many_requests", "retry_after": "2"}, None),
        ({"kind": "unavailable"}, None),
        ({"kind": "drop_before"}, None),
        ({"kind": "html", "count": 9}, Reason.NOT_JSON),
    ],
)
def test_download_is_retried_after_faults_until_the_attempts_end(bench, fault, reason):
    page_id = bench.free()
    info = commons.image_info(bench.client, [page_id])[page_id]
    assert isinstance(info, FileInfo)
    bench.ask("faults", {**fault, "match": {"path": "images|thumb"}})
    if reason is None:
        assert len(commons.download(bench.client, info.url)) == info.size_bytes
        assert bench.time.waits
        return
    with pytest.raises(Wait) as caught:
        commons.download(bench.client, info.url)
    assert caught.value.reason is reason


def test_captions_are_read_with_the_statements(bench):
    found = depicts.read_statements(bench.client, [file["id"] for file in bench.files])
    captioned = [entity for entity in found.values() if entity.captions]
    assert {entity.captions["nb"] for entity in captioned if "nb" in entity.captions} == {
        f"Et fotografi av {bench.name}"
    }
    assert {bool(entity.statements) for entity in captioned} == {True, False}
    assert any(entity.has_mediainfo and not entity.captions for entity in found.values())


def test_depicting_falls_back_to_search_if_the_service_requires_a_login(bench):
    stated = {file["id"] for file in bench.files if bench.item in file["depicts"]}
    assert stated
    by_service = sparql.depicting(bench.client, bench.item)
    assert by_service.source == "sparql"
    assert stated <= set(by_service.page_ids)
    category = f"Category:{bench.name}"
    within = sparql.files_depicting(bench.client, bench.item, category)
    assert set(within) == {
        file["id"] for file in bench.files if bench.item in file["depicts"] and category in file["categories"]
    }
    bench.ask("settings", {"sparql": "login"})
    by_search = sparql.depicting(bench.client, bench.item)
    assert by_search.source == "search"
    assert set(by_search.page_ids) == set(by_service.page_ids)


def test_query_service_finds_every_statement_that_is_not_deprecated(bench):
    """If a file has a statement of preferred rank, `wdt:` returns only that one."""
    normal, preferred, deprecated, *_ = [file["id"] for file in bench.files if not file["depicts"] and file["has_file"]]
    for page_id, rank, others in ((normal, "normal", "preferred"), (preferred, "preferred", "normal")):
        bench.ask("edit", {"kind": "add_statement", "id": page_id, "value": bench.item, "rank": rank})
        bench.ask("edit", {"kind": "add_statement", "id": page_id, "value": "Q5", "rank": others})
    bench.ask("edit", {"kind": "add_statement", "id": deprecated, "value": bench.item, "rank": "deprecated"})
    found = set(sparql.files_depicting(bench.client, bench.item))
    assert {normal, preferred} <= found
    assert deprecated not in found


def test_statement_is_written_and_read_back(bench):
    page_id, entity = bench.free(), bench.read(bench.free())
    mine = guid(page_id)
    written = bench.add(page_id, mine, entity.last_revision, box=BOX, rank="preferred")
    assert not written.patched
    after = bench.read(page_id)
    statement = depicts.ours(after, mine)
    assert statement
    assert depicts.untouched(statement, bench.item, rank="preferred", box=BOX)
    assert after.last_revision == written.revision
    assert [stored["id"] for stored in bench.stored_statements(page_id)] == [mine]
    user = depicts.user_info(bench.client, bench.tokens.access)
    assert (
        history.written_since(bench.client, page_id, entity.last_revision, user.name, "00ff00ff00ff")
        == written.revision
    )


def test_repeated_request_writes_nothing(bench):
    """On a file without MediaInfo, and on one that has it."""
    for page_id in [bench.free(), next(file["id"] for file in bench.files if file["depicts"])]:
        entity, mine = bench.read(page_id), guid(page_id)
        before = len(bench.stored_statements(page_id))
        bench.add(page_id, mine, entity.last_revision)
        with pytest.raises(Reread) as caught:
            bench.add(page_id, mine, entity.last_revision)
        assert caught.value.reason is Reason.CONFLICT
        assert len(bench.stored_statements(page_id)) == before + 1
        assert depicts.ours(bench.read(page_id), mine)


def test_duplicate_of_another_user_is_detected_and_removed(bench):
    page_id = bench.free()
    bench.edit_as_other_user("add_statement", id=page_id, value="Q146")
    entity, mine = bench.read(page_id), guid(page_id)
    bench.edit_as_other_user("add_statement", id=page_id, value=bench.item)
    assert bench.add(page_id, mine, entity.last_revision).patched
    after = bench.read(page_id)
    assert len(depicts.twice(after, bench.item)) == 2
    access = (bench.client, bench.tokens.access, bench.csrf)
    depicts.remove_statement(*access, mine, after.last_revision, "remove the duplicate")
    assert len(depicts.stating(bench.read(page_id), bench.item)) == 1
    with pytest.raises(Reread) as caught:
        depicts.remove_statement(*access, mine, after.last_revision, "again")
    assert caught.value.reason in (Reason.STATEMENT_GONE, Reason.CONFLICT)


def test_position_is_added_once_to_an_existing_statement(bench):
    page_id, mine = bench.free(), guid(bench.free())
    written = bench.add(page_id, mine, bench.read(page_id).last_revision)
    access = (bench.client, bench.tokens.access, bench.csrf)
    depicts.add_qualifier(*access, mine, BOX, written.revision, "with position")
    statement = depicts.ours(bench.read(page_id), mine)
    assert statement
    assert depicts.untouched(statement, bench.item, box=BOX)
    with pytest.raises(Reread):
        depicts.add_qualifier(*access, mine, BOX, bench.read(page_id).last_revision, "with position")
    assert len(depicts.positions(depicts.ours(bench.read(page_id), mine) or statement)) == 1


def write_fault(kind: str, **more: object) -> Callable[[Bench, int], None]:
    return lambda bench, page_id: bench.fault(kind, match={"action": "wbeditentity"}, **more)


def other_user(kind: str, **more: object) -> Callable[[Bench, int], None]:
    def act(bench: Bench, page_id: int) -> None:
        bench.edit_as_other_user(kind, **({"user": "Alice"} if kind == "block" else {"id": page_id}), **more)

    return act


# Name, fault, expected error and reason, and whether the statement is stored in spite of the fault.
FAULTS: list[tuple[str, Callable[[Bench, int], None], type[WikiError], Reason, bool]] = [
    ("429", write_fault("too_many_requests"), Wait, Reason.TOO_MANY_REQUESTS, False),
    ("429 with Retry-After", write_fault("too_many_requests", retry_after="3"), Wait, Reason.TOO_MANY_REQUESTS, False),
    ("503", write_fault("unavailable"), Reread, Reason.OUTCOME_UNKNOWN, False),
    ("HTML page", write_fault("html"), Reread, Reason.OUTCOME_UNKNOWN, False),
    ("lost request", write_fault("drop_before"), Reread, Reason.OUTCOME_UNKNOWN, False),
    ("lost answer", write_fault("drop_after"), Reread, Reason.OUTCOME_UNKNOWN, True),
    ("truncated answer", write_fault("truncate"), Reread, Reason.OUTCOME_UNKNOWN, True),
    ("authorization lost", write_fault("authorization"), AuthorizationLost, Reason.AUTHORIZATION_LOST, False),
    ("badtoken", write_fault("badtoken"), RetryWithNewToken, Reason.TOKEN, False),
    ("readonly", write_fault("readonly"), Wait, Reason.READONLY, False),
    ("maxlag", write_fault("maxlag"), Wait, Reason.MAXLAG, False),
    ("blocked", write_fault("blocked"), StopBatch, Reason.BLOCKED, False),
    ("protected", write_fault("protected"), GiveUp, Reason.PROTECTED, False),
    ("no right", write_fault("no_right"), StopBatch, Reason.NO_RIGHT, False),
    ("ratelimited", write_fault("ratelimited"), Wait, Reason.RATELIMITED, False),
    ("abuse filter", write_fault("abusefilter_disallowed"), GiveUp, Reason.ABUSEFILTER, False),
    ("abuse filter warning", write_fault("abusefilter_warning"), GiveUp, Reason.ABUSEFILTER_WARNING, False),
    ("edit conflict", write_fault("editconflict"), Reread, Reason.CONFLICT, False),
    ("internal error", write_fault("internal_error"), Reread, Reason.OUTCOME_UNKNOWN, False),
    ("account blocked by an administrator", other_user("block"), StopBatch, Reason.BLOCKED, False),
    ("page protected by an administrator", other_user("protect"), GiveUp, Reason.PROTECTED, False),
    ("page deleted", other_user("delete"), GiveUp, Reason.NO_SUCH_ENTITY, False),
    ("first MediaInfo by another user", other_user("add_statement", value="Q146"), Reread, Reason.CONFLICT, False),
]


@pytest.mark.parametrize(
    ("act", "kind", "reason", "stored"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
def test_write_with_a_fault_raises_the_expected_error(bench, act, kind, reason, stored):
    page_id = bench.free()
    entity, mine = bench.read(page_id), guid(page_id)
    act(bench, page_id)
    with pytest.raises(WikiError) as caught:
        bench.add(page_id, mine, entity.last_revision)
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert (mine in [statement["id"] for statement in bench.stored_statements(page_id)]) == stored


@pytest.mark.parametrize(
    "kind", ["too_many_requests", "unavailable", "html", "drop_before", "drop_after", "truncate", "maxlag"]
)
def test_read_is_retried_after_temporary_faults(bench, kind):
    page_id = bench.free()
    bench.client._maxlag = 5
    bench.fault(kind, match={"action": "wbgetentities"})
    assert bench.read(page_id).last_revision
    assert bench.time.waits


def test_write_over_the_edit_limit_raises_wait(bench):
    bench.ask("settings", {"edit_limit": 2})
    assert depicts.user_info(bench.client, bench.tokens.access).edit_limit == (2, 60)
    ids = [int(file["id"]) for file in bench.files if not file["depicts"] and file["has_file"]][:3]
    for page_id in ids[:2]:
        bench.add(page_id, guid(page_id), bench.read(page_id).last_revision)
    with pytest.raises(Wait) as caught:
        bench.add(ids[2], guid(ids[2]), bench.read(ids[2]).last_revision)
    assert caught.value.reason is Reason.RATELIMITED


def test_many_threads_write_one_statement_once(bench):
    """Several workers send the same row at once; its GUID prevents a second statement."""
    page_id = bench.free()
    entity, mine = bench.read(page_id), guid(page_id)
    outcomes: list[str] = []

    def write() -> None:
        try:
            bench.add(page_id, mine, entity.last_revision)
            outcomes.append("written")
        except Reread:
            outcomes.append("reread")

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["reread"] * 5 + ["written"]
    assert [statement["id"] for statement in bench.stored_statements(page_id)] == [mine]


def test_two_hundred_files_are_read_in_batches_of_fifty(bench):
    ids = list(range(1, 201))
    found = depicts.read_statements(bench.client, ids)
    assert set(found) == set(ids)
    with urlopen(f"{bench.sandbox.base}/sandbox/state?files=0") as answer:
        asked = json.load(answer)["counts"]["requests"]
    assert sum(count for module, count in asked.items() if "wbgetentities" in module) == 4
