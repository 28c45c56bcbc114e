"""Tests for the client's API etiquette and limits, against a loopback server."""

import logging
import random
import resource
import socket
import threading
import time
import zlib

import pytest
import requests

from testing.waiting import PATIENCE, joined, until
from tests.wiki import fakes
from tests.wiki.replay import Reply, answered, page, replaying
from wiki import meaning
from wiki.answers import Answer
from wiki.client import Client, backoff, user_agent
from wiki.errors import GiveUp, Reason, Reread, StopBatch, Wait

FINE = answered({"batchcomplete": True})
QUERY = {"action": "query"}


def ask(client: Client, write: bool) -> None:
    if write:
        client.post(QUERY, bearer="b")
    else:
        client.get(QUERY)


def test_user_agent_names_tool_contact_and_library():
    assert (
        user_agent("1.2", "mailto:a@b.org") == f"WikiVisage/1.2 (mailto:a@b.org) python-requests/{requests.__version__}"
    )


def test_every_request_has_the_standard_parameters_and_headers():
    with replaying(FINE) as wiki:
        fakes.client(wiki.url).get({**QUERY, "titles": ["File:Å.jpg", "File:B.jpg"], "redirects": True, "x": None})
    sent = wiki.sent[0]
    assert sent.params == {
        "action": "query",
        "titles": "File:Å.jpg|File:B.jpg",
        "redirects": "1",
        "format": "json",
        "formatversion": "2",
        "errorformat": "bc",
    }
    assert sent.headers["User-Agent"].startswith("WikiVisage/")
    assert sent.headers["Accept-Encoding"] == "gzip"
    assert "Cookie" not in sent.headers
    assert "Authorization" not in sent.headers


def test_maxlag_is_sent_when_crawling_and_with_every_write():
    with replaying(FINE, FINE, FINE) as wiki:
        fakes.client(wiki.url).get(QUERY)
        fakes.client(wiki.url, maxlag=5).get(QUERY)
        fakes.client(wiki.url).post({"action": "wbeditentity", "token": "t"}, bearer="b")
    assert [sent.params.get("maxlag") for sent in wiki.sent] == [None, "5", "5"]


def test_write_is_a_form_with_the_token_in_its_body():
    with replaying(FINE) as wiki:
        fakes.client(wiki.url).post({"action": "wbeditentity", "token": "t+\\"}, bearer="b")
    sent = wiki.sent[0]
    assert (sent.method, sent.in_body["token"], sent.in_body["action"]) == ("POST", "t+\\", "wbeditentity")
    assert sent.headers["Authorization"] == "Bearer b"


def test_long_read_is_sent_as_post():
    with replaying(FINE) as wiki:
        fakes.client(wiki.url).get({**QUERY, "titles": ["File:" + "é" * 100] * 50})
    assert wiki.sent[0].method == "POST"
    assert wiki.sent[0].headers["Promise-Non-Write-API-Action"] == "true"


def test_cookies_of_one_account_are_not_sent_with_the_next():
    with replaying(answered({}, Set_Cookie="session=alice; path=/"), FINE) as wiki:
        client = fakes.client(wiki.url)
        client.get(QUERY, bearer="alice")
        client.get(QUERY, bearer="bob")
    assert "Cookie" not in wiki.sent[1].headers


def test_bearer_token_is_sent_to_the_api_only():
    with replaying() as wiki:
        client = fakes.client(wiki.url)
        for url in (f"{wiki.url}/wiki/Special:FilePath/A.jpg", f"{wiki.url}/w/api.php.evil", f"{wiki.url}/sparql"):
            with pytest.raises(ValueError, match="bearer"):
                client.exchange(requests.Request("GET", url), bearer="secret")
        with pytest.raises(ValueError, match="bearer"):
            client.get(QUERY, client.endpoints.wikidata_api, bearer="secret")
    assert wiki.sent == []


def test_redirect_of_the_api_is_not_followed():
    with (
        replaying(page(302, Location="http://elsewhere.example/w/api.php"), FINE) as wiki,
        pytest.raises(StopBatch) as caught,
    ):
        fakes.client(wiki.url).get(QUERY, bearer="b")
    assert caught.value.reason is Reason.REFUSED
    assert wiki.left == 1


TEMPORARY_ERRORS = [
    (page(429, Retry_After="7"), Reason.TOO_MANY_REQUESTS, 7.0, True),
    (page(429), Reason.TOO_MANY_REQUESTS, 5.0, False),
    (page(503, Retry_After="9"), Reason.SERVER, 9.0, True),
    (page(500), Reason.SERVER, 2.0, False),
    (page(200), Reason.NOT_JSON, 2.0, False),
    (Reply(200, {"Content-Type": "application/json"}, b'{"cut":'), Reason.NOT_JSON, 2.0, False),
    (Reply(200, {"Content-Type": "application/json"}, b"[]"), Reason.NOT_JSON, 2.0, False),
    (Reply(200, {"Content-Type": "application/json"}, b'{"a": NaN}'), Reason.NOT_JSON, 2.0, False),
    (Reply(200, {"Content-Type": "application/json"}, b'{"a":' * 100_000), Reason.NOT_JSON, 2.0, False),
    (Reply(200, {"Content-Type": "application/json"}, b'{"a":' + b"9" * 5_000 + b"}"), Reason.NOT_JSON, 2.0, False),
    (answered({"error": {"code": "internal_api_error_DBQueryError"}}), Reason.SERVER, 2.0, False),
    (Reply(drop=True), Reason.NETWORK, 1.0, False),
    (Reply(body=b'{"batch', length=5_000), Reason.NETWORK, 1.0, False),
]


@pytest.mark.parametrize(("reply", "reason", "seconds", "asked"), TEMPORARY_ERRORS)
def test_temporary_error_of_a_read_raises_wait(reply, reason, seconds, asked):
    with replaying(reply) as wiki, pytest.raises(Wait) as caught:
        fakes.client(wiki.url, attempts=1).get(QUERY)
    assert (caught.value.reason, caught.value.seconds, caught.value.asked) == (reason, seconds, asked)


@pytest.mark.parametrize(("reply", "reason", "seconds", "asked"), TEMPORARY_ERRORS)
def test_read_is_retried_after_a_temporary_error(reply, reason, seconds, asked):
    clock = fakes.Time()
    with replaying(reply, FINE) as wiki:
        assert fakes.client(wiki.url, clock).get(QUERY) == {"batchcomplete": True}
    assert len(clock.waits) == 1
    low, high = (seconds, seconds + 0.5) if asked else (0.0, seconds * 2)
    assert low <= clock.waits[0] <= high


@pytest.mark.parametrize(("reply", "reason", "seconds", "asked"), TEMPORARY_ERRORS)
def test_write_raises_reread_after_a_temporary_error_other_than_429(reply, reason, seconds, asked):
    """Only after a 429 is it certain that the wiki did not see the request."""
    clock = fakes.Time()
    with replaying(reply, FINE) as wiki, pytest.raises((Wait, Reread)) as caught:
        fakes.client(wiki.url, clock).post({"action": "wbeditentity"}, bearer="b")
    assert (len(wiki.sent), clock.waits) == (1, [])
    assert caught.value.reason is (reason if reply.status == 429 else Reason.OUTCOME_UNKNOWN)
    assert isinstance(caught.value, Wait if reply.status == 429 else Reread)


@pytest.mark.parametrize("write", [False, True])
def test_refused_connection_raises_wait_for_reads_and_writes(write):
    with replaying() as wiki:
        url = wiki.url
    with pytest.raises(Wait) as caught:
        ask(fakes.client(url, attempts=1), write)
    assert caught.value.reason is Reason.NETWORK


def test_unknown_host_raises_wait():
    with pytest.raises(Wait) as caught:
        fakes.client("http://no-such-host.invalid", attempts=1).post(QUERY, bearer="b")
    assert caught.value.reason is Reason.NETWORK


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (403, StopBatch, Reason.REFUSED),
        (401, StopBatch, Reason.AUTHORIZATION_LOST),
        (404, GiveUp, Reason.REFUSED),
        (414, GiveUp, Reason.REFUSED),
        (301, StopBatch, Reason.REFUSED),
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_permanent_errors_are_raised_without_a_retry(status, kind, reason, write):
    with replaying(page(status), FINE) as wiki, pytest.raises(kind) as caught:
        ask(fakes.client(wiki.url), write)
    assert caught.value.reason is reason
    assert len(wiki.sent) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Sun, 22 Nov 2026 10:41:45 GMT", 30.0),
        ("Sun, 22 Nov 2026 10:00:00 GMT", 0.0),
        ("99999999999999", 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
    ],
)
def test_retry_after_in_seconds_and_as_date(value, seconds):
    answer = Answer(503, {"Retry-After": value, "Date": "Sun, 22 Nov 2026 10:41:15 GMT"}, b"")
    with pytest.raises(Wait) as caught:
        meaning.read(answer)
    assert (caught.value.seconds, caught.value.asked) == (seconds, True)


@pytest.mark.parametrize("value", ["soon", "-5", "1.5", "Sun, 99 Foo 2026"])
def test_invalid_retry_after_is_ignored(value):
    with replaying(page(503, Retry_After=value)) as wiki, pytest.raises(Wait) as caught:
        fakes.client(wiki.url, attempts=1).get(QUERY)
    assert not caught.value.asked


def test_number_of_attempts_is_limited():
    with replaying(*[page(503)] * 9) as wiki, pytest.raises(Wait):
        fakes.client(wiki.url, attempts=4).get(QUERY)
    assert len(wiki.sent) == 4


def test_wait_beyond_the_patience_is_not_begun():
    """The caller can do other work instead."""
    clock = fakes.Time()
    with replaying(page(503, Retry_After="300"), FINE) as wiki, pytest.raises(Wait):
        fakes.client(wiki.url, clock, patience_seconds=60).get(QUERY)
    assert clock.waits == []


def test_stop_ends_the_retries():
    clock = fakes.Time(stopping=True)
    with replaying(page(503), FINE) as wiki, pytest.raises(Wait):
        fakes.client(wiki.url, clock).get(QUERY)
    assert (len(wiki.sent), len(clock.waits)) == (1, 1)


def test_wait_that_a_host_demands_applies_to_all_requests():
    clock = fakes.Time()
    with replaying(page(429, Retry_After="30"), FINE) as wiki:
        client = fakes.client(wiki.url, clock, attempts=1)
        with pytest.raises(Wait):
            client.get(QUERY)
        with pytest.raises(Wait) as caught:
            client.post(QUERY, bearer="b")
        assert (len(wiki.sent), caught.value.seconds) == (1, 30.0)
        clock.now += 31
        client.get(QUERY)


def test_backoff_grows_with_full_jitter_up_to_its_limit():
    rng = random.Random(3)
    for attempt, most in [(1, 4.0), (2, 8.0), (3, 16.0), (10, 60.0), (10_000, 60.0)]:
        waits = [backoff(attempt, rng, 2.0) for _ in range(300)]
        assert max(waits) <= most
        assert max(waits) > most * 0.9
        assert min(waits) < most * 0.1


def test_at_most_three_requests_are_sent_at_once():
    gate = threading.Event()
    with replaying(*[Reply(200, {}, b"{}", hold=gate)] * 9) as wiki:
        client = fakes.client(wiki.url)
        threads = [threading.Thread(target=client.get, args=(QUERY,)) for _ in range(9)]
        for thread in threads:
            thread.start()
        until(lambda: len(wiki.sent) == 3)
        time.sleep(0.1)  # in which a fourth request would arrive
        assert len(wiki.sent) == 3
        gate.set()
        joined(threads)
    assert (len(wiki.sent), wiki.most_at_once) == (9, 3)


def test_body_over_the_limit_raises_too_large():
    announced = Reply(200, {}, b"x" * 10, length=10**9)
    unannounced = Reply(200, {}, b'{"a": "' + b"x" * 70_000)
    for reply in (announced, unannounced):
        with replaying(reply) as wiki, pytest.raises(GiveUp) as caught:
            fakes.client(wiki.url).exchange(requests.Request("GET", f"{wiki.url}/w/api.php"), most_bytes=50_000)
        assert caught.value.reason is Reason.TOO_LARGE


def test_gzip_bomb_does_not_fill_memory():
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(400)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with replaying(Reply(200, {"Content-Encoding": "gzip"}, bomb)) as wiki, pytest.raises(GiveUp) as caught:
        fakes.client(wiki.url).get(QUERY)
    assert caught.value.reason is Reason.TOO_LARGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # KiB


@pytest.mark.parametrize("write", [False, True])
def test_request_times_out_if_the_body_arrives_slowly(write):
    """Without the limit the request would take a minute."""
    drip = Reply(200, {"Content-Type": "application/json"}, pieces=(b" ",) * 1_200, pause=0.05)
    with replaying(drip) as wiki:
        began = time.monotonic()
        client, request = (
            fakes.client(wiki.url, timeout=(PATIENCE, PATIENCE)),
            requests.Request("GET", f"{wiki.url}/w/api.php"),
        )
        with pytest.raises((Wait, Reread)) as caught:
            client.exchange(request, seconds=1.0, write=write)
        assert time.monotonic() - began < 30
    assert caught.value.reason is (Reason.OUTCOME_UNKNOWN if write else Reason.TIMEOUT)


def test_request_times_out_if_no_answer_begins():
    gate = threading.Event()
    with replaying(Reply(hold=gate)) as wiki, pytest.raises(Wait) as caught:
        fakes.client(wiki.url, timeout=(PATIENCE, 0.2), attempts=1).get(QUERY)
    gate.set()
    assert caught.value.reason is Reason.TIMEOUT


def test_request_times_out_if_the_headers_arrive_slowly():
    """The pause between two bytes is short, so only the limit on the whole request can end it."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.05):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(Wait) as caught:
        fakes.client(url).exchange(requests.Request("GET", f"{url}/w/api.php"), seconds=1.0)
    assert caught.value.reason is Reason.TIMEOUT
    over.set()
    joined([thread])
    listener.close()


def test_continuation_is_sent_back_completely():
    first = answered({"continue": {"cmcontinue": "file|x|1", "continue": "-||"}, "query": {"n": 1}})
    with replaying(first, answered({"query": {"n": 2}})) as wiki:
        answers = list(fakes.client(wiki.url).query({"list": "categorymembers"}))
    assert [answer["query"]["n"] for answer in answers] == [1, 2]
    assert {key: wiki.sent[1].params[key] for key in ("cmcontinue", "continue", "list")} == {
        "cmcontinue": "file|x|1",
        "continue": "-||",
        "list": "categorymembers",
    }


def test_query_ends_if_the_continuation_repeats():
    same = answered({"continue": {"cmcontinue": "x", "continue": "-||"}})
    with replaying(*[same] * 5) as wiki, pytest.raises(GiveUp):
        list(fakes.client(wiki.url).query({"list": "categorymembers"}))
    assert len(wiki.sent) == 2


def test_no_secret_is_logged_or_part_of_an_exception(caplog):
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-bearer"
    with replaying(Reply(drop=True), page(500)) as wiki:
        client = fakes.client(wiki.url)
        for _ in range(2):
            with pytest.raises(Reread) as caught:
                client.post({"action": "wbeditentity", "token": "s3cr3t-csrf"}, bearer=secret)
            assert "s3cr3t" not in f"{caught.value} {caught.value.text} {caught.value.__context__!r}"
    assert "s3cr3t" not in caplog.text


def test_client_uses_the_real_clock_and_stop_by_default():
    with replaying(page(503, Retry_After="0"), FINE) as wiki:
        began = time.monotonic()
        assert Client(fakes.endpoints(wiki.url), "WikiVisage/test").get(QUERY) == {"batchcomplete": True}
        assert time.monotonic() - began < 30
