"""What runs in production: the lock says the same as requirements.txt, every file has its hash, every licence is known."""

import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests import servers

ROOT = servers.ROOT
LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+) ", LOCK, re.MULTILINE))


def named(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_pins_what_the_requirements_pin():
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    wanted = {named(name): version for name, version in pinned.items()}
    assert {named(name): version for name, version in LOCKED.items() if named(name) != "dlib"} == wanted


def test_every_package_of_the_lock_has_hashes():
    for part in re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in part, part.split()[0]


def test_the_wheel_in_place_of_the_folder_is_the_one_that_was_hashed_and_holds_no_code():
    about = tomllib.loads((ROOT / "packages/dlib/pyproject.toml").read_text())["project"]
    (wheel,) = (ROOT / "packages/wheels").glob("*.whl")
    assert f"dlib=={about['version']} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n" in LOCK
    with zipfile.ZipFile(wheel) as held:
        assert all(".dist-info/" in name for name in held.namelist())
        (metadata,) = (held.read(name).decode() for name in held.namelist() if name.endswith("METADATA"))
    assert f"Requires-Dist: {about['dependencies'][0]}" in metadata


def test_the_licences_are_those_of_the_lock_and_all_known():
    listed = dict(
        re.findall(r"^\| ([\w.-]+) \| (\d\S+) \| .+ \|$", (ROOT / "docs/LICENCES.md").read_text(), re.MULTILINE)
    )
    assert listed == LOCKED
    assert "not said" not in (ROOT / "docs/LICENCES.md").read_text()
    assert not re.search(r"\b[AL]?GPL", (ROOT / "docs/LICENCES.md").read_text()), "not to be joined with MIT"


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_lock_installs_with_hashes_alone(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    command = [
        str(tmp_path / "venv/bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        "requirements.lock",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    program = "import dlib, face_recognition_models, flask, onnxruntime"
    subprocess.run([str(tmp_path / "venv/bin/python"), "-W", "ignore", "-c", program], cwd=tmp_path, check=True)
