"""Weights made ready before the first search, in a process of its own: what it takes to build them is not kept."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

from vision.settings import HOG, SearchSettings
from vision.weights import CENTERFACE_FILE, RESNET_FILE, missing

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent


def prepared(settings: SearchSettings, stop: Event) -> SearchSettings:
    """The settings with which pictures can be searched now: without CenterFace where its weights cannot be had.

    Takes milliseconds when the cache is full, else seconds. Says in the log, once, what is done without.
    """
    said = ""
    if missing(settings.cache, settings.detector):
        said = _make_ready(settings, stop)
    absent = missing(settings.cache, settings.detector)
    if RESNET_FILE in absent:
        log.warning("Encoding with dlib's own network, many times slower than ONNX Runtime. %s", said)
    if CENTERFACE_FILE in absent:
        log.warning("Searching with HOG alone, without the second look by CenterFace. %s", said)
        return replace(settings, detector=HOG)
    return settings


def _make_ready(settings: SearchSettings, stop: Event) -> str:
    """Run `python -m vision.weights`; what it said when it failed."""
    command = [sys.executable, "-m", "vision.weights", "--cache", str(settings.cache), "--detector", settings.detector]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        while process.poll() is None:
            if stop.wait(0.05):
                process.terminate()
        assert process.stderr is not None
        lines = process.stderr.read().strip().splitlines()
    return lines[-1] if process.returncode and lines else ""
