"""Benchmarks with --photos find photographs behind links to folders."""

from pathlib import Path

import pytest
from PIL import Image

from bench.learning import encodings
from bench.pictures.photographs import collect


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """Return a folder with only a link for each person, as of a collection that is kept elsewhere."""
    for name in ("ada_lovelace", "grace_hopper"):
        folder = tmp_path / "elsewhere" / name / "more"
        folder.mkdir(parents=True)
        Image.new("RGB", (64, 64), "gray").save(folder.parent / f"{name}.jpg")
    root = tmp_path / "photos"
    root.mkdir()
    for folder in (tmp_path / "elsewhere").iterdir():
        (root / folder.name).symlink_to(folder, target_is_directory=True)
    return root


NAMES = {"ada_lovelace", "grace_hopper"}


def test_benchmarks_take_photographs_from_linked_folders(linked: Path):
    assert {one.person for one in collect(linked)} == NAMES
    assert {name for name, _ in encodings.folders(linked)} == NAMES


def test_benchmark_takes_photographs_from_linked_scenes(linked: Path, tmp_path: Path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "scenes").symlink_to(linked, target_is_directory=True)
    assert {one.person for one in collect(tmp_path / "whole")} == NAMES
