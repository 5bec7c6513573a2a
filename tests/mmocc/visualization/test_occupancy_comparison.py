"""Prediction, truth and difference."""

import numpy as np
import pytest

from mmocc.structures import OccGrid
from mmocc.visualization.occupancy_comparison import (
    INVENTED,
    MISSED,
    NEITHER,
    OUTCOMES,
    RIGHT,
    WRONG_CLASS,
    compare_voxels,
    occupancy_comparison,
)

CAR, TRUCK, ROAD, FREE = 4, 10, 11, 17
GRID = OccGrid((-8.0, -8.0, -1.0, 8.0, 8.0, 2.2), (0.4, 0.4, 0.4))


def test_each_pair_has_its_outcome():
    truth = np.array([CAR, CAR, CAR, FREE, FREE, 255, CAR])
    pred = np.array([CAR, TRUCK, FREE, CAR, FREE, CAR, TRUCK])
    mask = np.array([1, 1, 1, 1, 1, 1, 0])
    assert compare_voxels(pred, truth, mask).tolist() == [
        RIGHT,
        WRONG_CLASS,
        MISSED,
        INVENTED,
        NEITHER,
        NEITHER,
        NEITHER,
    ]


def count(picture, key):
    return (picture == OUTCOMES[key][1]).all(axis=2).sum()


def road_and(*blocks):
    semantics = np.full(GRID.shape, FREE, dtype=np.uint8)
    semantics[:, :, 0] = ROAD
    for x, y, label in blocks:
        semantics[x : x + 8, y : y + 8, 1:3] = label
    return semantics


def test_equal_grids_differ_nowhere_but_in_the_legend():
    truth = road_and((10, 10, CAR))
    same = occupancy_comparison(truth, truth, None, 900, GRID, True)
    worse = road_and((20, 10, TRUCK))
    other = occupancy_comparison(worse, truth, None, 900, GRID, True)
    assert same.shape == other.shape
    swatch = 12 * 12
    for key in (MISSED, INVENTED):
        assert 0 < count(same, key) <= swatch
        assert count(other, key) > 3 * swatch
    assert count(same, RIGHT) > count(other, RIGHT)


@pytest.mark.parametrize('given', ['pred', 'truth', 'both'])
def test_width_is_kept_whatever_is_given(given):
    semantics = road_and()
    picture = occupancy_comparison(
        None if given == 'truth' else semantics,
        None if given == 'pred' else semantics,
        np.ones(GRID.shape, dtype=bool),
        700,
        GRID,
    )
    assert picture.shape[1] == 700
    assert picture.dtype == np.uint8


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match='neither predicted nor true'):
        occupancy_comparison(None, None)
