"""The faces of labelled photographs, kept by the photographs' content so that each is searched once for all benches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vision.detection.errors import SearchError
from vision.detection.faces import SearchResult
from vision.detection.pool import FacePool
from vision.detection.settings import SearchSettings, user_cache
from vision.recognition.labelled_faces import Flags, Floats, Indices

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".jfif", ".tif", ".tiff", ".heic", ".avif"}
CHILDREN = 2
SAVE_EVERY = 500
# What is kept of each face: the encoding (128), the box (4, fractions), size, sharpness, score, and whether it is poor.
WIDTH = 128 + 4 + 4


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photograph of `name`'s folder, and the rows of its faces in `Faces`."""

    path: Path
    set: str
    name: str
    rows: Indices


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """All faces of all photos: encodings n x 128, boxes n x 4 (left, top, width, height; fractions), size px, poor."""

    photos: tuple[Photo, ...]
    encodings: Floats
    boxes: Floats
    sizes: Floats
    poor: Flags


def folders(directory: Path) -> Iterator[tuple[str, Path]]:
    """(name, picture) of DIR/NAME/*.jpg."""
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in PICTURES:
                yield folder.name, path


def load(directories: Iterable[Path], settings: SearchSettings | None = None, cache: Path | None = None) -> Faces:
    """The faces of every picture of DIR/NAME/, searched now where the cache does not have them.

    Pictures that cannot be searched are kept without faces. Raises NotADirectoryError.
    """
    settings = settings or SearchSettings()
    listed = [(d.name, name, path) for d in directories for name, path in folders(d)]
    found = search([path for _, _, path in listed], settings, cache or user_cache() / "bench")
    photos, rows, start = [], [], 0
    for kind, name, path in listed:
        faces = found[path]
        photos.append(Photo(path, kind, name, np.arange(start, start + len(faces))))
        rows.append(faces)
        start += len(faces)
    table = np.concatenate(rows) if rows else np.zeros((0, WIDTH), np.float32)
    return Faces(tuple(photos), table[:, :128].copy(), table[:, 128:132], table[:, 132], table[:, 135] > 0)


def search(paths: list[Path], settings: SearchSettings, cache: Path) -> dict[Path, Floats]:
    """For each picture a table of its faces, one row of WIDTH numbers each."""
    keys = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    pool = FacePool(CHILDREN, settings)
    try:
        kept = _Kept(cache, settings)
        waiting = sorted({keys[path]: path for path in paths if keys[path] not in kept.tables}.items())
        with ThreadPoolExecutor(CHILDREN) as threads:
            for start in range(0, len(waiting), SAVE_EVERY):
                part = waiting[start : start + SAVE_EVERY]
                tables = threads.map(lambda item: _table(pool, item[1]), part)
                kept.add({key: table for (key, _), table in zip(part, tables, strict=True)})
    finally:
        pool.stop()
    return {path: kept.tables[key] for path, key in keys.items()}


class _Kept:
    """One file per detector and encoder: every picture's table, by the SHA-256 of the picture."""

    def __init__(self, cache: Path, settings: SearchSettings) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._path = cache / f"{settings.detector_version}_{settings.encoder_version}.npz"
        self.tables: dict[str, Floats] = {}
        if self._path.exists():
            with np.load(self._path) as file:
                parts: list[Any] = np.split(file["faces"], np.cumsum(file["counts"])[:-1])
                self.tables = dict(zip(file["keys"].tolist(), parts, strict=True))

    def add(self, tables: dict[str, Floats]) -> None:
        self.tables |= tables
        temporary = self._path.with_suffix(".new.npz")
        counts = [len(table) for table in self.tables.values()]
        np.savez(temporary, keys=list(self.tables), counts=counts, faces=np.concatenate(list(self.tables.values())))
        temporary.replace(self._path)


def _table(pool: FacePool, path: Path) -> Floats:
    try:
        result = pool.search(path.read_bytes())
    except SearchError:
        return np.zeros((0, WIDTH), np.float32)
    return _rows(result)


def _rows(result: SearchResult) -> Floats:
    rows = [
        np.concatenate(
            (
                face.encoding,
                (face.box.left, face.box.top, face.box.width, face.box.height),
                (face.size_px, face.sharpness, face.score, face.poor),
            )
        )
        for face in result.faces
    ]
    return np.array(rows, np.float32).reshape(-1, WIDTH)
