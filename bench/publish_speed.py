"""Speed benchmark of publishing with a wiki that takes 100 ms for every request.

    python -m bench.publish_speed [--files 500] [--latency 0.1] [--json FILE]

Each file needs one write; reads and checks are batched. `ratio_to_serial_latency` is the time taken divided by that of
the writes alone, one after the other. The account's rate limit is set high; on Wikimedia it determines the speed. Waits
take their real time. Exits with 1 unless every file has the statement exactly once, every edit is stored as done, and
the ratio is at most 1.3.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from testing.publishing import Case, Workshop, statements, workshop

MOST_RATIO = 1.3
LONGEST_SECONDS = 600.0


def send(shop: Workshop, files: int, latency: float) -> dict[str, Any]:
    """Send a project with this number of files and return the figures; `latency`: seconds per request to the wiki."""
    case = shop.fresh(files)
    before = _requests(shop)
    shop.wiki.post("settings", {"latency": latency})
    batch = case.send()
    started = time.monotonic()
    sender = case.sender(speed=1.0)
    while case.open_edits() and time.monotonic() - started < LONGEST_SECONDS:
        time.sleep(0.02)
    seconds = time.monotonic() - started
    sender.stop()
    shop.wiki.post("settings", {"latency": 0.0})
    asked = _requests(shop) - before
    return {
        "files": files,
        "latency_seconds": latency,
        "seconds": round(seconds, 2),
        "serial_latency_seconds": round(files * latency, 2),
        "ratio_to_serial_latency": round(seconds / (files * latency), 3),
        "statements_per_second": round(files / seconds, 2),
        "writes": asked["api:wbeditentity"],
        "other_requests": sum(asked.values()) - asked["api:wbeditentity"],
        "once": _once(case),
        "reported_done": case.counts(batch).get("done", 0),
    }


def _requests(shop: Workshop) -> Counter[str]:
    counted = shop.wiki.state()["counts"]["requests"]
    return Counter({name: count for name, count in counted.items() if name.startswith("api:") or name == "oauth"})


def _once(case: Case) -> int:
    return sum(count == 1 for count in statements(case.wiki.state(), case.page_ids).values())


def good(row: dict[str, Any]) -> bool:
    """Return whether every statement was sent exactly once and the ratio is within its limit."""
    whole = row["once"] == row["reported_done"] == row["writes"] == row["files"]
    return bool(whole and row["ratio_to_serial_latency"] <= MOST_RATIO)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds that every request to the wiki takes")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    print("command: python -m bench.publish_speed", *(arguments if arguments is not None else sys.argv[1:]))
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder), options.files) as shop:
        row = send(shop, options.files, options.latency)
    for name, value in row.items():
        print(f"{name:28} {value}")
    if options.json:
        options.json.write_text(json.dumps(row, indent=1), encoding="utf-8")
    return 0 if good(row) else 1


if __name__ == "__main__":
    raise SystemExit(main())
