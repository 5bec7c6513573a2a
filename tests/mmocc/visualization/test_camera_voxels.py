"""The first voxel on each ray, by hand."""

import numpy as np
import pytest

from mmocc.structures import FREE, OCC3D_CLASSES, OCC3D_PALETTE, OccGrid
from mmocc.visualization.camera_voxels import (
    draw_camera_voxels,
    first_voxels,
)

# 1.5 m above the ego origin, looking forward.
CAM2EGO = np.array(
    [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]]
)
CAM2IMG = np.array([[100.0, 0, 160], [0, 100, 90], [0, 0, 1]])
SIZE = (180, 320)
GRID = OccGrid()
CAR = OCC3D_CLASSES.index('car')


def voxel_at(*metres):
    occupied = np.zeros(GRID.shape, dtype=bool)
    index, _ = GRID.to_index(np.array(metres))
    occupied[tuple(index)] = True
    return occupied, index


def test_one_voxel_covers_the_pixels_of_its_near_face():
    occupied, index = voxel_at(10.1, 0.1, 1.5)
    found = first_voxels(occupied, SIZE, CAM2IMG, CAM2EGO)
    # Its rear face is at 10.0 m, from y = 0 to 0.4 and z = 1.4 to 1.8 m:
    # columns 156 to 160, rows 87 to 91.
    rows, columns = np.nonzero(found.index >= 0)
    assert (columns.min(), columns.max()) == (156, 159)
    assert (rows.min(), rows.max()) == (87, 90)
    hit = found.index >= 0
    assert set(found.index[hit]) == {np.ravel_multi_index(index, GRID.shape)}
    assert set(found.axis[hit]) == {0}
    assert found.depth[hit] == pytest.approx(10, abs=0.01)
    assert np.isinf(found.depth[~hit]).all()


def test_what_is_nearer_hides_what_is_behind():
    far, _ = voxel_at(20.1, 0.1, 1.5)
    near, index = voxel_at(10.1, 0.1, 1.5)
    found = first_voxels(far | near, SIZE, CAM2IMG, CAM2EGO)
    assert set(found.index[found.index >= 0]) == {
        np.ravel_multi_index(index, GRID.shape)
    }


def test_depths_on_the_ground_are_those_of_a_plane():
    occupied = np.zeros(GRID.shape, dtype=bool)
    occupied[:, :, 1] = True  # its upper edge is at -0.2 m
    found = first_voxels(occupied, SIZE, CAM2IMG, CAM2EGO)
    rows = np.arange(SIZE[0])[:, None] + 0.5 - 90
    columns = np.arange(SIZE[1]) + 0.5 - 160
    ray = np.sqrt(1 + (rows / 100) ** 2 + (columns / 100) ** 2)
    plane = 1.7 / np.maximum(rows / 100, 1e-9) * ray
    hit = found.index >= 0
    assert found.depth[hit] == pytest.approx(plane[hit])
    # The grid ends 40 m ahead: 1.7 / 40 * 100 = 4.25 rows below the middle.
    assert not hit[:94].any()
    assert hit[95, 160]
    assert set(found.axis[hit]) == {2}


def test_camera_outside_of_the_grid_looks_in():
    occupied, _ = voxel_at(0.1, 0.1, 1.5)
    pose = CAM2EGO.copy()
    pose[0, 3] = -50.0
    found = first_voxels(occupied, SIZE, CAM2IMG, pose)
    hit = found.index >= 0
    assert hit.sum() > 0
    assert found.depth[hit] == pytest.approx(50, abs=0.1)
    pose[0, 3] = 50.0
    assert (first_voxels(occupied, SIZE, CAM2IMG, pose).index < 0).all()


def test_colours_are_the_classes_and_the_rest_stays():
    semantics = np.full(GRID.shape, FREE, dtype=np.uint8)
    semantics[~voxel_at(20.1, 0.1, 1.5)[0] & voxel_at(10.1, 0.1, 1.5)[0]] = CAR
    semantics[0, 0, 0] = 255
    image = np.full((*SIZE, 3), 100, dtype=np.uint8)
    draw_camera_voxels(image, semantics, CAM2IMG, CAM2EGO)
    assert (image[:80] == 100).all()
    red, green, blue = image[89, 158].astype(int)
    assert red > green > blue  # orange
    assert OCC3D_PALETTE[CAR] == (255, 158, 0)


def test_other_grids_are_refused():
    with pytest.raises(ValueError, match=r'shape \(2, 2, 2\), the grid'):
        first_voxels(np.zeros((2, 2, 2), bool), SIZE, CAM2IMG, CAM2EGO)
