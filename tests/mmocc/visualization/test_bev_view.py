"""Occupancy from above: which voxel is which pixel."""

import numpy as np

from mmocc.structures import OCC3D_PALETTE, OccGrid
from mmocc.visualization import bev_view

CAR, ROAD, VEGETATION, FREE = 4, 11, 16, 17


def grid_with(*voxels):
    semantics = np.full((200, 200, 16), FREE, dtype=np.uint8)
    for x, y, z, label in voxels:
        index, inside = OccGrid().to_index(np.array([x, y, z]))
        assert inside
        semantics[tuple(index)] = label
    return semantics


def coloured(picture):
    """Rows and columns of the pixels that are not white."""
    return np.argwhere((picture != 255).any(axis=2))


def test_left_of_the_ego_is_left_and_ahead_is_up():
    # 10.2 m ahead, 5.0 m to the left.
    picture = bev_view(grid_with((10.2, 5.0, 0.0, CAR)), scale=1)
    assert picture.shape == (200, 200, 3)
    (row, column), *others = coloured(picture)
    assert not others
    # Row of x = 39.8 is 0: (40 - 10.2) / 0.4 = 74.5 rows below the top.
    assert (row, column) == (74, 87)
    assert tuple(picture[row, column]) == OCC3D_PALETTE[CAR]


def test_each_class_has_its_palette_colour():
    voxels = [(2.0 * label, -3.0, 0.0, label) for label in range(17)]
    picture = bev_view(grid_with(*voxels), scale=1)
    for label, (row, column) in enumerate(coloured(picture)[::-1]):
        assert tuple(picture[row, column]) == OCC3D_PALETTE[label]


def test_highest_voxel_wins():
    picture = bev_view(
        grid_with((0, 0, -0.9, ROAD), (0, 0, 3.0, VEGETATION)), scale=1
    )
    row, column = coloured(picture)[0]
    assert tuple(picture[row, column]) == OCC3D_PALETTE[VEGETATION]


def test_masked_free_and_unlabelled_voxels_are_not_drawn():
    semantics = grid_with((0, 0, 0, CAR), (5, 0, 0, 255), (8, 0, 0, FREE))
    assert len(coloured(bev_view(semantics, scale=1))) == 1
    nothing = np.zeros(semantics.shape, dtype=bool)
    assert len(coloured(bev_view(semantics, nothing))) == 0


def test_scale_repeats_pixels():
    semantics = grid_with((0, 0, 0, CAR))
    small, large = bev_view(semantics, scale=1), bev_view(semantics, scale=3)
    assert (large[1::3, 1::3] == small).all()


def test_a_tall_neighbour_on_the_sunny_side_darkens():
    road = [(x, y, -0.9, ROAD) for x in (0.2, 0.6) for y in (0.2, 0.6)]
    open_road = bev_view(grid_with(*road), scale=1)
    # The tower stands behind and to the left.
    towered = bev_view(grid_with(*road, (0.2, 0.6, 1.0, CAR)), scale=1)
    changed = np.argwhere((open_road != towered).any(axis=2))
    # The road ahead and to the right of the tower, and the tower itself.
    assert changed.tolist() == [[98, 99], [99, 98]]
