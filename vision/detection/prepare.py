"""Build the networks before the first search, in a separate process, so that its memory is freed."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import NamedTuple

from vision.detection.settings import HOG, SearchSettings
from vision.weights import CENTERFACE_NETWORK, missing, wanted

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]


class Prepared(NamedTuple):
    """The settings with which pictures can be searched now, and the state of each network.

    `networks` maps its name to an empty string if it is available, else to a sentence: what is done without it, and why.
    """

    settings: SearchSettings
    networks: dict[str, str]


def prepared(settings: SearchSettings, stop: Event) -> Prepared:
    """Build the missing networks; the returned settings omit CenterFace if it is unavailable.

    Takes milliseconds if the cache is complete, else seconds. Logs once each network that is unavailable.
    """
    said: list[str] = []
    if missing(settings.cache, settings.detector):
        said = _make_ready(settings, stop)
    absent = missing(settings.cache, settings.detector)
    networks = {network.name: "" for network in wanted(settings.detector)}
    for network in absent:
        networks[network.name] = f"{network.without} {_reason(said, network.name)}".strip()
        log.log(logging.INFO if stop.is_set() else logging.WARNING, "%s", networks[network.name])
    return Prepared(replace(settings, detector=HOG) if CENTERFACE_NETWORK in absent else settings, networks)


def _reason(said: list[str], name: str) -> str:
    """Return the last message about a network, else the last message."""
    own = [line.removeprefix(f"{name}: ") for line in said if line.startswith(f"{name}: ")]
    return own[-1] if own else said[-1] if said else ""


def _make_ready(settings: SearchSettings, stop: Event) -> list[str]:
    """Run `python -m vision.weights`; return its messages if it failed."""
    command = [sys.executable, "-m", "vision.weights", "--cache", str(settings.cache), "--detector", settings.detector]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        while process.poll() is None:
            if stop.wait(0.05):
                process.terminate()
        assert process.stderr is not None
        lines = process.stderr.read().strip().splitlines()
    return lines if process.returncode else []
