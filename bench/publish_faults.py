"""Fault-injection benchmark of publishing: faults of wiki, network, database and workers while statements are sent.

    python -m bench.publish_faults [--files 200] [--only NAME ...] [--json FILE]

For each fault, a project with approved files is sent while the fault is active. Then the fault is ended: the cause of a
lasting refusal is removed, the volunteer signs in again, and failed edits are retried. Finally the statements on the
wiki are compared with the edits in the database. Exits with 1 unless each file has the statement exactly once, every
reported state was true, and no statement of another user was removed. Waits are 200 times as short as in production;
requests, database and processes are real.
"""

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.faults.sending import FAULTS, LONGEST_SECONDS, Fault, Scene
from store.publishing import batches, edits
from testing.publishing import Case, Wiki, Workshop, statements, workshop

SETTLED = {"done", "already"}


@dataclass(frozen=True)
class Row:
    """The result of one fault.

    `once`, `twice`, `missing`: number of files with the statement once, more than once or not at all. `false_reports`:
    edits whose state does not match the wiki. `others_removed`: removed statements of other users.
    """

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
        """Whether each file has the statement exactly once, every report is true, and nothing of others was removed."""
        return self.once == self.files and not (self.twice or self.missing or self.false_reports or self.others_removed)


def play(fault: Fault, files: int, shop: Workshop, seed: int) -> tuple[Row, str]:
    """Send a project during a fault, end the fault, and compare; also return the reasons shown to the volunteer."""
    case = shop.fresh(files)
    scene = Scene(case, shop, random.Random(seed))
    started = time.monotonic()
    fault.strike(scene)
    armed, struck = _faults(shop.wiki)
    scene.batch_id = case.send()
    senders = [] if fault.process else [case.sender(f"bench-{number}") for number in range(fault.senders)]
    _settle(case)
    reported_while = _false_reports(case, shop.wiki, scene.batch_id)
    refused = _refused(case, scene.batch_id)
    never = armed and _faults(shop.wiki)[1] == struck
    shop.wiki.calm()
    fault.mend(scene)
    for _ in range(2):  # After the first retry a refusal can have paused the batch before every page was tried.
        _retry(case, scene.batch_id)
        _settle(case)
    scene.ended.set()
    for thread in scene.helpers:
        thread.join(LONGEST_SECONDS)
    for sender in senders:
        sender.stop()
    unsaid = fault.refused and not refused
    row = _judge(fault, scene, time.monotonic() - started, reported_while + unsaid + never)
    notes = ["the fault never struck"] * never + ["nothing, although it was refused"] * unsaid
    return row, ", ".join(refused + notes)


def _faults(wiki: Wiki) -> tuple[bool, int]:
    """Return whether faults of the wiki are pending, and the total number of injections."""
    found = wiki.state()["faults"]
    return bool(found["waiting"]), sum(found["struck"].values())


def _settle(case: Case) -> None:
    """Wait until no edit is open except those of paused batches."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        try:
            if not case.open_edits():
                return
        except Exception:  # The database may be unavailable, which is one of the faults.
            time.sleep(0.2)
        time.sleep(0.05)


def _refused(case: Case, batch_id: int) -> list[str]:
    """Return the reasons shown to the volunteer: of failed edits and of a paused batch."""
    with case.database.transaction() as db:
        reasons = db.column("SELECT DISTINCT error FROM edits WHERE batch_id = %s AND state = 'failed'", (batch_id,))
        paused = db.value("SELECT pause_reason FROM batches WHERE id = %s AND state = 'paused'", (batch_id,))
    return [reason for reason in [*reasons, paused] if reason]


def _retry(case: Case, batch_id: int) -> None:
    with case.database.transaction() as db:
        edits.retry_failed(db, batch_id)
        batches.resume(db, batch_id)


def _false_reports(case: Case, wiki: Wiki, batch_id: int) -> int:
    """Count the edits that are settled but whose statement is missing, or failed but whose statement exists."""
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
    """Count the edits that are not settled; at the end every edit should be."""
    return sum(count for state, count in case.counts(batch_id).items() if state not in SETTLED)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=200, help="approved files for each fault")
    parser.add_argument("--only", nargs="*", default=[], help="faults whose name contains one of these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    logging.getLogger("pipeline").setLevel(logging.ERROR)
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
