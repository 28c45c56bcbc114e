"""Benchmark of detection and encoding: speed, faces found and memory of the usual recipe, of HOG alone, and of ours.

    python -m bench.detection --photos DIR [--json FILE] [--images N] [--cache DIR]

DIR contains scenes/NAME/* (the person is known), groups/* (with hand-drawn boxes in boxes/*.xml) and noface/*, or just
NAME/*. All parts search the same photographs alternately, BLOCK at a time, so that other load affects them equally:

* baseline: the usual recipe. face_recognition on 500 px, HOG with one upsampling, dlib's network, four child processes.
* limit: only dlib's HOG, on 960 px pictures in colour, decoded in advance, one process per core. limit_grey: in grey.
* ours: vision.detection.pool with HOG and dlib's network, one child per core. second_look: with CenterFace where HOG found no
  face or several. default: as second_look, with SFace as the encoder, which is how the product is set.

All parts read renderings like Wikimedia's from a folder; nothing is downloaded. images_per_s is wall-clock speed on all
cores, core_s_per_image the CPU time of the part's processes (on a busy machine, rely on ratio_core_s instead).
Exits with 1 if a target is missed and with 2 if there is no input.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event
from typing import Any

from bench.pictures import scores
from bench.pictures.photographs import Photograph, collect, render
from vision.detection.prepare import prepared
from vision.detection.settings import SearchSettings, user_cache

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("baseline", "limit", "limit_grey", "ours", "second_look", "default")
BLOCK = 25
WARM_UP = 8
Figures = dict[str, Any]


class PartProcess:
    """A process that runs one part and searches blocks of photographs."""

    def __init__(self, name: str, folder: Path, cache: Path) -> None:
        self.name = name
        self._answers = folder / f"{name}.pickle"
        command = [sys.executable, "-W", "ignore", "-m", "bench.pictures.parts", name, "--renderings", str(folder)]
        command += ["--cache", str(cache), "--answers", str(self._answers)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.blocks: list[Figures] = []

    def search(self, names: list[str]) -> Figures:
        """Search the photographs of these names; return the part's figures for the block."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(names) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended early; its output above gives the reason")
        return dict(json.loads(line))

    def end(self) -> list[Any]:
        """End the process; return the answers about all photographs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        return list(pickle.loads(self._answers.read_bytes()))


def measure(photographs: list[Photograph], folder: Path, cache: Path) -> dict[str, Figures]:
    """Return the figures of each part. The first photographs warm up; the first one's result ends the cold start."""
    names = [photograph.name for photograph in photographs]
    parts, cold = [], {}
    for name in PARTS:
        part = PartProcess(name, folder, cache)
        cold[name] = part.search(names[:1])["since_start_s"]
        part.search(names[1:WARM_UP])
        parts.append(part)
    for begin in range(0, len(names), BLOCK):
        for part in parts:
            part.blocks.append(part.search(names[begin : begin + BLOCK]))
        print(f"\r{min(begin + BLOCK, len(names))} of {len(names)} photographs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {part.name: _figures(part, photographs, cold[part.name]) for part in parts}


def _figures(part: PartProcess, photographs: list[Photograph], cold_s: float) -> Figures:
    answers = part.end()[min(WARM_UP, len(photographs)) :]
    by_name = {answer.name: answer for answer in answers}
    if len(answers) != len(photographs) or len(by_name) != len(photographs):
        raise RuntimeError(f"{part.name} answered {len(answers)} times for {len(photographs)} photographs")
    images = len(photographs)
    return {
        "images": images,
        "images_per_s": images / sum(block["wall_s"] for block in part.blocks),
        "core_s_per_image": sum(block["core_s"] for block in part.blocks) / images,
        "peak_mb": max(block["peak_mb"] for block in part.blocks),
        "cold_start_s": cold_s,
        **scores.of(photographs, by_name),
    }


def report(figures: dict[str, Figures]) -> Figures:
    """Add to the figures of the parts the ratios between them and the state of the machine."""
    ours, second, baseline = figures["ours"], figures["second_look"], figures["baseline"]
    return {
        **figures,
        "ratio_images_per_s": ours["images_per_s"] / baseline["images_per_s"],
        "ratio_images_per_s_second_look": second["images_per_s"] / baseline["images_per_s"],
        "ratio_images_per_s_default": figures["default"]["images_per_s"] / baseline["images_per_s"],
        "ratio_core_s_default": baseline["core_s_per_image"] / figures["default"]["core_s_per_image"],
        "ratio_memory_default": figures["default"]["peak_mb"] / baseline["peak_mb"],
        "ratio_core_s": baseline["core_s_per_image"] / ours["core_s_per_image"],
        "ratio_core_s_second_look": baseline["core_s_per_image"] / second["core_s_per_image"],
        "ratio_memory": ours["peak_mb"] / baseline["peak_mb"],
        "ratio_limit": ours["images_per_s"] / figures["limit"]["images_per_s"],
        "ratio_limit_core_s": figures["limit"]["core_s_per_image"] / ours["core_s_per_image"],
        "ratio_limit_grey": ours["images_per_s"] / figures["limit_grey"]["images_per_s"],
        "ratio_encode": baseline["encode_ms_per_face"] / ours["encode_ms_per_face"],
        "person_found_possible": _ratio(baseline["labelled"], baseline["person_found"]),
        "ratio_person_found": _ratio(second["person_found"], baseline["person_found"]),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def missed(result: Figures) -> list[str]:
    """Return a message for each missed target; targets that these photographs cannot measure are left out."""
    ours, baseline = result["ours"], result["baseline"]
    wanted: list[tuple[str, float | None, float | None]] = [
        ("images/s of ours over the usual recipe's", result["ratio_images_per_s"], 3.0),
        ("images/s with the second look over the usual recipe's", result["ratio_images_per_s_second_look"], 2.2),
        ("core-seconds of the usual recipe over ours", result["ratio_core_s"], 3.0),
        ("core-seconds of the usual recipe over those with the second look", result["ratio_core_s_second_look"], 2.2),
        ("images/s by default, with SFace, over the usual recipe's", result["ratio_images_per_s_default"], 1.9),
        ("core-seconds of the usual recipe over those by default", result["ratio_core_s_default"], 1.9),
        ("memory of the usual recipe's over that by default", 1 / result["ratio_memory_default"], 1 / 0.7),
        ("images/s of ours over what HOG alone allows, with mirror averaging", result["ratio_limit"], 0.7),
        ("core-seconds of HOG alone over ours", result["ratio_limit_core_s"], 0.7),
        ("encoding, times faster", result["ratio_encode"], 15.0),
        ("photographs in which the person is found, over the usual recipe's", result["ratio_person_found"], 1.12),
        ("recall of ours", ours["recall"], baseline["recall"]),
        ("precision of ours", ours["precision"], baseline["precision"]),
        ("memory of the usual recipe's over ours", 1 / result["ratio_memory"], 1 / 0.6),
    ]
    known = [(what, value, least) for what, value, least in wanted if value is not None and least is not None]
    return [f"{what}: {value:.3f}, not {least:.3f}" for what, value, least in known if value < least]


def show(result: Figures) -> None:
    """Print the figures as a table."""
    keys = [key for key in result["ours"] if not isinstance(result["ours"][key], dict)]
    print(f"{'':28}" + "".join(f"{name:>13}" for name in PARTS))
    for key in keys:
        print(f"{key:28}" + "".join(f"{_shown(result[name].get(key)):>13}" for name in PARTS))
    for key, value in result.items():
        if not isinstance(value, dict):
            print(f"{key:34}{_shown(value):>10}")


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    print("python -m bench.detection", shlex.join(sys.argv[1:] if arguments is None else arguments))
    photographs = collect(options.photos)[: options.images] if options.photos.is_dir() else []
    if not photographs:
        print(
            f"No photographs in {options.photos}: it should contain scenes/NAME/*.jpg, or NAME/*.jpg.", file=sys.stderr
        )
        return 2
    if any(prepared(SearchSettings(cache=options.cache), Event()).networks.values()):
        print("A network is not available (see the line above), so not everything can be measured.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        print(f"Rendering {len(photographs)} photographs", file=sys.stderr)
        rendered = render(photographs, Path(folder))
        figures = measure(rendered, Path(folder), options.cache)
        encode = scores.encode_ms(rendered, Path(folder), options.cache)
    for name, each in figures.items():
        each.update(encode.get(name, {"encode_ms_per_face": None}))
    result = report(figures)
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    misses = missed(result)
    print("\n".join(f"Missed: {miss}" for miss in misses) or "Every target is met.")
    return 1 if misses else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--images", type=int, help="maximum number of photographs, for a quick run")
    parser.add_argument("--cache", type=Path, default=user_cache(), help="the folder for weights (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
