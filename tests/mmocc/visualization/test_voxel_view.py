"""The 3D view: where voxels land, what hides what, which colour."""

import numpy as np
import pytest

from mmocc.structures import OCC3D_PALETTE, OccGrid
from mmocc.visualization import voxel_view
from mmocc.visualization.projection import project
from mmocc.visualization.voxel_view import (
    EGO_AHEAD,
    EGO_SIZE,
    SHADOW,
    chase_camera,
    draw_voxels,
    ground_height,
)

CAR, ROAD, MANMADE, FREE = 4, 11, 15, 17
WIDTH, HEIGHT = 800, 420
GRID = OccGrid()
CAMERA = chase_camera(GRID, WIDTH, HEIGHT)


def semantics_with(*blocks):
    """A free grid with blocks (x, y, z ranges in metres, class)."""
    semantics = np.full(GRID.shape, FREE, dtype=np.uint8)
    for x, y, z, label in blocks:
        low, _ = GRID.to_index(np.array([x[0], y[0], z[0]]))
        high, _ = GRID.to_index(np.array([x[1], y[1], z[1]]))
        semantics[tuple(map(slice, low, high + 1))] = label
    return semantics


def pixel_of(picture, x, y, z):
    column, row = np.rint(project(np.array([x, y, z]), *CAMERA)[0]).astype(int)
    return tuple(int(value) for value in picture[row, column])


def view(semantics, mask=None):
    return voxel_view(semantics, mask, WIDTH, HEIGHT)


def test_whole_grid_is_in_the_picture():
    x, y, z = np.meshgrid(
        *np.stack([GRID.minimum, GRID.maximum]).T, indexing='ij'
    )
    pixels, _ = project(np.stack([x, y, z], axis=-1), *CAMERA)
    assert (pixels >= -1e-6).all()
    assert (pixels <= np.array([WIDTH, HEIGHT]) + 1e-6).all()


def test_left_is_left_and_far_is_up():
    points = np.array([[0, 20, 0], [0, -20, 0], [30, 0, 0], [-30, 0, 0]])
    left, right, far, near = project(points, *CAMERA)[0]
    assert left[0] < WIDTH / 2 < right[0]
    assert left[0] + right[0] == pytest.approx(WIDTH)
    assert far[1] < near[1]
    high, low = project(np.array([[0, 0, 5], [0, 0, 0]]), *CAMERA)[0]
    assert high[1] < low[1]


@pytest.mark.parametrize('label', [CAR, ROAD, MANMADE])
def test_sunlit_top_has_the_palette_colour(label):
    block = ((9.0, 14.0), (9.0, 14.0), (-0.9, -0.7), label)
    picture = view(semantics_with(block))
    # The middle of a voxel's top: frames are darker.
    colour = pixel_of(picture, 11.8, 11.8, -0.6)
    assert np.abs(np.subtract(colour, OCC3D_PALETTE[label])).max() <= 12


def test_sides_are_darker_than_the_top():
    block = ((9.0, 14.0), (9.0, 14.0), (-0.9, 4.0), MANMADE)
    picture = view(semantics_with(block))
    top = np.array(pixel_of(picture, 11.8, 11.8, 4.2), dtype=float)
    # The rear wall, and the wall that faces the middle.
    rear = np.array(pixel_of(picture, 8.8, 11.8, 1.6))
    inner = np.array(pixel_of(picture, 11.8, 8.8, 1.6))
    assert (inner < rear).all()
    assert (rear < top).all()


def test_near_voxels_hide_far_ones():
    road = ((0.0, 39.0), (-39.0, 39.0), (-0.9, -0.9), ROAD)
    wall = ((-4.0, -4.0), (-39.0, 39.0), (-0.9, 5.0), MANMADE)
    point = (0.2, 20.0, -0.6)
    assert pixel_of(view(semantics_with(road)), *point)[0] < 60
    hidden = pixel_of(view(semantics_with(road, wall)), *point)
    assert hidden[0] > 100


def test_wall_ahead_hides_nothing_nearer():
    road = ((0.0, 39.0), (-39.0, 39.0), (-0.9, -0.9), ROAD)
    wall = ((30.0, 30.0), (-39.0, 39.0), (-0.9, 5.0), MANMADE)
    point = (20.2, 20.2, -0.6)
    alone = pixel_of(view(semantics_with(road)), *point)
    assert pixel_of(view(semantics_with(road, wall)), *point) == alone


def test_tower_throws_a_shadow_away_from_the_sun():
    road = ((0.0, 39.0), (-39.0, 39.0), (-0.9, -0.9), ROAD)
    tower = ((10.0, 12.0), (16.0, 18.0), (-0.6, 5.0), MANMADE)
    open_road = view(semantics_with(road))
    shaded = view(semantics_with(road, tower))
    # The sun is behind and to the left: the shadow falls ahead, to the right.
    point = (13.0, 13.0, -0.6)
    before, after = pixel_of(open_road, *point), pixel_of(shaded, *point)
    assert after[1] / before[1] == pytest.approx(SHADOW, abs=0.05)
    elsewhere = (10.2, 25.0, -0.6)
    assert pixel_of(open_road, *elsewhere) == pixel_of(shaded, *elsewhere)


def test_masked_free_and_unlabelled_voxels_are_not_drawn():
    nothing = view(semantics_with())
    block = ((9.0, 14.0), (9.0, 14.0), (-0.9, 1.0))
    assert (view(semantics_with((*block, 255))) == nothing).all()
    semantics = semantics_with((*block, CAR))
    assert (view(semantics) != nothing).any()
    masked = view(semantics, np.zeros(GRID.shape, dtype=np.uint8))
    assert (masked == nothing).all()


def test_ego_vehicle_stands_at_the_origin():
    picture = view(semantics_with())
    roof = pixel_of(picture, EGO_AHEAD, 0.0, EGO_SIZE[2])
    assert min(roof) > 225
    rear = pixel_of(
        picture, EGO_AHEAD - EGO_SIZE[0] / 2, 0.0, 0.3 * EGO_SIZE[2]
    )
    assert max(rear) < 225


def test_ego_vehicle_is_hidden_by_what_stands_behind_it():
    wall = ((-3.0, -2.0), (-3.0, 3.0), (-0.9, 5.0), CAR)
    roof = pixel_of(
        view(semantics_with(wall)), EGO_AHEAD, 0.0, 0.4 * EGO_SIZE[2]
    )
    assert roof[2] < 60


def test_ego_vehicle_hides_the_road_that_it_stands_on():
    road = ((-39.0, 39.0), (-39.0, 39.0), (-0.9, -0.9), ROAD)
    picture = view(semantics_with(road))
    roof = pixel_of(picture, EGO_AHEAD, 0.0, -0.6 + EGO_SIZE[2])
    assert min(roof) > 225
    assert pixel_of(picture, -8.2, 0.2, -0.6)[0] < 60


def test_ground_height_follows_the_label():
    low = semantics_with(((-5.0, 5.0), (-5.0, 5.0), (-0.9, -0.9), ROAD))
    assert ground_height(low, GRID) == pytest.approx(-0.6)
    high = semantics_with(((-5.0, 5.0), (-5.0, 5.0), (0.1, 0.1), ROAD))
    assert ground_height(high, GRID) == pytest.approx(0.2)
    far = semantics_with(((20.0, 30.0), (-5.0, 5.0), (0.1, 0.1), ROAD))
    assert ground_height(far, GRID) == 0.0


def test_other_grids_are_framed_too():
    grid = OccGrid((-8.0, -8.0, -1.0, 8.0, 8.0, 2.2), (0.8, 0.8, 0.8))
    occupied = np.zeros(grid.shape, dtype=bool)
    occupied[2:5, 15:19, 1] = True
    colours = np.full((occupied.sum(), 3), (200, 30, 30))
    picture = draw_voxels(occupied, colours, 300, 200, grid)
    camera = chase_camera(grid, 300, 200)
    column, row = project(np.array([-5.2, 5.6, 0.6]), *camera)[0]
    assert picture[round(row), round(column)].tolist()[1] < 60


def test_voxels_of_another_grid_are_refused():
    with pytest.raises(ValueError, match=r'shape \(4, 4, 2\), the grid'):
        voxel_view(np.full((4, 4, 2), CAR), grid=GRID)
