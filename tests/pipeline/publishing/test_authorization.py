"""Authorization to edit with a user's account: one refresh at a time, expired tokens, identity of the account."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from pipeline.jobs.outcome import Stopped
from pipeline.publishing.authorization import Authorization, SignInNeeded
from store.accounts import users
from testing.publishing import HurriedStop
from testing.waiting import joined, until
from tests.pipeline.publishing.support import Job
from wiki.errors import Reason, StopBatch


def grants(job: Job) -> int:
    """Return how many access tokens were issued to the user."""
    with job.wiki.sandbox.world.lock:
        return len([grant for grant in job.wiki.sandbox.world.state.grants if grant.user == "Alice"])


def refreshes(job: Job) -> int:
    """Return the number of requests to the wiki's OAuth endpoints."""
    with job.wiki.sandbox.world.lock:
        return job.wiki.sandbox.world.counts.requests["oauth"]


def expire(job: Job) -> None:
    job.sql("UPDATE users SET token_expires_at = NOW() - INTERVAL 1 MINUTE")


def authorization(job: Job) -> Authorization:
    return Authorization(job.tools(), job.user_id)


def test_access_token_that_expires_soon_is_refreshed_before_use(job: Job):
    before = grants(job)
    first = authorization(job).bearer()
    job.sql("UPDATE users SET token_expires_at = NOW() + INTERVAL 4 MINUTE")
    second = authorization(job).bearer()
    assert first != second
    assert grants(job) == before + 1


def test_refreshed_tokens_are_encrypted_and_stored(job: Job):
    expire(job)
    bearer = authorization(job).bearer()
    assert authorization(job).bearer() == bearer
    stored = job.rows("SELECT refreshing_until, TIMESTAMPDIFF(SECOND, NOW(), token_expires_at) AS life FROM users")[0]
    assert stored["refreshing_until"] is None
    assert stored["life"] > 3000


def test_only_one_of_many_processes_refreshes(job: Job):
    """The others wait for its tokens: a second refresh with the same token would invalidate both."""
    expire(job)
    before, asked, found = grants(job), refreshes(job), []
    job.wiki.faults({"kind": "slow", "match": {"path": "access_token"}, "count": 1, "seconds": 0.3})
    sign = HurriedStop(5.0)
    tools = [replace(job.tools(), stop=sign, clock=sign.clock) for _ in range(6)]
    asking = [Authorization(one, job.user_id) for one in tools]
    threads = [threading.Thread(target=lambda one=one: found.append(one.bearer())) for one in asking]
    for thread in threads:
        thread.start()
    joined(threads)
    assert len(found) == 6
    assert len(set(found)) == 1
    assert (grants(job), refreshes(job)) == (before + 1, asked + 1)


def test_no_lock_is_held_during_the_refresh_request(job: Job):
    """The user's row can be written during the refresh request: here by a new sign-in, whose tokens are kept."""
    expire(job)
    job.wiki.faults({"kind": "slow_after", "match": {"path": "access_token"}, "count": 1, "seconds": 3.0})
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(authorization(job).bearer()))
    thread.start()
    until(lambda: job.rows("SELECT 1 FROM users WHERE refreshing_until IS NOT NULL"), every=0.01)
    signed_in = "token_version = token_version + 1, refreshing_until = NULL, token_expires_at = NOW() + INTERVAL 1 HOUR"
    assert job.sql(f"UPDATE users SET {signed_in}") == 1
    kept = job.rows("SELECT access_token FROM users")
    joined([thread])
    assert job.rows("SELECT access_token FROM users") == kept
    assert len(found) == 1


def test_csrf_token_is_requested_again_after_each_refresh(job: Job):
    one = authorization(job)
    first = one.csrf()
    assert one.csrf() == first
    job.wiki.other("expire_tokens", user="Alice")
    one.renew()
    assert one.csrf() != first


def test_access_token_that_expires_early_is_refreshed_once(job: Job):
    one = authorization(job)
    one.bearer()
    job.wiki.other("expire_tokens", user="Alice")
    assert one.check_account().name == "Alice"


@pytest.mark.parametrize("how", ["dead", "gone", "unreadable"])
def test_permanently_invalid_tokens_require_a_new_sign_in(job: Job, how: str):
    expire(job)
    if how == "dead":
        job.wiki.faults({"kind": "refresh", "count": 5})
    elif how == "gone":
        job.sql("UPDATE users SET access_token = NULL, refresh_token = NULL")
    else:
        job.sql("UPDATE users SET access_token = 'f1:not what any key opens'")
    with pytest.raises(SignInNeeded):
        authorization(job).bearer()
    if how == "dead":
        with job.database.transaction() as db:
            user = users.get(db, job.user_id)
        assert user is not None
        assert not user.signed_in


def test_refresh_is_retried_after_a_temporary_error(job: Job):
    """The old refresh token is kept, and no sign-in is requested."""
    expire(job)
    job.wiki.faults({"kind": "unavailable", "match": {"path": "access_token"}, "count": 1})
    with pytest.raises(Exception, match="503"):
        authorization(job).bearer()
    assert authorization(job).bearer()


def test_waiting_for_the_refresh_of_another_process_ends_when_the_worker_stops(job: Job):
    expire(job)
    with job.database.transaction() as db:
        users.begin_refresh(db, job.user_id, 0)
        db.execute("UPDATE users SET refreshing_until = NOW() + INTERVAL 1 MINUTE")
    job.sign.set()
    with pytest.raises(Stopped):
        authorization(job).bearer()


@pytest.mark.parametrize(
    ("subject", "answer", "right"),
    [
        ("77", {"id": 3, "centralids": {"CentralAuth": 77, "local": 3}}, True),
        ("3", {"id": 3, "centralids": {"CentralAuth": 77, "local": 3}}, False),
        ("3", {"id": 3}, True),
        ("77", {"id": 3}, False),
    ],
)
def test_account_is_identified_by_its_central_id(job: Job, subject: str, answer: dict[str, Any], right: bool):
    """On Wikimedia the same number may denote one account on this wiki and another one centrally."""
    job.sql("UPDATE users SET subject = %s", subject)
    tools = job.tools()
    info = {"query": {"userinfo": {"name": "Somebody", "rights": ["edit"], **answer}}}
    tools.wiki.get = lambda *args, **more: info  # type: ignore[method-assign]
    one = Authorization(tools, job.user_id)
    if right:
        assert one.check_account().name == "Somebody"
        return
    with pytest.raises(StopBatch) as caught:
        one.check_account()
    assert caught.value.reason is Reason.WRONG_ACCOUNT
