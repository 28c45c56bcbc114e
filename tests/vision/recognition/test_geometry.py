"""Distances between encodings."""

import numpy as np

from vision.recognition.geometry import apart_from_self, distances, distances_to, mean_of_nearest


def test_distances_agree_with_numpy():
    a, b = (np.random.default_rng(i).normal(size=(5, 128)).astype(np.float32) for i in range(2))
    expected = np.linalg.norm(a[:, None] - b[None], axis=2)
    np.testing.assert_allclose(distances(a, b), expected, rtol=1e-4)
    np.testing.assert_allclose(distances_to(a, b[0]), expected[:, 0], rtol=1e-6)


def test_distance_of_a_face_to_itself_is_infinite():
    table = apart_from_self(np.zeros((3, 2), np.float32), np.array([7, 4, 9]), np.array([9, 7]))
    assert np.isinf(table).tolist() == [[False, True], [False, False], [True, False]]
    assert apart_from_self(np.zeros((3, 0), np.float32), np.array([1, 2, 3]), np.zeros(0, np.int64)).shape == (3, 0)


def test_mean_of_the_nearest_ignores_infinite_distances():
    table = np.array([[3, 1, 2, 9], [np.inf, 5, np.inf, np.inf], [np.inf] * 4], np.float32)
    assert mean_of_nearest(table, 3, -1).tolist() == [2, 5, -1]
    assert mean_of_nearest(table, 9, -1)[0] == 3.75
    assert mean_of_nearest(np.zeros((2, 0), np.float32), 3, -1).tolist() == [-1, -1]
