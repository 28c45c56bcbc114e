"""Delays of sending by lag, refusals, the account and its authorization: how they are shown and how they end."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from pipeline.jobs.outcome import Done, Retry
from store.publishing import batches, edits
from tests.pipeline.publishing.support import FixedRandom, Job


def retry_and_resume(job: Job, batch: int) -> None:
    """Do what a volunteer does once the cause is gone: retry failed edits, resume paused batches."""

    def work(db: Any) -> None:
        edits.retry_failed(db, batch)
        batches.resume(db, batch)

    job.database.retry(work)
    job.run()


def test_lag_of_the_wiki_is_shown_while_it_lasts(job: Job):
    job.wiki.faults({"kind": "maxlag", "match": {"action": "wbeditentity"}, "count": 2})
    batch, seen = job.send(), []
    job.sign.at_wait = lambda: seen.append(job.batch(batch))
    assert job.run() == Done()
    held = [row for row in seen if row["waiting_why"]]
    assert [(row["waiting_why"], row["waiting_lag"]) for row in held] == [("maxlag", pytest.approx(7.4))] * 2
    assert all(row["waiting_until"] - row["created_at"] >= timedelta(seconds=4) for row in held)
    after = job.batch(batch)
    assert (after["state"], after["waiting_until"], after["waiting_why"]) == ("done", None, None)
    assert [wait for wait in job.sign.waits if wait] == [5.0, 5.0], "as long as Retry-After says"
    assert job.states(batch) == {"done": 3}


@pytest.mark.parametrize(
    "kind", ["badtoken", "ratelimited", "maxlag", "too_many_requests", "editconflict", "lost_race", "slow"]
)
def test_sender_waits_for_the_end_of_temporary_errors(job: Job, kind: str):
    job.wiki.faults({"kind": kind, "match": {"action": "wbeditentity"}, "count": 3, "seconds": 0.05})
    batch = job.send()
    job.finish()
    assert job.states(batch) == {"done": 3}
    assert all(len(job.guids(page_id)) == 1 for page_id in job.page_ids)
    assert job.rows("SELECT error FROM edits WHERE error IS NOT NULL") == []


def test_claim_is_released_during_a_long_wait(job: Job):
    job.wiki.faults(
        {"kind": "too_many_requests", "match": {"action": "wbeditentity"}, "count": 1, "retry_after": "600"}
    )
    batch = job.send()
    outcome = job.run()
    assert isinstance(outcome, Retry)
    assert outcome.reason == "too_many_requests"
    assert 599 <= outcome.seconds <= 600
    assert sum(job.sign.waits) < 60
    held = job.rows("SELECT waiting_why, TIMESTAMPDIFF(SECOND, NOW(), waiting_until) AS s FROM batches")[0]
    assert held["waiting_why"] == "too_many_requests"
    assert 590 <= held["s"] <= 600
    assert job.states(batch) == {"queued": 3}
    assert job.rows("SELECT lease_token FROM tasks WHERE lease_token IS NOT NULL") == []
    assert job.run() == Done()
    assert job.batch(batch)["waiting_why"] is None
    assert job.states(batch) == {"done": 3}


def test_batch_is_postponed_with_a_reason_while_the_wiki_is_read_only(job: Job):
    """The wait of 30 s with a backoff of up to a minute exceeds the time that a worker waits with its claim."""
    job.chance = FixedRandom(0.9)
    job.wiki.faults({"kind": "readonly", "match": {"action": "wbeditentity"}, "count": 20})
    batch = job.send()
    outcome = job.run()
    assert isinstance(outcome, Retry)
    assert job.batch(batch)["state"] == "running"
    assert job.batch(batch)["waiting_why"] == "readonly"
    job.wiki.calm()
    job.run()
    assert job.states(batch) == {"done": 3}


def test_edit_is_repeated_later_if_the_wiki_is_read_only_for_all_tries(job: Job):
    """If chance keeps every wait short, the edit uses up its tries and is repeated after two minutes."""
    job.chance = FixedRandom(0.1)
    job.wiki.faults({"kind": "readonly", "match": {"action": "wbeditentity"}, "count": 20})
    batch = job.send()
    outcome = job.run()
    assert isinstance(outcome, Done)
    assert outcome.again_in is not None
    row = job.row(job.page_ids[0])
    assert (row["state"], row["error"], len(job.writes)) == ("queued", "tried_often", 6)
    job.wiki.calm()
    job.finish()
    assert job.states(batch) == {"done": 3}


def test_pauses_grow_only_while_no_write_succeeds(job: Job):
    """A pause lasts at most eight minutes while the wiki is unreachable, and half a minute after a successful write."""
    job.send()
    job.wiki.faults({"kind": "too_many_requests", "match": {"action": "^wbget"}, "count": None})
    outcome = job.run(attempts=9)
    assert isinstance(outcome, Retry)
    assert outcome.seconds == 480
    job.wiki.calm()
    long = {
        "kind": "too_many_requests",
        "match": {"action": "wbeditentity"},
        "retry_after": "61",
        "skip": 1,
        "count": 1,
    }
    job.wiki.faults(long)
    outcome = job.run(attempts=9)
    assert isinstance(outcome, Retry)
    assert outcome.seconds <= 61


def test_rate_limit_of_the_account_is_read_and_respected(job_of: Callable[[int], Job]):
    """One of two edits a minute is left to the volunteer; pages show the reason while the worker waits."""
    job = job_of(2)
    job.wiki.post("settings", {"edit_limit": 2, "edit_window": 60.0})
    batch, seen = job.send(), []
    job.sign.at_wait = lambda: seen.append(job.batch(batch)["waiting_why"])
    sent_at: list[float] = []
    for number in range(2):
        job.before[number] = lambda params: sent_at.append(job.sign.now)
    job.finish()
    assert set(seen) == {"ratelimited"}
    assert len(sent_at) == 2
    assert all(later - earlier >= 60 for earlier, later in pairwise(sent_at))


def test_edits_of_earlier_runs_count_towards_the_rate_limit(job: Job):
    job.wiki.post("settings", {"edit_limit": 100, "edit_window": 60.0})
    job.sql(
        """INSERT INTO edits (batch_id, project_id, user_id, page_id, title, item, action, state, sent_at)
           SELECT 0, 0, %s, 1, 'x', 'Q5', 'add', 'done', NOW() FROM seq_1_to_89""",
        job.user_id,
    )
    job.send()
    job.run()
    assert sum(job.sign.waits) >= 55, "the ninetieth edit in a minute is the last"


def _block(job: Job, **more: Any) -> Callable[[], None]:
    job.wiki.other("block", user="Alice", **more)
    return lambda: job.wiki.other("unblock", user="Alice")


def _fault(kind: str) -> Callable[[Job], Callable[[], None]]:
    def strike(job: Job) -> Callable[[], None]:
        job.wiki.faults({"kind": kind, "match": {"action": "wbeditentity"}, "count": None})
        return job.wiki.calm

    return strike


@pytest.mark.parametrize(
    ("strike", "reason"), [(_block, "blocked"), (_fault("blocked"), "blocked"), (_fault("no_right"), "no_right")]
)
def test_refused_account_pauses_the_batch_with_a_reason_until_it_is_resumed(job: Job, strike: Any, reason: str):
    batch = job.send()
    mend = strike(job)
    assert job.run() == Done()
    assert (job.batch(batch)["state"], job.batch(batch)["pause_reason"]) == ("paused", reason)
    assert job.states(batch) == {"queued": 3}
    assert not any(job.guids(page_id) for page_id in job.page_ids)
    mend()
    retry_and_resume(job, batch)
    assert job.states(batch) == {"done": 3}


def test_block_during_sending_pauses_the_batch(job: Job):
    batch = job.send()
    job.before[1] = lambda params: job.wiki.other("block", user="Alice")
    job.run()
    assert job.states(batch) == {"done": 1, "queued": 2}
    assert job.batch(batch)["pause_reason"] == "blocked"


@pytest.mark.parametrize("kind", ["protected", "abusefilter_disallowed", "abusefilter_warning"])
def test_refused_edit_fails_with_a_reason_and_the_others_are_sent(job: Job, kind: str):
    """Each is sent once: a second try would override a warning."""
    page_id = job.page_ids[1]
    job.wiki.faults({"kind": kind, "match": {"action": "wbeditentity", "title": f"M{page_id}"}, "count": None})
    batch = job.send()
    assert job.run() == Done()
    row = job.row(page_id)
    assert (row["state"], row["error"], row["attempts"]) == ("failed", kind.replace("_disallowed", ""), 1)
    assert row["error_detail"]
    assert job.states(batch) == {"done": 2, "failed": 1}
    assert len(job.writes) == 3
    job.wiki.calm()
    old = row["statement_id"]
    retry_and_resume(job, batch)
    assert job.states(batch) == {"done": 3}
    assert job.row(page_id)["statement_id"] != old, "a new attempt is a new statement"


def test_partial_block_affects_only_its_pages(job: Job):
    titles = {page["id"]: page["title"] for page in job.wiki.state()["files"]}
    job.wiki.other("block", user="Alice", titles=[titles[job.page_ids[0]]])
    batch = job.send()
    job.run()
    assert job.states(batch) == {"failed": 1, "done": 2}
    assert job.row(job.page_ids[0])["error"] == "blocked_here"


@pytest.mark.parametrize("files", [8])
def test_many_refusals_in_a_row_pause_the_batch(job_of: Callable[[int], Job], files: int):
    job = job_of(files)
    job.wiki.faults({"kind": "abusefilter_disallowed", "match": {"action": "wbeditentity"}, "count": None})
    batch = job.send()
    job.run()
    assert job.states(batch) == {"failed": 5, "queued": 3}
    assert (job.batch(batch)["state"], job.batch(batch)["pause_reason"]) == ("paused", "wiki_says_no")
    job.wiki.calm()
    retry_and_resume(job, batch)
    assert job.states(batch) == {"done": 8}


def test_separate_refusals_do_not_pause_the_batch(job_of: Callable[[int], Job]):
    job = job_of(11)
    for page_id in job.page_ids[::2]:
        job.wiki.faults(
            {"kind": "protected", "match": {"action": "wbeditentity", "title": f"M{page_id}\\b"}, "count": None}
        )
    batch = job.send()
    job.run()
    assert job.states(batch) == {"failed": 6, "done": 5}


def test_renamed_account_can_continue_but_another_account_cannot(job: Job):
    batch = job.send()
    job.wiki.other("rename_user", user="Alice", to="Alicia")
    job.run()
    assert job.states(batch) == {"done": 3}


def test_nothing_is_written_with_another_account_than_the_one_that_signed_in(job: Job):
    batch = job.send()
    job.sql("UPDATE users SET subject = '424242' WHERE id = %s", job.user_id)
    job.run()
    assert (job.batch(batch)["pause_reason"], job.writes) == ("wrong_account", [])
    assert job.states(batch) == {"queued": 3}


def test_nothing_is_written_after_the_session_was_lost(job: Job):
    """Without `assert` the wiki would accept the edit under a temporary account."""
    batch = job.send()
    job.wiki.faults({"kind": "authorization", "match": {"action": "wbeditentity"}, "count": 1})
    job.run()
    assert job.states(batch) == {"done": 3}
    assert {edit["user"] for edit in job.wiki.state()["edits"]} == {"Alice"}


def test_expired_access_token_is_refreshed_together_with_the_csrf_token(job: Job):
    batch = job.send()
    job.before[1] = lambda params: job.wiki.other("expire_tokens", user="Alice")
    before = job.rows("SELECT access_token, token_version FROM users WHERE id = %s", job.user_id)[0]
    assert job.run() == Done()
    after = job.rows("SELECT access_token, token_version FROM users WHERE id = %s", job.user_id)[0]
    assert job.states(batch) == {"done": 3}
    assert after["token_version"] == before["token_version"] + 1
    assert after["access_token"] != before["access_token"]
    assert len({sent["token"] for sent in job.writes}) == 2


@pytest.mark.parametrize("how", ["revoke_tokens", "expire_tokens"])
def test_batch_waits_for_a_new_sign_in_and_then_continues(job: Job, how: str):
    batch = job.send()
    job.before[1] = lambda params: job.wiki.other(
        how, user="Alice", **({"refresh": True} if how == "expire_tokens" else {})
    )
    assert job.run() == Done()
    assert (job.batch(batch)["state"], job.batch(batch)["pause_reason"]) == ("paused", "sign_in")
    assert job.states(batch) == {"done": 1, "queued": 2}
    job.before.clear()
    job.wiki.sign_in(job.settings, job.database)
    assert job.batch(batch)["state"] == "running", "signing in is all that is asked"
    assert job.rows("SELECT due_at <= NOW(3) AS due FROM tasks WHERE kind = 'publish'") == [{"due": 1}]
    job.run()
    assert job.states(batch) == {"done": 3}


def test_sign_in_during_the_detection_of_invalid_tokens_is_not_missed(job: Job):
    """The worker finds the tokens invalid, the volunteer signs in, and only then the worker would pause the batch."""
    batch = job.send()
    version = job.rows("SELECT token_version FROM users")[0]["token_version"]
    job.wiki.sign_in(job.settings, job.database)
    assert not job.database.retry(lambda db: batches.pause_for_sign_in(db, job.user_id, version))
    assert job.batch(batch)["state"] == "running"
    assert job.database.retry(lambda db: batches.pause_for_sign_in(db, job.user_id, version + 1))
    assert job.batch(batch)["pause_reason"] == "sign_in"


def test_sign_in_does_not_resume_a_batch_paused_by_a_human(job: Job):
    batch = job.send()
    job.database.retry(lambda db: batches.pause(db, batch, "human"))
    job.wiki.sign_in(job.settings, job.database)
    assert job.batch(batch)["state"] == "paused"


def test_disabled_consumer_pauses_the_batch_with_its_own_reason(job: Job):
    batch = job.send()
    job.wiki.other("disable_consumer", consumer=job.settings.oauth_client_id)
    job.run()
    assert (job.batch(batch)["state"], job.batch(batch)["pause_reason"]) == ("paused", "consumer_refused")


def test_claim_of_a_long_batch_is_released_after_a_minute(job: Job):
    """Each write takes 40 s here: after a minute the user's claim is released and immediately due again."""
    batch = job.send()
    for number in range(3):
        job.before[number] = lambda params: setattr(job.sign, "now", job.sign.now + 40.0)
    first = job.run()
    assert first == Done(again_in=0.0)
    assert 1 <= job.states(batch)["done"] < 3
    while job.states(batch).get("queued"):
        job.run()
    assert job.states(batch) == {"done": 3}
