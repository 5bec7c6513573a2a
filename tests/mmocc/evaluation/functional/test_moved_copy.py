import numpy as np
import pytest

from mmocc.evaluation.functional.moved_copy import moved_copy
from mmocc.structures import FREE, OccGrid

GRID = OccGrid()
CAR = 4


def one_voxel(x, y, z=0.0):
    present = np.full(GRID.shape, FREE, dtype=np.uint8)
    index, inside = GRID.to_index(np.array([x, y, z]))
    assert inside
    present[tuple(index)] = CAR
    return present


def where(copy):
    index = np.argwhere(copy == CAR)
    return [tuple(np.round(GRID.to_metres(i), 3)) for i in index]


def test_standing_still_changes_nothing():
    rng = np.random.default_rng(0)
    present = rng.integers(0, 18, GRID.shape, dtype=np.uint8)
    np.testing.assert_array_equal(
        moved_copy(present, np.zeros((2, 3)), GRID), [present, present]
    )


def test_what_stands_ahead_comes_nearer():
    # 10.2 m ahead and 2.2 m to the left; the car drives 4 m, then 8 m.
    copies = moved_copy(
        one_voxel(10.2, 2.2), np.array([[4.0, 0, 0], [8.0, 0, 0]]), GRID
    )
    assert where(copies[0]) == [(6.2, 2.2, 0.0)]
    assert where(copies[1]) == [(2.2, 2.2, 0.0)]


def test_after_a_turn_to_the_left_what_was_ahead_is_on_the_right():
    copies = moved_copy(
        one_voxel(10.2, 0.2), np.array([[0.0, 0, np.pi / 2]]), GRID
    )
    # x ahead is now y to the left: (10.2, 0.2) becomes (0.2, -10.2).
    assert where(copies[0]) == [(0.2, -10.2, 0.0)]


def test_what_enters_the_range_is_free():
    everything = np.full(GRID.shape, CAR, dtype=np.uint8)
    copy = moved_copy(everything, np.array([[8.0, 0, 0]]), GRID)[0]
    assert (copy[:180] == CAR).all() and (copy[180:] == FREE).all()


@pytest.mark.parametrize(
    ('shape', 'poses', 'message'),
    [
        ((2, 2, 2), np.zeros((1, 3)), 'expected .200, 200, 16.'),
        (GRID.shape, np.zeros((1, 2)), r'expected .* \(T, 3\)'),
        (GRID.shape, np.full((1, 3), np.nan), 'NaN'),
    ],
)
def test_wrong_input_is_refused(shape, poses, message):
    with pytest.raises(ValueError, match=message):
        moved_copy(np.zeros(shape, dtype=np.uint8), poses, GRID)
