"""Build the networks before the first search, in a separate process, so that its memory is freed."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import NamedTuple

from vision.detection.settings import DLIB, HOG, SearchSettings
from vision.weights import CENTERFACE_NETWORK, SFACE_NETWORK, missing, wanted

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]


class Prepared(NamedTuple):
    """The settings with which pictures can be searched now, and the state of each network.

    `networks` maps its name to an empty string if it is available, else to a sentence: what is done without it, and why.
    """

    settings: SearchSettings
    networks: dict[str, str]


def prepared(settings: SearchSettings, stop: Event) -> Prepared:
    """Build the missing networks; the returned settings do without those that are unavailable.

    Without CenterFace HOG searches alone, without SFace dlib's network encodes. Takes milliseconds if the cache is complete,
    else seconds. Logs once each network that is unavailable.
    """
    networks = _states(settings, stop)
    if networks.get(CENTERFACE_NETWORK.name):
        settings = replace(settings, detector=HOG)
    if networks.get(SFACE_NETWORK.name):
        settings = replace(settings, encoder=DLIB)
        networks |= _states(settings, stop)
    for sentence in filter(None, networks.values()):
        log.log(logging.INFO if stop.is_set() else logging.WARNING, "%s", sentence)
    return Prepared(settings, networks)


def _states(settings: SearchSettings, stop: Event) -> dict[str, str]:
    """Build the networks that these settings use and that are missing; return the state of each, as in Prepared."""
    said = _make_ready(settings, stop) if missing(settings) else []
    networks = {network.name: "" for network in wanted(settings)}
    for network in missing(settings):
        networks[network.name] = f"{network.without} {_reason(said, network.name)}".strip()
    return networks


def _reason(said: list[str], name: str) -> str:
    """Return the last message about a network, else the last message."""
    own = [line.removeprefix(f"{name}: ") for line in said if line.startswith(f"{name}: ")]
    return own[-1] if own else said[-1] if said else ""


def _make_ready(settings: SearchSettings, stop: Event) -> list[str]:
    """Run `python -m vision.weights`; return its messages if it failed."""
    command = [sys.executable, "-m", "vision.weights", "--cache", str(settings.cache)]
    command += ["--detector", settings.detector, "--encoder", settings.encoder]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        while process.poll() is None:
            if stop.wait(0.05):
                process.terminate()
        assert process.stderr is not None
        lines = process.stderr.read().strip().splitlines()
    return lines if process.returncode else []
