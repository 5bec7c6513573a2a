"""Cells of lines and polygons are those of OpenCV, cell by cell."""

import cv2
import numpy as np
import pytest

from mmocc.evaluation.functional.drawing import draw_polyline, fill_polygon


def pictures(margin, number=3000):
    """Pictures with points up to ``margin`` cells outside of them."""
    rng = np.random.default_rng(margin)
    for _ in range(number):
        size = rng.integers(1, 40, 2)
        count = rng.integers(1, 7)
        points = rng.integers(-margin, size[::-1] + margin, (count, 2))
        yield np.zeros(size, dtype=np.uint8), points.astype(np.int32)


@pytest.mark.parametrize('margin', [0, 3, 20, 1000])
def test_polygons_have_the_cells_of_opencv(margin):
    for picture, points in pictures(margin):
        expected = cv2.fillPoly(picture.copy(), [points], 1)
        fill_polygon(picture, points, 1)
        assert (picture == expected).all(), (picture.shape, points.tolist())


@pytest.mark.parametrize('margin', [0, 3, 20, 1000])
def test_lines_have_the_cells_of_opencv(margin):
    for picture, points in pictures(margin):
        expected = cv2.polylines(picture.copy(), [points], False, 1)
        draw_polyline(picture, points, 1)
        assert (picture == expected).all(), (picture.shape, points.tolist())


def test_holes_are_cut_with_zero():
    picture = np.ones((5, 5), dtype=np.uint8)
    fill_polygon(picture, np.array([[1, 1], [3, 1], [3, 3], [1, 3]]), 0)
    assert picture.sum() == 25 - 9
