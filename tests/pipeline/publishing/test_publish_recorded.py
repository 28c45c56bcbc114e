"""The ledger after each recorded response of a real MediaWiki to the write, the account check and the refresh."""

import random
from dataclasses import dataclass, replace
from typing import Any

import pytest

from config import Settings
from database import Connection, Database
from pipeline.jobs.lane import run_stage, settle
from pipeline.jobs.tools import Tools, open_pool, open_wiki
from pipeline.publishing import publish
from store.accounts import users
from store.jobs import tasks
from store.publishing import plans
from tests.pipeline.publishing.recorded_wiki import PAGE, SHA1, SUBJECT, THEIRS, RecordedWiki
from tests.pipeline.publishing.support import StopSignal
from tests.recordings import recording
from tests.store import support
from tests.wiki import meanings
from tests.wiki.replay import answering, asked
from token_crypto import TokenBox
from wiki.errors import AuthorizationLost, GiveUp, Reason, RefreshDead, Reread, RetryWithNewToken, StopBatch, Wait


@dataclass(frozen=True)
class Ledger:
    """Row, reason of the row or of the pause, batch, and number of writes sent."""

    state: str
    reason: str | None
    batch: str
    writes: int


def after_write(meaning: meanings.Meaning, *, stored: bool) -> Ledger:
    """Return the expected ledger for the meaning of the response to the first write."""
    if isinstance(meaning, str):  # A success; `stored`: of our statement, else of a statement that we did not send.
        return Ledger("done", None, "done", 1 if stored else 2)
    kind, reason = meaning
    if kind is GiveUp:
        return Ledger("failed", reason.value, "done", 1)
    if kind is StopBatch:
        return Ledger("queued", reason.value, "paused", 1)
    return Ledger("done", None, "done", 1 if stored and kind is Reread else 2)


@dataclass
class Ada:
    """A volunteer with one approved file on a recorded wiki."""

    tools: Tools
    user_id: int
    project_id: int
    sign: StopSignal
    turns: int = 0

    def queue(self, *, removal: bool) -> None:
        def work(db: Connection) -> None:
            if removal:
                face = db.value("SELECT id FROM faces WHERE page_id = %s", (PAGE,))
                support.record_answer(db, self.project_id, self.user_id, PAGE, face, "other")
                db.execute("UPDATE project_files SET stated = 1, stated_id = %s", (THEIRS,))
                plans.remove_stated(db, self.project_id, self.user_id, [PAGE], forced=False)
            else:
                plans.send(db, self.project_id, self.user_id)

        self.tools.run(work)

    def run(self) -> None:
        """Repeat runs as long as the wiki only makes us wait."""
        for turn in range(1, 6):
            self.turns = turn
            self.tools.run(
                lambda db: db.execute("UPDATE edits SET due_at = NOW() WHERE state IN ('queued', 'sending')")
            )
            self.tools.run(lambda db: tasks.want(db, "publish", self.user_id))
            task = self.tools.run(lambda db: tasks.claim(db, "publish", "test"))
            assert task is not None
            outcome = run_stage(task, publish.run, self.tools)
            assert outcome is not None
            settle(task, outcome, self.tools)
            if type(outcome).__name__ == "Done":
                return
        raise AssertionError("still waiting")

    def ledger(self, wiki: RecordedWiki) -> Ledger:
        with self.tools.database.transaction() as db:
            row = db.row(
                "SELECT e.state, e.error, b.state AS batch, b.pause_reason FROM edits e JOIN batches b ON b.id = e.batch_id"
            )
        assert row is not None
        return Ledger(row["state"], row["pause_reason"] or row["error"], row["batch"], len(wiki.writes))


def ada(settings: Settings, database: Database, wiki: RecordedWiki) -> Ada:
    sign = StopSignal()
    here = replace(
        settings, commons_api=f"{wiki.url}/w/api.php", wikidata_api=f"{wiki.url}/w/api.php",
        oauth_url=f"{wiki.url}/w/rest.php/oauth2", contact="test@localhost",
        oauth_client_id="id", oauth_client_secret="secret", oauth_redirect_uri="http://localhost/auth/callback",
    )  # fmt: skip
    client = open_wiki(here, sign)
    client.clock = sign.clock
    tools = Tools(here, database, client, open_pool(here), "test", sign, clock=sign.clock, rng=random.Random(2))
    with database.transaction() as db:
        user_id = users.sign_in(
            db, TokenBox([]), subject=str(SUBJECT), name="Ada", blocked=False, access="a", refresh="r", expires_in=9_000
        ).id
        db.execute("UPDATE users SET name = 'Ada' WHERE id = %s", (user_id,))
        project_id = _project(db, user_id)
    return Ada(tools, user_id, project_id, sign)


def _project(db: Connection, user_id: int) -> int:
    project_id = support.project(db, "somebody else", pages=[PAGE])
    db.execute("UPDATE projects SET owner_id = %s", (user_id,))
    (face,) = support.search(db, PAGE, support.LEFT, sha1=SHA1)
    support.record_answer(db, project_id, user_id, PAGE, face, "target")
    return project_id


EDITS = {case: meaning for case, meaning in meanings.EDITS.items() if meaning != meanings.ANONYMOUS}


def cases(table: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("case", "meaning"), table.items(), ids=table.keys())


def _ours(case: str, meaning: meanings.Meaning) -> bool:
    """Return whether the recorded success is about our statement: a removal, or an entity with the id of ours."""
    body = recording(case)["response"]["body"]
    shown = "claims" in body or bool((body.get("entity") or {}).get("statements"))
    return isinstance(meaning, str) and shown


@cases(EDITS)
def test_ledger_after_a_response_to_a_write_that_was_not_stored(settings, database, case, meaning):
    removal = asked(case).get("action") == "wbremoveclaims"
    stores = _ours(case, meaning)
    with answering(lambda server: RecordedWiki(server, write=case, stores=stores)) as wiki:
        wiki.stated += [THEIRS] if removal else []
        one = ada(settings, database, wiki)
        one.queue(removal=removal)
        one.run()
        assert one.ledger(wiki) == after_write(meaning, stored=stores)
        _assert_steps(one, wiki, meaning)
        assert wiki.stated.count(THEIRS) == 0
        assert len(wiki.stated) == int(not removal and one.ledger(wiki).state == "done")


def _assert_steps(one: Ada, wiki: RecordedWiki, meaning: meanings.Meaning) -> None:
    """Assert that the required steps happened: a new token, a wait as long as the wiki asked for, a refresh."""
    kind = meaning[0] if isinstance(meaning, tuple) else None
    tokens = [sent["token"] for sent in wiki.writes]
    renewed = kind in {RetryWithNewToken, AuthorizationLost} or one.turns > 1
    assert (len(set(tokens)) == 2) == renewed
    assert wiki.asked["refresh"] == int(kind is AuthorizationLost)
    if kind is Wait and one.turns == 1:
        assert sum(one.sign.waits) >= 5
    assert len({sent.get("data") and sent["data"] for sent in wiki.writes}) <= 1, "a repeat is the very same statement"


UNCLEAR = {case: meaning for case, meaning in EDITS.items() if isinstance(meaning, tuple) and meaning[0] is Reread}


@cases({case: meaning for case, meaning in UNCLEAR.items() if asked(case).get("action") != "wbremoveclaims"})
def test_ledger_after_the_same_response_if_the_write_was_stored_before(settings, database, case, meaning):
    """A conflict can mean that our own earlier request was stored; then nothing is written again."""
    with answering(lambda server: RecordedWiki(server, write=case, stores=True)) as wiki:
        one = ada(settings, database, wiki)
        one.queue(removal=False)
        one.run()
        assert one.ledger(wiki) == after_write(meaning, stored=True)
        assert len(wiki.stated) == 1


@cases({case: meaning for case, meaning in EDITS.items() if meaning == meanings.PATCHED and _ours(case, meaning)})
def test_our_duplicate_is_removed_after_a_merged_edit_conflict(settings, database, case, meaning):
    """The value is then stored twice: our statement is removed and recorded as already existing."""

    class Race(RecordedWiki):
        def _store(self, params: dict[str, str]) -> Any:
            if params["action"] == "wbeditentity":
                self.stated.append(THEIRS)
            return super()._store(params)

    with answering(lambda server: Race(server, write=case, stores=True)) as wiki:
        one = ada(settings, database, wiki)
        one.queue(removal=False)
        one.run()
        assert wiki.stated == [THEIRS]
        assert one.ledger(wiki) == Ledger("already", None, "done", 2)


READS = {
    case: meaning for case, meaning in meanings.READS.items()
    if isinstance(meaning, tuple) and case.startswith(("err_", "oauth_", "ratelimit"))
}  # fmt: skip


@cases(READS)
def test_ledger_after_a_response_to_the_account_check(settings, database, case, meaning):
    kind, reason = meaning
    with answering(lambda server: RecordedWiki(server, account=case)) as wiki:
        one = ada(settings, database, wiki)
        one.queue(removal=False)
        one.run()
        lost = kind is AuthorizationLost and reason is Reason.AUTHORIZATION_LOST
        goes_on = kind is Wait or lost
        expected = Ledger("done", None, "done", 1) if goes_on else Ledger("queued", reason.value, "paused", 0)
        assert one.ledger(wiki) == expected
        assert wiki.asked["refresh"] == int(lost)


@cases(meanings.REFRESHES)
def test_ledger_after_a_response_to_the_refresh(settings, database, case, meaning):
    with answering(lambda server: RecordedWiki(server, refresh=case)) as wiki:
        one = ada(settings, database, wiki)
        one.queue(removal=False)
        one.tools.run(lambda db: db.execute("UPDATE users SET token_expires_at = NOW()"))
        one.run()
        found = one.ledger(wiki)
    if isinstance(meaning, str):
        assert found == Ledger("done", None, "done", 1)
        return
    reason = "sign_in" if meaning[0] is RefreshDead else meaning[1].value
    assert found == Ledger("queued", reason, "paused", 0)
