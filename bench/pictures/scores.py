"""Scores of the parts of bench/detection.py: recall, precision, persons found, and encoding times."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.pictures.photographs import OURS_WIDTH, Photograph
from boxes import Box
from vision.detection.faces import Array, Image
from vision.detection.pool import TOGETHER

HIT_OVERLAP = 0.4  # intersection over union with a box drawn by hand
PERSON_DISTANCE = 0.5  # from the person's centroid
OUTLIER_DISTANCE = 0.6
TIMED_FACES = 60
BATCH = 16
AGREEMENT = 1e-5


class Answer(NamedTuple):
    """The faces that a part found in a photograph; `encodings` is None for parts that do not encode."""

    name: str
    boxes: list[Box]
    encodings: Array | None


def of(photographs: list[Photograph], answers: Mapping[str, Answer]) -> dict[str, Any]:
    """Return the scores of a part's answers.

    They are the number of faces, recall and precision against the hand-drawn boxes, the number of faces in photographs
    without any, and the number of photographs in which the person was found.
    """
    drawn = [(photograph.boxes, answers[photograph.name].boxes) for photograph in photographs if photograph.boxes]
    hits = sum(_hits(boxes, found) for boxes, found in drawn)
    truth, found = sum(len(boxes) for boxes, _ in drawn), sum(len(found) for _, found in drawn)
    return {
        "faces": sum(len(answer.boxes) for answer in answers.values()),
        "hand_drawn": truth,
        "recall": hits / truth if truth else None,
        "precision": hits / found if truth and found else None,
        "faces_in_noface": sum(len(answers[each.name].boxes) for each in photographs if each.empty),
        **_persons(photographs, answers),
    }


def _hits(truth: tuple[Box, ...], found: list[Box]) -> int:
    """Return the number of matched boxes: each box matches at most one face and vice versa, largest overlap first."""
    pairs = sorted(
        ((one.overlap(other), i, j) for i, one in enumerate(truth) for j, other in enumerate(found)), reverse=True
    )
    used_truth, used_found = set[int](), set[int]()
    for overlap, i, j in pairs:
        if overlap >= HIT_OVERLAP and i not in used_truth and j not in used_found:
            used_truth.add(i)
            used_found.add(j)
    return len(used_truth)


def _persons(photographs: list[Photograph], answers: Mapping[str, Answer]) -> dict[str, int | None]:
    """Count the labelled photographs with a face within PERSON_DISTANCE of the centroid of the person shown.

    The centroid is computed from the part's own encodings of the person's photographs with one face, without outliers.
    `strangers` counts the photographs with a face near the centroid of another person.
    """
    by_person = defaultdict[str, list[Array]](list)
    for photograph in photographs:
        encodings = answers[photograph.name].encodings
        if photograph.person is not None and encodings is not None:
            by_person[photograph.person].append(encodings)
    centroids = {person: centroid for person, faces in by_person.items() if (centroid := _centroid(faces)) is not None}
    if not centroids:
        return {"labelled": None, "person_found": None, "strangers": None}
    found = {
        (person, other): sum(_near(faces, centroids[other]) for faces in photos)
        for person, photos in by_person.items()
        for other in centroids
    }
    return {
        "labelled": sum(map(len, by_person.values())),
        "person_found": sum(found[person, person] for person in centroids),
        "strangers": sum(count for (person, other), count in found.items() if person != other),
    }


def _near(faces: Array, centroid: Array) -> bool:
    return bool(len(faces)) and bool(np.linalg.norm(faces - centroid, axis=1).min() < PERSON_DISTANCE)


def _centroid(photos: list[Array]) -> Array | None:
    single = [faces[0] for faces in photos if len(faces) == 1] or [faces[0] for faces in photos if len(faces)]
    if not single:
        return None
    encodings = np.array(single)
    centre: Array = np.median(encodings, axis=0)
    for _ in range(5):
        near = np.linalg.norm(encodings - centre, axis=1) < OUTLIER_DISTANCE
        centre = encodings[near].mean(axis=0) if near.any() else centre
    return centre


def encode_ms(photographs: list[Photograph], folder: Path, cache: Path) -> dict[str, dict[str, float]]:
    """Measure the CPU time per face in ms of dlib's network as dlib and as we run it, and of SFace, alternately on the same faces.

    The input is an aligned face of 150 px (SFace: 112 px), the output 128 numbers; cropping and alignment are not included.
    Raises RuntimeError if the encodings of both ways to run dlib's network differ by more than AGREEMENT.

    * `encode_ms_per_face`: each network as it is used in practice, but without the mirror image, which the usual recipe
      does not have: dlib's face by face, ours with the faces of TOGETHER successive photographs at once (including
      photographs without a face), as in a worker with that many photographs waiting.
    * `encode_ms_alone`: ours face by face, without the mirror image.
    * `encode_ms_together`: ours with BATCH faces at once, as in crowds, without the mirror image.
    * `encode_ms_mirrored`: ours with the mirror image, TOGETHER photographs at once, as the worker encodes.
    """
    from vision import weights
    from vision.detection.encode import SFACE_BATCH, DlibNetwork, OnnxNetwork

    graph, sface_graph = weights.resnet(cache), weights.sface(cache)
    assert graph is not None
    assert sface_graph is not None
    ours, sface = OnnxNetwork(graph), OnnxNetwork(sface_graph, SFACE_BATCH)
    ways: dict[str, Callable[[Image], Array]] = {
        "theirs": DlibNetwork(),
        "encode_ms_per_face": ours,
        "encode_ms_alone": lambda chips: np.concatenate([ours(chips[i : i + 1]) for i in range(len(chips))]),
        "encode_ms_mirrored": lambda chips: ours(np.concatenate([chips, chips[:, :, ::-1]]))[: len(chips)],
        "sface": lambda chips: sface(chips[:, 19:131, 19:131]),  # the time does not depend on what a chip shows
    }
    batches = _batches(_chips(photographs, folder))
    ms = {name: seconds * 1000 / sum(map(len, batches)) for name, seconds in _spent(ways, batches).items()}
    crowd = np.concatenate(batches)
    crowd = crowd[: len(crowd) // BATCH * BATCH]
    ms["encode_ms_together"] = 1000 * _spent({"": ours}, [crowd])[""] / len(crowd)
    theirs, default = ms.pop("theirs"), ms.pop("sface")
    return {
        "baseline": {"encode_ms_per_face": theirs},
        "ours": ms,
        "second_look": ms,
        "default": {"encode_ms_per_face": default},
    }


def _spent(ways: Mapping[str, Callable[[Image], Array]], batches: list[Image]) -> dict[str, float]:
    """Return the CPU time of each encoder in seconds, measured alternately batch by batch."""
    spent = dict.fromkeys(ways, 0.0)
    for chips in batches:
        outputs = {}
        for name, way in ways.items():
            begun = time.process_time()
            outputs[name] = way(chips)
            spent[name] += time.process_time() - begun
        if "theirs" in outputs and np.abs(outputs["theirs"] - outputs["encode_ms_per_face"]).max() > AGREEMENT:
            raise RuntimeError("the two networks disagree about a face")
    return spent


def _batches(pictures: list[list[Image]]) -> list[Image]:
    """Return the faces of every TOGETHER successive pictures as one array; groups without a face are left out."""
    groups = (pictures[i : i + TOGETHER] for i in range(0, len(pictures), TOGETHER))
    return [np.stack(faces) for group in groups if (faces := [face for picture in group for face in picture])]


def _chips(photographs: list[Photograph], folder: Path) -> list[list[Image]]:
    """Return the aligned faces of the first photographs, until there are at least TIMED_FACES."""
    from vision.detection.align import Aligner
    from vision.detection.decode import decode
    from vision.detection.hog import HogDetector

    detector, aligner, pictures = HogDetector(), Aligner(), list[list[Image]]()
    for photograph in photographs:
        picture = decode((folder / str(OURS_WIDTH) / f"{photograph.name}.jpg").read_bytes())
        pictures.append([aligner.align(picture, found).chip for found in detector.detect(picture)])
        if sum(map(len, pictures)) >= TIMED_FACES:
            break
    if not any(pictures):
        raise RuntimeError("no photograph shows a face")
    return pictures
