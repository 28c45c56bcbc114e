"""Every fault of the wiki, the network, the database and ourselves, in the middle of sending: what stands afterwards.

    python -m bench.publish_faults [--files 200] [--only NAME ...] [--json FILE]

For each fault: a project with approved files is sent while the fault strikes, then calm returns (the cause of a lasting
refusal is mended, the volunteer signs in again, failed edits are retried), and the wiki's own state is compared with the
ledger. Exits with 1 unless each file carries the statement exactly once, nothing was reported that is not so, and nobody
else's statement was touched. Waits pass 200 times as fast; requests, database and processes are real.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.publishing import ITEM, VOLUNTEER, Case, Wiki, Workshop, statements, workshop
from config import Settings
from store import batches, edits
from tests import servers

LONGEST_SECONDS = 120.0
SETTLED = {"done", "already"}


@dataclass(frozen=True)
class Fault:
    """What strikes, and what mends it. `refused`: edits must be reported as failed or the batch as paused meanwhile."""

    name: str
    strike: Callable[["Scene"], None]
    mend: Callable[["Scene"], None] = lambda scene: None
    refused: bool = False
    senders: int = 1
    process: bool = False  # a real worker process, so that it can be killed


@dataclass
class Scene:
    """A case while its fault strikes."""

    case: Case
    shop: Workshop
    rng: random.Random
    batch_id: int = 0
    others: dict[int, str] = field(default_factory=dict)  # page -> statement id of somebody else
    helpers: list[threading.Thread] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def wiki(self) -> Wiki:
        """The wiki that the case is sent to."""
        return self.shop.wiki

    @property
    def settings(self) -> Settings:
        """What the workers are given."""
        return self.shop.settings

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Do something in a thread of its own while edits are sent."""
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.helpers.append(thread)


@dataclass(frozen=True)
class Row:
    """What came of one fault."""

    fault: str
    files: int
    once: int
    twice: int
    missing: int
    false_reports: int
    others_removed: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether each file carries the statement exactly once and every report is true."""
        return self.once == self.files and not (self.twice or self.missing or self.false_reports or self.others_removed)


def of_wiki(name: str, *faults: dict[str, Any]) -> Fault:
    """A fault that the sandbox plays some times and that passes by itself."""
    return Fault(name, lambda scene: scene.wiki.faults(*faults))


def lasting(name: str, kind: str, **more: Any) -> Fault:
    """A refusal that stays until its cause is mended."""
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
    """The access token ends: a refresh is due."""
    with scene.case.database.transaction() as db:
        db.execute("UPDATE users SET token_expires_at = NOW() - INTERVAL 1 HOUR")


def at_refresh(kind: str, count: int = 2) -> Callable[["Scene"], None]:
    """A fault of the refresh that is due."""

    def strike(scene: Scene) -> None:
        expire(scene)
        scene.wiki.faults(_at(kind, "refresh", count))

    return strike


def revoke(scene: Scene) -> None:
    """The user takes the grant back on the wiki."""
    scene.wiki.other("revoke_tokens", user=VOLUNTEER)


def sign_in(scene: Scene) -> None:
    """The volunteer signs in again."""
    scene.wiki.sign_in(scene.settings, scene.case.database)


def others_edit(scene: Scene) -> None:
    """A human edits the same entities while we do: other statements, the same statement, other text."""

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
    """Somebody states the person in half of the files between our read and our write."""
    for page_id in scene.case.page_ids[::2]:
        made = scene.wiki.other("add_statement", id=page_id, value=ITEM, user="Bob", rank="preferred")
        scene.others[page_id] = made["guid"]


def stop_database(scene: Scene) -> None:
    """The database server ends in the middle and is back, on the same port and data, 10 seconds later."""

    def work() -> None:
        _wait_for_edits(scene)
        scene.shop.server.stop()
        time.sleep(10)
        scene.shop.server.start()

    scene.meanwhile(work)


def kill_workers(count: int) -> Callable[["Scene"], None]:
    """Real worker processes, killed at random moments, one after the other, until all is sent."""

    def strike(scene: Scene) -> None:
        folder = Path(tempfile.mkdtemp(prefix="wikivisage-bench-"))

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
    """Until a few more edits have reached the wiki, or all have."""
    edits_then = scene.wiki.sandbox.world.state.edits
    wanted = min(len(edits_then) + 3, len(scene.case.page_ids))
    deadline = time.monotonic() + 20
    while (
        len(scene.wiki.sandbox.world.state.edits) < wanted and not scene.ended.is_set() and time.monotonic() < deadline
    ):
        time.sleep(0.01)


def limit_account(scene: Scene) -> None:
    """The wiki lets the account make 50 edits in 2 s, and says so."""
    scene.wiki.post("settings", {"edit_limit": 50, "edit_window": 2.0})


def block_partially(scene: Scene) -> None:
    """The account is blocked from every third of the pages."""
    titles = {page["id"]: page["title"] for page in scene.wiki.state()["files"]}
    scene.wiki.other("block", user=VOLUNTEER, titles=[titles[page_id] for page_id in scene.case.page_ids[::3]])


def block(scene: Scene) -> None:
    """An administrator blocks the account in the middle."""

    def work() -> None:
        _wait_for_edits(scene)
        scene.wiki.other("block", user=VOLUNTEER)

    scene.meanwhile(work)


def unblock(scene: Scene) -> None:
    """The block ends."""
    scene.wiki.other("unblock", user=VOLUNTEER)


def protect(scene: Scene) -> None:
    """Every third page is protected."""
    for page_id in scene.case.page_ids[::3]:
        scene.wiki.other("protect", id=page_id)


def unprotect(scene: Scene) -> None:
    """The protection ends."""
    for page_id in scene.case.page_ids[::3]:
        scene.wiki.other("protect", id=page_id, level="")


def rename(scene: Scene) -> None:
    """The account gets another name in the middle."""

    def work() -> None:
        _wait_for_edits(scene)
        scene.wiki.other("rename_user", user=VOLUNTEER, to="Alicia")

    scene.meanwhile(work)


def disable_consumer(scene: Scene) -> None:
    """The tool's registration is not accepted any more."""
    scene.wiki.other("disable_consumer", consumer=scene.settings.oauth_client_id)


def enable_consumer(scene: Scene) -> None:
    """It is accepted again."""
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


def play(fault: Fault, files: int, shop: Workshop, seed: int) -> tuple[Row, str]:
    """One fault from beginning to calm; with the reasons that the volunteer was shown."""
    case = shop.fresh(files)
    scene = Scene(case, shop, random.Random(seed))
    started = time.monotonic()
    fault.strike(scene)
    scene.batch_id = case.send()
    senders = [] if fault.process else [case.sender(f"bench-{number}") for number in range(fault.senders)]
    _settle(case)
    reported_while = _false_reports(case, shop.wiki, scene.batch_id)
    refused = _refused(case, scene.batch_id)
    shop.wiki.calm()
    fault.mend(scene)
    for _ in range(2):  # the wiki may have said no before every page was tried
        _retry(case, scene.batch_id)
        _settle(case)
    scene.ended.set()
    for thread in scene.helpers:
        thread.join(LONGEST_SECONDS)
    for sender in senders:
        sender.stop()
    unsaid = int(fault.refused and not refused)
    row = _judge(fault, scene, time.monotonic() - started, reported_while + unsaid)
    return row, ", ".join(refused) if refused or not unsaid else "nothing, although it was refused"


def _settle(case: Case) -> None:
    """Wait until nothing is open, or all that is open waits for a human."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        try:
            if not case.open_edits():
                return
        except Exception:  # the database is away: that is one of the faults
            time.sleep(0.2)
        time.sleep(0.05)


def _refused(case: Case, batch_id: int) -> list[str]:
    """The reasons that the volunteer is shown: of failed edits and of the pause."""
    with case.database.transaction() as db:
        reasons = db.column("SELECT DISTINCT error FROM edits WHERE batch_id = %s AND state = 'failed'", (batch_id,))
        paused = db.value("SELECT pause_reason FROM batches WHERE id = %s AND state = 'paused'", (batch_id,))
    return [reason for reason in [*reasons, paused] if reason]


def _retry(case: Case, batch_id: int) -> None:
    with case.database.transaction() as db:
        edits.retry_failed(db, batch_id)
        batches.resume(db, batch_id)


def _false_reports(case: Case, wiki: Wiki, batch_id: int) -> int:
    """Edits said to be written or there already that the wiki does not show, and said to have failed that it does."""
    stated = statements(wiki.state(), case.page_ids)
    with case.database.transaction() as db:
        rows = db.rows("SELECT page_id, state FROM edits WHERE batch_id = %s AND action = 'add'", (batch_id,))
    wrong = [row for row in rows if row["state"] in SETTLED and not stated[row["page_id"]]]
    wrong += [row for row in rows if row["state"] == "failed" and stated[row["page_id"]]]
    return len(wrong)


def _judge(fault: Fault, scene: Scene, seconds: float, reported_while: int) -> Row:
    case, state = scene.case, scene.wiki.state()
    stated = statements(state, case.page_ids)
    there = {one["id"] for page in state["files"] for one in page["statements"]}
    return Row(
        fault=fault.name,
        files=len(case.page_ids),
        once=sum(count == 1 for count in stated.values()),
        twice=sum(count > 1 for count in stated.values()),
        missing=sum(count == 0 for count in stated.values()),
        false_reports=reported_while
        + _false_reports(case, scene.wiki, scene.batch_id)
        + _unreported(case, scene.batch_id),
        others_removed=sum(guid not in there for guid in scene.others.values()),
        seconds=round(seconds, 1),
    )


def _unreported(case: Case, batch_id: int) -> int:
    """Edits that are on the wiki by now and that the ledger does not call settled."""
    return sum(count for state, count in case.counts(batch_id).items() if state not in SETTLED)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=200, help="approved files for each fault")
    parser.add_argument("--only", nargs="*", default=[], help="faults whose name contains one of these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    print("command: python -m bench.publish_faults", *(arguments if arguments is not None else sys.argv[1:]))
    chosen = [fault for fault in FAULTS if not options.only or any(part in fault.name for part in options.only)]
    print(f"{'fault':46} files  once twice miss false others   s  shown to the volunteer")
    rows = []
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder), options.files) as shop:
        for fault in chosen:
            row, reasons = play(fault, options.files, shop, options.seed)
            rows.append(row)
            print(
                f"{row.fault:46} {row.files:5} {row.once:5} {row.twice:5} {row.missing:4} {row.false_reports:5}"
                f" {row.others_removed:6} {row.seconds:5.1f}  {reasons}{'' if row.good else '  <-- MISSED'}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=1), encoding="utf-8")
    missed = [row.fault for row in rows if not row.good]
    print(f"{len(rows) - len(missed)} of {len(rows)} faults left every file with the statement exactly once.")
    return 1 if missed or not rows else 0


if __name__ == "__main__":
    raise SystemExit(main())
