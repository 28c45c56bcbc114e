"""The lock files agree with the requirements, every file has a hash, and every licence is known."""

import hashlib
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from testing import servers
from vision import weights

ROOT = servers.ROOT
WHEELS = ROOT / "packages/wheels"
PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", re.MULTILINE)
INSTALLED = ["requirements.txt", "requirements-dev.txt"]


def text(name: str) -> str:
    return (ROOT / name).read_text()


def pins(name: str) -> dict[str, str]:
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in PINNED.findall(text(name))}


def blocks(name: str) -> list[str]:
    """Return the entry of each package in a file, including hashes."""
    return re.split(r"^(?=[\w.-]+(?:\[[\w,-]+\])?==)", text(name), flags=re.MULTILINE)[1:]


def named(block: str) -> str:
    return block.split(" ")[0]


def hashes(block: str) -> set[str]:
    return set(re.findall(r"^ +--hash=(sha256:[0-9a-f]{64})", block, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_lock_files_contain_the_pinned_requirements(name: str):
    assert pins(f"{name}.in").items() <= pins(f"{name}.txt").items()


def test_production_and_tests_use_the_same_versions():
    tested = {named(block): hashes(block) for block in blocks("requirements-dev.txt")}
    assert {named(block): hashes(block) for block in blocks("requirements.txt")}.items() <= tested.items()


@pytest.mark.parametrize("name", INSTALLED)
def test_every_package_has_hashes(name: str):
    found = blocks(name)
    assert len(found) == len(pins(name)) > 0
    assert [block for block in found if not hashes(block)] == []


@pytest.mark.parametrize("name", INSTALLED)
def test_lock_files_contain_no_local_paths(name: str):
    options = [line for line in text(name).splitlines() if line.startswith("-")]
    assert options == ["--only-binary=:all:", "--no-binary=face_recognition_models", "--find-links packages/wheels"]


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("package", ["dlib", "networks"])
def test_own_wheels_have_the_locked_hashes(name: str, package: str):
    about = tomllib.loads(text(f"packages/{package}/pyproject.toml"))["project"]
    (wheel,) = WHEELS.glob(f"{about['name'].replace('-', '_')}-*.whl")
    hashed = (
        f"{about['name']}=={about['version']} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    )
    assert hashed in text(name)


def test_wheel_that_replaces_dlib_contains_no_code():
    about = tomllib.loads(text("packages/dlib/pyproject.toml"))["project"]
    with zipfile.ZipFile(next(WHEELS.glob("dlib-*.whl"))) as held:
        assert all(".dist-info/" in name for name in held.namelist())
        (metadata,) = (held.read(name).decode() for name in held.namelist() if name.endswith("METADATA"))
    assert f"Requires-Dist: {about['dependencies'][0]}" in metadata


def test_wheel_of_networks_contains_networks_and_licences_but_no_code():
    with zipfile.ZipFile(next(WHEELS.glob("wikivisage_networks-*.whl"))) as held:
        listed = tomllib.loads(text("packages/networks/networks.toml"))["network"]
        for network in listed:
            data = held.read(f"wikivisage_networks/{network['file']}")
            assert hashlib.sha256(data).hexdigest() == network["sha256"]
            licence = held.read(_only(held, f"licences/{network['package'].partition('==')[0]}")).decode()
            assert "Permission is hereby granted" in licence
        assert {network["file"] for network in listed} == {"centerface.onnx", "sface.onnx"}
        apache = held.read(
            _only(held, "licenses/APACHE-2.0")
        ).decode()  # SFace's own; its package is under the MIT licence
        assert "Apache License" in apache
        assert "Version 2.0, January 2004" in apache
        (about,) = (held.read(name).decode() for name in held.namelist() if name.endswith("METADATA"))
        assert "License-Expression: MIT AND Apache-2.0" in about
        notice = held.read(_only(held, "licenses/NOTICE")).decode()
        assert all(network["file"] in notice for network in listed)
        code = {name for name in held.namelist() if ".dist-info/" not in name} - {
            f"wikivisage_networks/{network['file']}" for network in listed
        }
        assert code == {"wikivisage_networks/__init__.py"}


def _only(held: zipfile.ZipFile, end: str) -> str:
    (name,) = (name for name in held.namelist() if name.endswith(end))
    return name


def test_checksums_of_the_package_equal_those_in_the_code():
    listed = tomllib.loads(text("packages/networks/networks.toml"))["network"]
    ours = {one.file: one.sha256 for one in weights.NETWORKS if one.package == "wikivisage_networks"}
    assert ours == {network["file"]: network["sha256"] for network in listed}


def test_licences_list_covers_production_and_all_licences_are_known():
    listed = dict(re.findall(r"^\| ([\w.-]+) \| (\d\S+) \| .+ \|$", text("docs/LICENCES.md"), re.MULTILINE))
    assert listed == pins("requirements.txt")
    assert "not said" not in text("docs/LICENCES.md")
    assert not re.search(r"\b[AL]?GPL", text("docs/LICENCES.md")), "not to be joined with MIT"


@pytest.mark.full
def test_wheels_can_be_rebuilt_byte_for_byte(tmp_path: Path):
    make = runpy.run_path(str(ROOT / "script/lock"))["make_wheels"]
    make(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in WHEELS.iterdir()
    }


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_pip_installs_from_the_root_of_the_repository(tmp_path: Path):
    """As in a buildpack: `pip install -r requirements.txt`, where only hashes are checked."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    command = [str(tmp_path / "venv/bin/pip"), "install", "--quiet", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    program = "import dlib, face_recognition_models, flask, onnxruntime, wikivisage_networks"
    subprocess.run([str(tmp_path / "venv/bin/python"), "-W", "ignore", "-c", program], cwd=tmp_path, check=True)
