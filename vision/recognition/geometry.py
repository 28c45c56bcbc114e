"""Vectorised distances between encodings."""

from __future__ import annotations

import numpy as np

from vision.recognition.labelled_faces import Floats, Indices


def distances(a: Floats, b: Floats) -> Floats:
    """Return Euclidean distances, shape (len(a), len(b))."""
    table = a @ b.T
    table *= -2  # In place: the tables are large, and copying them takes longer than the arithmetic.
    table += (a * a).sum(axis=1)[:, None]
    table += (b * b).sum(axis=1)[None, :]
    np.maximum(table, 0, out=table)
    return np.asarray(np.sqrt(table, out=table), np.float32)


def distances_to(a: Floats, point: Floats) -> Floats:
    """Return Euclidean distances of the rows of `a` to one point. Exact for equal vectors, unlike `distances`."""
    return np.asarray(np.linalg.norm(a - point, axis=1), np.float32)


def apart_from_self(table: Floats, rows: Indices, columns: Indices) -> Floats:
    """Set `table` to infinity in place wherever row and column are the same face, and return it."""
    if len(columns) == 0:
        return table
    order = np.argsort(columns)
    place = np.searchsorted(columns[order], rows)
    place[place == len(columns)] = 0
    same = np.flatnonzero(columns[order[place]] == rows)
    table[same, order[place[same]]] = np.inf
    return table


def mean_of_nearest(table: Floats, k: int, missing: float) -> Floats:
    """Return for each row the mean of its k smallest finite entries; `missing` where there are none."""
    if table.shape[1] == 0:
        return np.full(len(table), missing, np.float32)
    k = min(k, table.shape[1])
    nearest = np.partition(table, k - 1, axis=1)[:, :k]
    finite = np.isfinite(nearest)
    total = np.where(finite, nearest, 0).sum(axis=1)
    count = finite.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), missing).astype(np.float32)
