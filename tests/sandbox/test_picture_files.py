"""Photographs are found behind links to folders; tests/bench/test_photographs.py tests the same of the benchmarks."""

from pathlib import Path

from sandbox.state import picture_files
from sandbox.state.build import PICTURES, build, photographs

NAMES = {"ada_lovelace", "grace_hopper"}


def test_sandbox_takes_photographs_from_linked_folders(linked: Path):
    found = photographs(linked)
    assert {name: len(each) for name, each in found.items()} == dict.fromkeys(NAMES, 1)
    assert build(linked, variants=0).pages


def test_folder_may_be_a_link_itself(linked: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(linked, target_is_directory=True)
    assert len(picture_files.below(tmp_path / "link", PICTURES)) == 2


def test_link_to_a_folder_above_does_not_go_on_for_ever(linked: Path, tmp_path: Path):
    (tmp_path / "elsewhere" / "ada_lovelace" / "more" / "above").symlink_to(linked, target_is_directory=True)
    (linked / "broken").symlink_to(tmp_path / "nowhere")
    (linked / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = [path.name for path in picture_files.below(linked, PICTURES)]
    assert sorted(found) == ["ada_lovelace.jpg", "grace_hopper.jpg"]
