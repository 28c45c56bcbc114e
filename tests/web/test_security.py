"""Headers, cookies, errors, static files."""

from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from config import ConfigError, Settings
from database import Database
from tests.web.browser import JSON, Browser


def test_no_page_may_run_anything_inline(anybody: Browser, web_settings: Settings):
    policy = anybody.get("/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"img-src 'self' {web_settings.media_hosts[0]}" in policy


def test_headers(anybody: Browser):
    headers = anybody.get("/").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in headers
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Lax" in headers["Set-Cookie"]


def test_production_wants_https(web_settings: Settings, database: Database):
    browser = Browser(create_app(replace(web_settings, production=True, proxies=1)))
    answer = browser.get("/", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"})
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]
    assert answer.headers["Set-Cookie"].startswith("__Host-wikivisage=")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_sessions_need_a_key(web_settings: Settings):
    with pytest.raises(ConfigError, match="FLASK_SECRET_KEY"):
        create_app(replace(web_settings, secret_key=""))


def test_a_page_that_is_not_there(anybody: Browser):
    assert "nothing here" in anybody.get("/nothing").text
    answer = anybody.client.get("/nothing", headers=JSON)
    assert (answer.status_code, answer.get_json()["error"]) == (404, "not_found")


def test_a_method_that_is_not_there(anybody: Browser):
    answer = anybody.client.get("/preferences", headers=JSON)
    assert (answer.status_code, answer.get_json()["error"]) == (405, "method")
    assert "POST" in answer.headers["Allow"]


def test_too_much_at_once(alice: Browser):
    answer = alice.post("/projects/new", titles="x" * (2 * 1024 * 1024 + 1))
    assert answer.status_code == 413


def test_without_a_database_pages_say_so(web_settings: Settings):
    app = create_app(replace(web_settings, db_port=9))
    browser = Browser(app)
    assert browser.get("/").status_code == 200
    answer = browser.get("/leaderboard")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "database cannot be reached" in answer.text
    health = browser.client.get("/health", headers=JSON)
    assert (health.status_code, health.get_json()["database"]) == (503, "failed")


def test_a_fault_of_ours_shows_no_trace(web_settings: Settings, caplog: pytest.LogCaptureFixture):
    app = create_app(web_settings)
    from web.access import public

    app.add_url_rule("/broken", "broken", public(lambda: str(1 // 0)))
    answer = Browser(app).get("/broken")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_static_files_carry_their_hash(app: Flask, anybody: Browser):
    page = anybody.get("/").text
    url = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = anybody.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    version = url.split("/")[2]
    assert anybody.get(url.replace(version, "old")).headers["Cache-Control"] == "no-cache"
    assert anybody.get(f"/static/{version}/../app.py").status_code == 404


def test_health(anybody: Browser):
    assert anybody.client.get("/health.json").get_json() == {
        "web": "ok", "database": "ok", "workers": "absent", "version": "0.1.0", "seen": []
    }  # fmt: skip
    assert "none seen" in anybody.get("/health").text
