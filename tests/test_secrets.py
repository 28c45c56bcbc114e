"""No token, code or secret appears in a log, page, address or traceback during sign-ins, sending and failures."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from config import Settings
from database import Database
from sandbox.server import Sandbox
from store.accounts import users
from store.accounts.tokens import box
from store.jobs import tasks
from testing import servers
from testing.publishing import Wiki, make_project
from testing.waiting import PATIENCE, until
from tests.web.accounts.test_account import consent


@dataclass
class Site:
    """The application in gunicorn as in the Procfile, a worker, and all responses that a browser received."""

    address: str
    settings: Settings
    database: Database
    seen: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    browser: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> requests.Response:
        return self._keep(self.browser.get(self.address + path, allow_redirects=False))

    def post(self, path: str, body: object) -> requests.Response:
        token = re.search(r'name="csrf-token" content="([^"]+)"', self.get("/help").text)
        assert token is not None
        headers = {"X-CSRFToken": token[1], "Accept": "application/json"}
        return self._keep(self.browser.post(self.address + path, json=body, headers=headers, allow_redirects=False))

    def _keep(self, answer: requests.Response) -> requests.Response:
        headers = dict(answer.headers)
        headers.pop("Set-Cookie", None)  # The session belongs to the browser; its cookie is checked elsewhere.
        if "/oauth2/authorize" not in headers.get(
            "Location", ""
        ):  # This address passes the state to the wiki, which is its purpose.
            self.seen.append(f"{headers} {answer.text}")
        for name, value in self.browser.cookies.items():
            self.secrets[f"cookie {name} {len(self.secrets)}"] = value or ""
        return answer

    def sign_in(self, button: str = "accept") -> str:
        """Begin and complete a sign-in; return the path to which the wiki redirected."""
        begun = self.get("/auth/start")
        back = consent(begun.headers["Location"], "Dora", button)
        for name, values in parse_qs(urlsplit(back).query).items():
            if name in {"code", "state"}:
                self.secrets[f"{name} {len(self.secrets)}"] = values[0]
        self.get(back)
        self.note_tokens()
        return back

    def note_tokens(self) -> None:
        """Record the tokens that are stored now, encrypted and decrypted."""
        with self.database.transaction() as db:
            for user_id in db.column("SELECT id FROM users"):
                found = users.tokens(db, box(self.settings.token_keys), user_id)
                row = db.row("SELECT access_token, refresh_token FROM users WHERE id = %s", (user_id,))
                assert row is not None
                if found:
                    self.secrets |= {
                        f"access {found.version}": found.access,
                        f"refresh {found.version}": found.refresh or "",
                    }
                self.secrets |= {f"sealed {n} {len(self.secrets)}": v.decode() for n, v in row.items() if v}


@pytest.fixture
def site(local_settings: Settings, database: Database, tmp_path: Path) -> Iterator[Site]:
    settings = replace(local_settings, log_level="DEBUG", detector="hog", detector_children=1, poll_interval=1.0)
    port = servers.free_port()
    command = [sys.executable, "-m", "gunicorn", "app:app", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    command += ["--access-logfile", "-", "--log-level", "debug"]
    with servers.running(command, servers.environment(settings), tmp_path / "web.log") as process:
        servers.wait_for_http(f"http://127.0.0.1:{port}/help", process)
        yield Site(f"http://127.0.0.1:{port}", settings, database)


def counts(site: Site) -> dict[str, int]:
    with site.database.transaction() as db:
        rows = db.rows("SELECT state, COUNT(*) AS n FROM edits GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def test_secrets_do_not_appear_in_logs_and_responses(site: Site, sandbox: Sandbox, tmp_path: Path):
    settings, wiki = site.settings, Wiki(sandbox)
    site.sign_in("cancel")
    back = site.sign_in()
    assert site.get("/projects").status_code == 200
    assert site.get(back).status_code == 400, "a code that was used"
    assert site.get("/auth/callback?code=stolen-code-4711&state=wrong-state-4711").status_code == 400
    assert site.get("/projects/new?q=searched-words-4711").status_code in {200, 502}
    site.secrets |= {"code in an address": "stolen-code-4711", "words in an address": "searched-words-4711"}
    with site.database.transaction() as db:
        user_id = db.value("SELECT id FROM users")
        project_id, _ = make_project(db, wiki, user_id, 3)
        db.execute("UPDATE projects SET item = %s", (next(iter(sandbox.world.state.items)),))
    wiki.faults(
        {"kind": "badtoken", "match": {"action": "wbeditentity"}, "count": 1},
        {"kind": "abusefilter_disallowed", "match": {"action": "wbeditentity"}, "count": 1},
        {"kind": "html", "match": {"action": "wbeditentity"}, "count": 1},
    )
    wiki.other("expire_tokens", user="Dora")
    worker = servers.worker(settings, "one", tmp_path)
    try:
        assert site.post(f"/projects/{project_id}/send", {}).status_code == 200
        until(lambda: not {"queued", "sending"} & set(counts(site)))
        assert counts(site).get("done"), _value(site, "SELECT GROUP_CONCAT(state, error, error_detail) FROM edits")
        site.note_tokens()
        wiki.other("revoke_tokens", user="Dora")
        with site.database.transaction() as db:
            db.execute("UPDATE edits SET state = 'queued', statement_id = NULL WHERE state IN ('failed', 'done')")
            db.execute("UPDATE batches SET state = 'running', finished_at = NULL")
            tasks.want(db, "publish", int(str(user_id)))  # This also applies to a run that is being settled.
        until(lambda: _value(site, "SELECT state = 'paused' FROM batches"))
    finally:
        worker.stop()
    _break_a_page(site)
    logs = {"web": (tmp_path / "web.log").read_text(), "worker": worker.output()}
    assert '"GET /auth/callback" 302' in logs["web"], "the access log is written"
    assert "publish" in logs["worker"]
    assert "Traceback" in logs["web"], "a failure was logged with its trace"
    secrets = site.secrets | {
        "client secret": settings.oauth_client_secret,
        "session key": settings.secret_key,
        "token key": settings.token_keys[0],
        "database password": settings.db_password,
    }
    assert len({name.split()[0] for name in secrets} & {"access", "refresh", "sealed", "cookie", "code", "state"}) == 6
    for name, secret in secrets.items():
        if len(secret) < 8:
            continue
        for place, text in logs.items():
            assert secret not in text, f"{name} in the log of {place}"
        if not name.startswith("words"):
            assert not [page for page in site.seen if secret in page], f"{name} in a page"


def _value(site: Site, sql: str) -> object:
    with site.database.transaction() as db:
        return db.value(sql)


def _break_a_page(site: Site) -> None:
    """Cause an unexpected exception during a request with a session."""
    with site.database.transaction() as db:
        db.execute("RENAME TABLE user_stats TO elsewhere")
    try:
        answer = site.get("/leaderboard")
    finally:
        with site.database.transaction() as db:
            db.execute("RENAME TABLE elsewhere TO user_stats")
    assert answer.status_code == 500
    assert "user_stats" not in answer.text


def test_development_server_logs_no_query_string(local_settings: Settings, tmp_path: Path):
    port = servers.free_port()
    env = servers.environment(replace(local_settings, port=port))
    with servers.running([sys.executable, "app.py"], env, tmp_path / "web.log") as process:
        servers.wait_for_http(f"http://127.0.0.1:{port}/help", process)
        requests.get(f"http://127.0.0.1:{port}/auth/callback?code=stolen-code-4711&state=x", timeout=PATIENCE)
        until(lambda: "/auth/callback" in process.output())
        assert "stolen-code" not in process.output()
