"""Run the sandbox wiki in the foreground: python -m sandbox --port N --photos DIR [--state FILE] ..."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from sandbox.server import CLIENT_ID, CLIENT_SECRET, Sandbox
from sandbox.state.build import NoPhotographs
from sandbox.state.model import Consumer
from sandbox.state.storage import BadState
from sandbox.state.world import Settings


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8181, help="0: any free port (default 8181)")
    parser.add_argument("--photos", type=Path, required=True, help="folder with NAME/*.jpg")
    parser.add_argument("--state", type=Path, help="file in which the wiki is kept across restarts")
    parser.add_argument("--variants", type=int, help="minimum number of photographs of each person (0: add none)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "wikivisage-sandbox")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every request")
    parser.add_argument("--edit-limit", type=int, default=0, help="maximum edits of a user in 60 s (0: no limit)")
    parser.add_argument("--token-seconds", type=float, default=14400.0, help="lifetime of an access token")
    parser.add_argument("--client-id", default=CLIENT_ID)
    parser.add_argument("--client-secret", default=CLIENT_SECRET)
    parser.add_argument(
        "--redirect-uri", action="append", default=[], help="registered callback; none: any on loopback"
    )
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status, 1 with a message if the sandbox cannot start."""
    options = arguments(given)
    consumer = Consumer(options.client_id, options.client_secret, redirects=options.redirect_uri)
    settings = Settings(options.latency, options.edit_limit, token_seconds=options.token_seconds)
    try:
        sandbox = Sandbox(
            options.photos,
            port=options.port,
            cache=options.cache,
            state=options.state,
            variants=options.variants,
            settings=settings,
            consumer=consumer,
        )
        sandbox.prepare()
    except (NoPhotographs, BadState, OSError) as error:
        print(f"The sandbox cannot start: {error}", file=sys.stderr)
        return 1

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    for name, address in sandbox.addresses.items():
        print(f"{name:14} {address}")
    print(f"{'client_id':14} {consumer.id}\n{'client_secret':14} {consumer.secret}", flush=True)
    try:
        sandbox.serve()
    except KeyboardInterrupt:
        pass
    finally:
        sandbox.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
