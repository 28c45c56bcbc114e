"""Benchmarks with --photos find photographs behind links to folders."""

from pathlib import Path

from bench.learning import encodings
from bench.pictures.photographs import collect

NAMES = {"ada_lovelace", "grace_hopper"}


def test_benchmarks_take_photographs_from_linked_folders(linked: Path):
    assert {one.person for one in collect(linked)} == NAMES
    assert {name for name, _ in encodings.folders(linked)} == NAMES


def test_benchmark_takes_photographs_from_linked_scenes(linked: Path, tmp_path: Path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "scenes").symlink_to(linked, target_is_directory=True)
    assert {one.person for one in collect(tmp_path / "whole")} == NAMES
