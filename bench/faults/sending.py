"""Faults for bench/publish_faults.py, injected while approved files are sent, and the actions that end them."""

import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config import Settings
from store.projects import projects
from testing import servers
from testing.publishing import ITEM, VOLUNTEER, Case, Wiki, Workshop

LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class Fault:
    """A fault; `strike` injects it, and `mend` removes its cause.

    `refused`: while it lasts, edits must be reported as failed or the batch as paused. `senders`: number of concurrent
    senders.
    """

    name: str
    strike: Callable[["Scene"], None]
    mend: Callable[["Scene"], None] = lambda scene: None
    refused: bool = False
    senders: int = 1
    process: bool = False  # The fault runs real worker processes, which can be killed, instead of senders.


@dataclass
class Scene:
    """A case together with what its fault needs; `ended` is set once the case is over."""

    case: Case
    shop: Workshop
    rng: random.Random
    batch_id: int = 0
    others: dict[int, str] = field(default_factory=dict)  # page id -> id of another user's statement
    helpers: list[threading.Thread] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def wiki(self) -> Wiki:
        """The wiki that the case is sent to."""
        return self.shop.wiki

    @property
    def settings(self) -> Settings:
        """The settings of the workers."""
        return self.shop.settings

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Run `work` in a background thread while edits are sent."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.helpers.append(thread)


def of_wiki(name: str, *faults: dict[str, Any]) -> Fault:
    """Return a temporary fault of the sandbox: it is injected once for certain, then with its given probability."""
    certain = [{**fault, "count": 1, "probability": 1.0} for fault in faults]
    return Fault(name, lambda scene: scene.wiki.faults(*certain, *faults))


def lasting(name: str, kind: str, **more: Any) -> Fault:
    """Return a refusal by the sandbox that lasts until it is cleared."""
    strike = {"kind": kind, "count": None, "match": {"action": "wb"}, **more}
    return Fault(name, lambda scene: scene.wiki.faults(strike), refused=True)


def _every_write(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "match": {"action": "^wbedit|^wbset|^wbremove"}, "count": 12, "probability": 0.2, **more}


def _at(kind: str, point: str, count: int = 2, **more: Any) -> dict[str, Any]:
    where = {
        "read": {"action": "^(query|wbget)"},
        "token": {"module": "tokens"},
        "refresh": {"path": "access_token"},
        "account": {"module": "userinfo"},
    }
    return {"kind": kind, "match": where[point], "count": count, **more}


def expire(scene: Scene) -> None:
    """Let the access token expire, so that it has to be refreshed."""
    with scene.case.database.transaction() as db:
        db.execute("UPDATE users SET token_expires_at = NOW() - INTERVAL 1 HOUR")


def at_refresh(kind: str, count: int = 2) -> Callable[["Scene"], None]:
    """Return a function that makes a token refresh due and lets it fail."""

    def strike(scene: Scene) -> None:
        expire(scene)
        scene.wiki.faults(_at(kind, "refresh", count))

    return strike


def revoke(scene: Scene) -> None:
    """Revoke the user's grant on the wiki."""
    scene.wiki.other("revoke_tokens", user=VOLUNTEER)


def sign_in(scene: Scene) -> None:
    """Sign the volunteer in again."""
    scene.wiki.sign_in(scene.settings, scene.case.database)


def others_edit(scene: Scene) -> None:
    """Edit the same pages as another user at the same time: other statements, the same statement, the wikitext."""

    def work() -> None:
        for page_id in scene.case.page_ids:
            kind = scene.rng.randrange(3)
            if kind == 2:
                scene.wiki.other("edit_text", id=page_id, text="Somebody wrote this.")
            else:
                made = scene.wiki.other("add_statement", id=page_id, value=ITEM if kind else "Q5", user="Bob")
                scene.others[page_id] = made["guid"]

    scene.meanwhile(work)


def write_first(scene: Scene) -> None:
    """Let another user add the statement to half of the files before they are sent."""
    for page_id in scene.case.page_ids[::2]:
        made = scene.wiki.other("add_statement", id=page_id, value=ITEM, user="Bob", rank="preferred")
        scene.others[page_id] = made["guid"]


def stop_database(scene: Scene) -> None:
    """Stop the database server during the batch and start it 10 s later with the same port and data."""

    def work() -> None:
        _wait_for_edits(scene)
        scene.shop.server.stop()
        time.sleep(10)
        scene.shop.server.start()

    scene.meanwhile(work)


def kill_workers(count: int) -> Callable[["Scene"], None]:
    """Return a function that runs `count` worker processes and kills and restarts them six times at random moments."""

    def strike(scene: Scene) -> None:
        folder = Path(tempfile.mkdtemp(prefix="wikivisage-bench-"))
        with scene.case.database.transaction() as db:  # A completed project is not searched; only its edits are sent.
            projects.set_status(db, scene.case.project_id, "completed")

        def work() -> None:
            running = {
                f"bench-killed-{number}": servers.worker(scene.settings, f"bench-killed-{number}", folder)
                for number in range(count)
            }
            for _ in range(6):
                _wait_for_edits(scene)
                time.sleep(scene.rng.uniform(0.05, 0.4))
                for name in [*running]:
                    running[name].kill()
                    running[name] = servers.worker(scene.settings, name, folder)
            scene.ended.wait(LONGEST_SECONDS)
            for process in running.values():
                process.stop()

        scene.meanwhile(work)

    return strike


def _wait_for_edits(scene: Scene) -> None:
    """Wait until three more edits have reached the wiki, or all; at most 20 s."""
    edits_then = scene.wiki.sandbox.world.state.edits
    wanted = min(len(edits_then) + 3, len(scene.case.page_ids))
    deadline = time.monotonic() + 20
    while (
        len(scene.wiki.sandbox.world.state.edits) < wanted and not scene.ended.is_set() and time.monotonic() < deadline
    ):
        time.sleep(0.01)


def limit_account(scene: Scene) -> None:
    """Limit the account to 50 edits in 2 s, which the wiki reports in userinfo."""
    scene.wiki.post("settings", {"edit_limit": 50, "edit_window": 2.0})


def block_partially(scene: Scene) -> None:
    """Block the account from every third page."""
    titles = {page["id"]: page["title"] for page in scene.wiki.state()["files"]}
    scene.wiki.other("block", user=VOLUNTEER, titles=[titles[page_id] for page_id in scene.case.page_ids[::3]])


def block(scene: Scene) -> None:
    """Block the account during the batch."""

    def work() -> None:
        _wait_for_edits(scene)
        scene.wiki.other("block", user=VOLUNTEER)

    scene.meanwhile(work)


def unblock(scene: Scene) -> None:
    """Unblock the account."""
    scene.wiki.other("unblock", user=VOLUNTEER)


def protect(scene: Scene) -> None:
    """Protect every third page."""
    for page_id in scene.case.page_ids[::3]:
        scene.wiki.other("protect", id=page_id)


def unprotect(scene: Scene) -> None:
    """Remove the protection."""
    for page_id in scene.case.page_ids[::3]:
        scene.wiki.other("protect", id=page_id, level="")


def rename(scene: Scene) -> None:
    """Rename the account during the batch."""

    def work() -> None:
        _wait_for_edits(scene)
        scene.wiki.other("rename_user", user=VOLUNTEER, to="Alicia")

    scene.meanwhile(work)


def disable_consumer(scene: Scene) -> None:
    """Disable the tool's OAuth consumer."""
    scene.wiki.other("disable_consumer", consumer=scene.settings.oauth_client_id)


def enable_consumer(scene: Scene) -> None:
    """Enable the tool's OAuth consumer again."""
    scene.wiki.other("disable_consumer", consumer=scene.settings.oauth_client_id, enabled=True)


PASSING = (
    "unavailable",
    "too_many_requests",
    "html",
    "drop_before",
    "drop_after",
    "corrupt",
    "truncate",
    "cut_short",
    "slow_after",
)

FAULTS = [
    Fault("none", lambda scene: None),
    of_wiki("badtoken", _every_write("badtoken")),
    of_wiki("ratelimited", _every_write("ratelimited")),
    Fault("the account's rate limit", limit_account),
    of_wiki("readonly", _every_write("readonly")),
    of_wiki("maxlag", _every_write("maxlag")),
    of_wiki("maxlag of the query service", _every_write("maxlag", lag_type="wikibase-queryservice")),
    of_wiki("editconflict", _every_write("editconflict")),
    of_wiki("lost race", _every_write("lost_race")),
    of_wiki("internal error", _every_write("internal_error")),
    of_wiki("429 with Retry-After", _every_write("too_many_requests", retry_after="2")),
    of_wiki("429 without Retry-After", _every_write("too_many_requests")),
    of_wiki("503 before the request", _every_write("unavailable")),
    of_wiki("html instead of JSON", _every_write("html")),
    of_wiki("slow before the request", _every_write("slow", seconds=0.3)),
    of_wiki("slow after it was stored", _every_write("slow_after", seconds=0.3)),
    of_wiki("corrupt answer after it was stored", _every_write("corrupt")),
    of_wiki("truncated answer after it was stored", _every_write("truncate")),
    of_wiki("answer cut short after it was stored", _every_write("cut_short")),
    of_wiki("dropped before the request", _every_write("drop_before")),
    of_wiki("dropped after it was stored", _every_write("drop_after")),
    *(
        of_wiki(f"{kind} at {point}", _at(kind, point))
        for point in ("read", "token", "account")
        for kind in (*PASSING, "maxlag")
    ),
    Fault("expired token", expire),
    *(Fault(f"{kind} at refresh", at_refresh(kind), sign_in) for kind in PASSING),
    Fault("refresh token dead", at_refresh("refresh", 9), sign_in, True),
    of_wiki("login lost in between", {"kind": "authorization", "count": 2, "skip": 40}),
    Fault("grant revoked", revoke, sign_in, True),
    Fault("registration disabled", disable_consumer, enable_consumer, True),
    Fault("account renamed", rename),
    Fault("account blocked in between", block, unblock, True),
    Fault("blocked from some pages", block_partially, unblock, True),
    Fault("some pages protected", protect, unprotect, True),
    lasting("blocked", "blocked"),
    lasting("protected", "protected"),
    lasting("no edit right", "no_right"),
    lasting("abuse filter", "abusefilter_disallowed"),
    lasting("abuse filter warning", "abusefilter_warning"),
    Fault("somebody stated it first", write_first),
    Fault("humans edit the same files", others_edit),
    Fault("two workers at once", lambda scene: None, senders=2),
    Fault("two workers, lost answers", lambda scene: scene.wiki.faults(_every_write("drop_after")), senders=2),
    Fault("database gone for 10 s", stop_database),
    Fault("worker killed -9 at random", kill_workers(1), process=True),
    Fault("two workers killed -9 at random", kill_workers(2), process=True),
]
