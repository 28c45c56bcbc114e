"""Security headers, cookies, error pages and static files."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.datastructures import Headers

from app import create_app
from config import ConfigError, Settings
from database import Database
from store import worker_claims
from store.jobs import workers
from tests.web.browser import JSON, Browser
from tests.web.conftest import Cast
from tests.web.routes import TABLE
from web.site.access import without_user
from web.site.security import content_security_policy
from wiki import addresses

HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "Accept": "text/html"}


@pytest.fixture(scope="module")
def production(web_settings: Settings) -> Flask:
    """The application in production mode behind one proxy with https."""
    return create_app(replace(web_settings, production=True, proxies=1))


def test_content_security_policy_forbids_inline_code(anybody: Browser, web_settings: Settings):
    policy = anybody.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"img-src 'self' {web_settings.media_hosts[0]}" in policy


def test_content_security_policy_allows_pictures_of_the_media_hosts(web_settings: Settings):
    hosts = Settings.from_env({}).media_hosts
    policy = content_security_policy(replace(web_settings, production=True, media_hosts=hosts))
    allowed = policy.split("img-src ")[1].split(";")[0].split()
    for address in (
        "https://upload.wikimedia.org/wikipedia/commons/a/ab/N.jpg?utm_content=thumbnail_unscaled",
        "https://thumb.wikimedia.org/wikipedia/commons/thumb/a/ab/N.jpg/960px-N.jpg?utm_content=thumbnail",
    ):
        assert f"https://{addresses.netloc(address)}" in allowed


def test_security_headers_are_set(anybody: Browser):
    headers = anybody.get("/").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Lax" in headers["Set-Cookie"]


def test_production_requires_https(web_settings: Settings, database: Database):
    browser = Browser(create_app(replace(web_settings, production=True, proxies=1)))
    answer = browser.get("/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"})
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]
    assert answer.headers["Set-Cookie"].startswith("__Host-wikivisage=")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_secret_key_is_required(web_settings: Settings):
    with pytest.raises(ConfigError, match="FLASK_SECRET_KEY"):
        create_app(replace(web_settings, secret_key=""))


def test_unknown_page_is_404(anybody: Browser):
    assert "nothing here" in anybody.get("/nothing").text
    answer = anybody.client.get("/nothing", headers=JSON)
    assert (answer.status_code, answer.get_json()["error"]) == (404, "not_found")


def test_unknown_method_is_405(anybody: Browser):
    answer = anybody.client.get("/preferences", headers=JSON)
    assert (answer.status_code, answer.get_json()["error"]) == (405, "method")
    assert "POST" in answer.headers["Allow"]


def test_too_large_body_is_413(alice: Browser):
    answer = alice.post("/projects/new", titles="x" * (2 * 1024 * 1024 + 1))
    assert answer.status_code == 413


def test_pages_report_an_unreachable_database(web_settings: Settings):
    app = create_app(replace(web_settings, db_port=9))
    browser = Browser(app)
    assert browser.get("/").status_code == 200
    answer = browser.get("/leaderboard")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "database cannot be reached" in answer.text
    health = browser.client.get("/health", headers=JSON)
    assert (health.status_code, health.get_json()["database"]) == (503, "failed")


def test_liveness_probe_needs_no_database_session_host_or_limit(web_settings: Settings):
    """A pod's health check uses the pod's address, repeats all the time, and also runs while the database is down."""
    app = create_app(replace(web_settings, db_port=9, production=True, proxies=1, hosts=("wikivisage.example",)))
    client = app.test_client()
    answers = [client.get("/alive", headers={"Host": "10.0.0.7:8000"}) for _ in range(1300)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].text == "ok"
    assert answers[-1].mimetype == "text/plain"
    assert "Set-Cookie" not in answers[-1].headers
    assert client.get("/help", headers={"Host": "10.0.0.7:8000"}).status_code == 400


def test_internal_error_page_shows_no_traceback(web_settings: Settings, caplog: pytest.LogCaptureFixture):
    app = create_app(web_settings)
    from web.site.access import public

    app.add_url_rule("/broken", "broken", public(lambda: str(1 // 0)))
    answer = Browser(app).get("/broken")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_addresses_of_static_files_contain_their_hash(app: Flask, anybody: Browser):
    page = anybody.get("/").text
    url = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = anybody.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    version = url.split("/")[2]
    assert anybody.get(url.replace(version, "old")).headers["Cache-Control"] == "no-cache"
    assert anybody.get(f"/static/{version}/../app.py").status_code == 404


def test_health_reports_the_state_of_each_part(anybody: Browser):
    assert anybody.client.get("/health.json").get_json() == {
        "web": "ok", "database": "ok", "workers": "absent", "version": "0.1.0", "seen": [], "stuck": []
    }  # fmt: skip
    assert "none seen" in anybody.get("/health").text


def test_health_names_workers_whose_lanes_make_no_progress(anybody: Browser, database: Database):
    sentence = "the detect lane has made no progress for 700 s"
    with database.transaction() as db:
        worker_claims.register(db, "one", "here", 7)
        workers.beat(db, "one", "detect 5", sentence)
    answer = anybody.client.get("/health.json")
    assert answer.status_code == 200
    assert answer.get_json()["workers"] == "stuck"
    assert answer.get_json()["stuck"] == [{"id": "one", "why": sentence}]
    page = anybody.get("/health").text
    assert "without progress" in page
    assert sentence in page
    with database.transaction() as db:
        workers.beat(db, "one", "detect 5")
    assert anybody.client.get("/health.json").get_json()["workers"] == "ok"


@pytest.mark.parametrize("route", [route for route in TABLE if route.startswith("GET")])
def test_every_response_has_the_security_headers(production: Flask, cast: Cast, route: str):
    """Pages, JSON, pictures, redirects and errors all have them."""
    endpoint = route.split()[1]
    rule = next(rule for rule in production.url_map.iter_rules() if rule.endpoint == endpoint)
    ids = dict.fromkeys(("user_id", "face_id", "page_id", "batch_id"), 1)
    values: dict[str, Any] = {
        **ids,
        "project_id": cast.project_id,
        "version": "0",
        "name": "css/base.css",
        "item": "Q1",
    }
    with production.test_request_context():
        url = production.url_for(endpoint, **{name: values[name] for name in rule.arguments})
    browser = Browser(production, cast.alice)
    for asked in (url, url + "/nothing"):
        answer = browser.get(asked, headers=HTTPS, base_url="https://localhost")
        check_headers(answer.headers)


def check_headers(headers: Headers) -> None:
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Cache-Control" in headers
    assert not {"Server", "X-Powered-By", "Access-Control-Allow-Origin"} & set(headers.keys())
    for cookie in headers.getlist("Set-Cookie"):
        assert all(mark in cookie for mark in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/")), cookie


def test_refusal_for_a_missing_csrf_token_has_the_security_headers(production: Flask, database: Database):
    browser = Browser(production)
    answer = browser.client.post("/preferences", headers=HTTPS, base_url="https://localhost")
    assert answer.status_code == 400
    check_headers(answer.headers)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.66", "127.0.0.1"),
        (1, "192.0.2.66", "192.0.2.66"),
        (1, "203.0.113.9, 192.0.2.66", "192.0.2.66"),
        (2, "203.0.113.9, 192.0.2.66, 10.0.0.1", "192.0.2.66"),
        (3, "192.0.2.66", "127.0.0.1"),
    ],
)
def test_forwarded_headers_are_trusted_for_the_configured_number_of_proxies(
    web_settings: Settings, proxies: int, forwarded: str, address: str
):
    app = create_app(replace(web_settings, proxies=proxies))
    app.add_url_rule("/who", "who", without_user(lambda: f"{request.remote_addr} {request.scheme} {request.host}"))
    # Each proxy appends to the lists; values sent by the client come before its entry.
    sent = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": ", ".join(["https"] * proxies) or "https"}
    sent["X-Forwarded-Host"] = ", ".join(["site.example"] * proxies) or "evil.example"
    seen = Browser(app).get("/who", headers=sent).text.split()
    assert seen[0] == address
    believed = proxies > 0
    assert seen[1:] == (["https", "site.example"] if believed else ["http", "localhost"])


def test_requests_for_other_host_names_are_refused(web_settings: Settings, database: Database):
    browser = Browser(create_app(replace(web_settings, hosts=("wikivisage.example", ".toolforge.example"))))
    for host, status in (("wikivisage.example", 200), ("a.toolforge.example:8000", 200), ("evil.example", 400)):
        assert browser.get("/help", headers={"Host": host}).status_code == status, host


@pytest.mark.parametrize(("path", "most"), [("/preferences", 256 * 1024), ("/projects/new", 2 * 1024 * 1024)])
def test_size_limit_of_the_body_depends_on_the_route(alice: Browser, path: str, most: int):
    assert alice.post(path, titles="x" * (most - 1000)).status_code < 413
    assert alice.post(path, titles="x" * (most + 1)).status_code == 413
    assert alice.send(path, {"titles": "x" * (most + 1)}).status_code == 413


@pytest.mark.parametrize("body", ["[" * 100_000, '{"steps":' * 20_000, "9" * 5000, '"\\ud800"', "", "nul", "\x00"])
def test_malformed_json_is_refused(alice: Browser, cast: Cast, body: str):
    headers = JSON | {"X-CSRFToken": alice.token(), "Content-Type": "application/json"}
    for path in ("answers", "boxes", "review/approve"):
        answer = alice.client.post(f"/projects/{cast.project_id}/{path}", data=body, headers=headers)
        assert answer.status_code == 400, (path, answer.text)
        assert answer.get_json()["text"]
