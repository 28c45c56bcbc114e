"""The right to edit in a user's name: one refresh at a time, dead tokens, and whose account it is."""

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
    """How many access tokens were issued to the user."""
    with job.wiki.sandbox.world.lock:
        return len([grant for grant in job.wiki.sandbox.world.state.grants if grant.user == "Alice"])


def refreshes(job: Job) -> int:
    """How often anybody came to the wiki's OAuth endpoints."""
    with job.wiki.sandbox.world.lock:
        return job.wiki.sandbox.world.counts.requests["oauth"]


def expire(job: Job) -> None:
    job.sql("UPDATE users SET token_expires_at = NOW() - INTERVAL 1 MINUTE")


def authorization(job: Job) -> Authorization:
    return Authorization(job.tools(), job.user_id)


def test_a_bearer_that_is_about_to_end_is_refreshed_first(job: Job):
    before = grants(job)
    first = authorization(job).bearer()
    job.sql("UPDATE users SET token_expires_at = NOW() + INTERVAL 4 MINUTE")
    second = authorization(job).bearer()
    assert first != second
    assert grants(job) == before + 1


def test_the_refreshed_tokens_are_sealed_and_kept_for_the_next(job: Job):
    expire(job)
    bearer = authorization(job).bearer()
    assert authorization(job).bearer() == bearer
    stored = job.rows("SELECT refreshing_until, TIMESTAMPDIFF(SECOND, NOW(), token_expires_at) AS life FROM users")[0]
    assert stored["refreshing_until"] is None
    assert stored["life"] > 3000


def test_of_many_processes_one_refreshes(job: Job):
    """The others wait for its tokens: a second refresh with the same token would kill both."""
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


def test_no_lock_is_held_while_the_wiki_is_asked(job: Job):
    """While the refresh is out, the user's row can be written: here by a new sign-in, whose tokens win."""
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


def test_a_new_csrf_token_after_every_refresh(job: Job):
    one = authorization(job)
    first = one.csrf()
    assert one.csrf() == first
    job.wiki.other("expire_tokens", user="Alice")
    one.renew()
    assert one.csrf() != first


def test_a_token_that_dies_early_is_replaced_once(job: Job):
    one = authorization(job)
    one.bearer()
    job.wiki.other("expire_tokens", user="Alice")
    assert one.check_account().name == "Alice"


@pytest.mark.parametrize("how", ["dead", "gone", "unreadable"])
def test_tokens_that_will_never_work_again_ask_for_a_sign_in(job: Job, how: str):
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


def test_a_refresh_that_fails_in_passing_is_tried_again(job: Job):
    """The old refresh token stays, and nobody is asked to sign in."""
    expire(job)
    job.wiki.faults({"kind": "unavailable", "match": {"path": "access_token"}, "count": 1})
    with pytest.raises(Exception, match="503"):
        authorization(job).bearer()
    assert authorization(job).bearer()


def test_told_to_stop_while_another_process_refreshes(job: Job):
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
def test_the_account_is_known_by_its_central_id(job: Job, subject: str, answer: dict[str, Any], right: bool):
    """On Wikimedia the same number may be one account on this wiki and another one centrally."""
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
