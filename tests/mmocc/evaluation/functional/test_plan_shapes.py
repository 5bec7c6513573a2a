"""Footprints, rasters and polygons, against grids drawn in full."""

import cv2
import numpy as np
import pytest
from shapely.geometry import Polygon

from mmocc.evaluation.functional import plan_shapes
from mmocc.evaluation.functional.plan_shapes import (
    BEV_PLANNER_GRID,
    OMNIDRIVE_GRID,
    STP3_GRID,
    UNIAD_GRID,
    VAD_GRID,
    MapLines,
    box_corners,
    crosses_lines,
    draw_area,
    draw_lines,
    hits_by_cells,
    hits_by_polygons,
    hits_by_warped_cells,
    leaves_area,
    path_headings,
    turned_cells,
    upright_cells,
)

PARKED = np.zeros((6, 2))
CAR = np.array([4.0, 2.0])


def extent(cells):
    """((first column, last), (first row, last)) of a footprint."""
    low, high = cells.min(axis=0), cells.max(axis=0)
    return (low[0], high[0]), (low[1], high[1])


@pytest.mark.parametrize(
    ('grid', 'columns', 'rows'),
    [
        (UNIAD_GRID, (98, 101), (97, 104)),
        (STP3_GRID, (98, 101), (97, 104)),
        # Rows are counted backwards from 200.
        (VAD_GRID, (98, 101), (96, 103)),
    ],
)
def test_a_parked_vehicle_covers_8_by_4_coarse_cells(grid, columns, rows):
    cells = upright_cells(PARKED, grid)[0]
    assert cells.shape == (32, 2)
    assert extent(cells) == (columns, rows)


def test_a_parked_vehicle_covers_41_by_18_fine_cells():
    for grid in (OMNIDRIVE_GRID, BEV_PLANNER_GRID):
        cells = turned_cells(PARKED, grid)[0]
        assert cells.shape == (41 * 18, 2)
        assert extent(cells) == ((494, 534), (491, 508))


def test_coarse_cells_are_cut_toward_zero():
    # 0.49 m ahead is no cell further; 0.5 m is one. 0.1 m to the left moves
    # the columns of UniAD (right is up) by -0.2: cut, 98 becomes 97.
    for ahead, rows in ((0.49, (97, 104)), (0.5, (98, 105))):
        path = np.array([[ahead, 0.0]])
        assert extent(upright_cells(path, UNIAD_GRID)[0])[1] == rows
    left = np.array([[0.0, 0.1]])
    assert extent(upright_cells(left, UNIAD_GRID)[0])[0] == (97, 100)
    # The mirrored grid does not move: mirroring is not neutral.
    assert extent(upright_cells(left, STP3_GRID)[0])[0] == (98, 101)
    back = np.array([[0.1, 0.0]])
    assert extent(upright_cells(back, VAD_GRID)[0])[1] == (95, 102)


def test_cells_off_the_grid_are_moved_to_its_edge():
    far = np.array([[1000.0, 0.0], [0.0, -1000.0]])
    cells = upright_cells(far, UNIAD_GRID)
    assert (cells[0, :, 1] == 199).all()
    assert (cells[1, :, 0] == 199).all()
    assert (turned_cells(far, OMNIDRIVE_GRID)[0, :, 0] == 999).all()


def test_fine_cells_turn_with_the_step():
    # One step of 2 m to the left: the vehicle stands across.
    path = np.array([[0.0, 2.0]])
    columns, rows = extent(turned_cells(path, OMNIDRIVE_GRID)[0])
    assert columns == (491, 508)
    # 2 / 0.1 in single precision is a little less than 20 cells: cut to 19.
    assert rows == (494 + 19, 534 + 19)


def test_a_step_under_a_metre_does_not_turn_the_vehicle():
    still = turned_cells(np.array([[0.0, 0.99]]), OMNIDRIVE_GRID)[0]
    assert extent(still)[0] == (494, 534)
    turned = turned_cells(np.array([[0.0, 1.0]]), OMNIDRIVE_GRID)[0]
    assert extent(turned)[0] == (491, 508)


def test_corners_of_a_box():
    corners = box_corners(np.array([1.0, 2.0, np.pi / 2]), CAR)
    assert sorted(corners.round(9).tolist()) == [
        [0, 0],
        [0, 4],
        [2, 0],
        [2, 4],
    ]


@pytest.mark.parametrize(
    ('grid', 'column', 'row'),
    [
        # 10 m ahead, 2 m to the left.
        (UNIAD_GRID, 96, 120),
        (STP3_GRID, 104, 120),
        (VAD_GRID, 96, 80),
        (OMNIDRIVE_GRID, 600, 520),
        (BEV_PLANNER_GRID, 599, 519),
    ],
)
def test_each_grid_has_its_own_axes_and_rounding(grid, column, row):
    place = grid.to_cells(np.array([10.0, 2.0]))
    assert place.tolist() == [column, row]


def world(seed, agents=40, steps=6):
    """Random boxes and a random path among them."""
    rng = np.random.default_rng(seed)
    poses = rng.uniform(-55, 55, (agents, steps, 3))
    poses[: agents // 2, :, :2] = rng.uniform(-8, 30, (agents // 2, steps, 2))
    size = rng.uniform([0.3, 0.3], [12, 3], (agents, 2))
    counted = rng.random((agents, steps)) < 0.25
    path = np.cumsum(rng.normal([4, 0], [3, 1.5], (steps, 2)), axis=0)
    return poses, size, counted, path * rng.choice([0.1, 1, 3])


def drawn_in_full(grid, corners, counted, cells):
    """Every box on a whole grid, then the cells read off."""
    hits = []
    for step in range(len(cells)):
        picture = np.zeros((grid.cells, grid.cells), np.uint8)
        for box, counts in zip(corners, counted[:, step], strict=True):
            if counts:
                cv2.fillPoly(picture, [grid.to_cells(box[step])], 1)
        hits.append(picture[cells[step, :, 1], cells[step, :, 0]].any())
    return np.array(hits)


@pytest.mark.parametrize('grid', [UNIAD_GRID, STP3_GRID, VAD_GRID])
def test_coarse_hits_equal_grids_drawn_in_full(grid):
    found = []
    for seed in range(30):
        poses, size, counted, path = world(seed)
        corners = box_corners(poses, size[:, None])
        cells = upright_cells(path, grid)
        expected = drawn_in_full(grid, corners, counted, cells)
        assert (hits_by_cells(cells, corners, counted, grid) == expected).all()
        found.append(expected)
    assert 0.1 < np.mean(found) < 0.9


@pytest.mark.parametrize('grid', [OMNIDRIVE_GRID, BEV_PLANNER_GRID])
def test_fine_hits_equal_grids_drawn_in_full(grid):
    for seed in range(3):
        poses, size, counted, path = world(seed)
        corners = box_corners(poses, size[:, None])
        cells = turned_cells(path, grid)
        expected = drawn_in_full(grid, corners, counted, cells)
        assert (hits_by_cells(cells, corners, counted, grid) == expected).all()


def test_no_boxes_are_no_hits():
    cells = upright_cells(PARKED, UNIAD_GRID)
    none = np.zeros((0, 6, 4, 2)), np.zeros((0, 6), dtype=bool)
    assert not hits_by_cells(cells, *none, UNIAD_GRID).any()
    assert not hits_by_polygons(PARKED, *none).any()


def test_polygon_hits_equal_shapely_s():
    found = []
    for seed in range(40):
        poses, size, counted, path = world(seed)
        corners = box_corners(poses, size[:, None])
        heading = path_headings(path)
        ahead = np.stack((np.cos(heading), np.sin(heading)), axis=-1)
        ego = box_corners(
            np.column_stack((path + 0.5 * ahead, heading)),
            np.array([4.084, 1.85]),
        )
        expected = [
            any(
                Polygon(ego[step]).intersects(Polygon(corners[box, step]))
                for box in np.flatnonzero(counted[:, step])
            )
            for step in range(6)
        ]
        assert hits_by_polygons(path, corners, counted).tolist() == expected
        found.append(expected)
    assert 0.1 < np.mean(found) < 0.9


def test_touching_polygons_collide():
    # The ego's front is 0.5 + 2.042 m ahead of the LiDAR.
    front = 2.542
    for gap, hit in ((-1e-9, True), (0.0, True), (1e-6, False)):
        box = np.tile([front + gap + 2.0, 0.0, 0.0], (1, 6, 1))
        corners = box_corners(box, CAR[None, None])
        counted = np.ones((1, 6), dtype=bool)
        assert hits_by_polygons(PARKED, corners, counted).all() == hit


def test_headings_of_a_path():
    # Central differences from the origin on, one-sided at the end.
    path = np.array([[1, 0], [2, 1], [2, 2], [2, 3], [2, 4], [1, 5]], float)
    expected = np.arctan2([1, 2, 2, 2, 2, 1], [2, 1, 0, 0, -1, -1])
    assert path_headings(path) == pytest.approx(expected)
    short = np.array([[0, 0.1 * i] for i in range(6)])
    short[-1] = [0.0, 0.49]
    assert (path_headings(short) == 0).all()


def test_warped_cells_of_a_parked_ego_are_the_cells_themselves():
    for seed in range(10):
        poses, size, counted, path = world(seed)
        cells = upright_cells(path, STP3_GRID)
        ego = np.zeros((6, 3))
        warped = hits_by_warped_cells(
            cells, poses, size, counted, ego, STP3_GRID
        )
        corners = box_corners(poses, size[:, None])
        plain = hits_by_cells(cells, corners, counted, STP3_GRID)
        assert (warped == plain).all()


def test_warped_cells_follow_the_future_ego():
    """Grids drawn around the future ego and looked up cell by cell."""
    rng = np.random.default_rng(0)
    for seed in range(10):
        poses, size, counted, path = world(seed)
        ego = np.column_stack((path, rng.uniform(-0.5, 0.5, 6)))
        cells = upright_cells(path, STP3_GRID)
        expected = []
        for step, (x, y, yaw) in enumerate(ego):
            turn = np.array(
                [[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]]
            )
            picture = np.zeros((200, 200))
            for box in np.flatnonzero(counted[:, step]):
                place = turn @ (poses[box, step, :2] - [x, y])
                corners = box_corners(
                    np.array([*place, poses[box, step, 2] - yaw]), size[box]
                )
                cv2.fillPoly(picture, [STP3_GRID.to_cells(corners)], 1.0)
            hit = False
            for column, row in cells[step]:
                centre = (np.array([row, column]) + 0.5) * 0.5 - 50
                index = np.floor((turn @ (centre - [x, y]) + 50) / 0.5)
                row, column = index.astype(int)
                if 0 <= row < 200 and 0 <= column < 200:
                    hit |= bool(picture[row, column])
            expected.append(hit)
        warped = hits_by_warped_cells(
            cells, poses, size, counted, ego, STP3_GRID
        )
        assert warped.tolist() == expected


def street(width=8.0, length=60.0):
    """A straight street ahead and behind, as one outline."""
    half = width / 2
    return MapLines(
        [
            np.array(
                [[-20, -half], [length, -half], [length, half], [-20, half]]
            )
        ],
        [False],
    )


def leaves(path, lines):
    area = draw_area(lines, OMNIDRIVE_GRID)
    return leaves_area(path, area, OMNIDRIVE_GRID)


def crosses(path, lines):
    drawn = draw_lines(lines, BEV_PLANNER_GRID)
    return crosses_lines(turned_cells(path, BEV_PLANNER_GRID), drawn)


AHEAD = np.stack([np.arange(1.0, 7.0), np.zeros(6)], axis=-1)


def test_staying_on_the_street_leaves_nothing():
    now, later = leaves(AHEAD, street())
    assert not now
    assert not later.any()


def test_leaving_the_street_is_seen_at_its_step():
    # The box is 0.925 m to either side; the street ends at 4 m.
    path = AHEAD.copy()
    path[:, 1] = [0, 0, 0, 0, 3.0, 3.3]
    # The steps turn the box, so the last one covers more than 0.925 m.
    now, later = leaves(path, street())
    assert not now
    assert later.tolist() == [False, False, False, False, True, True]
    beside = AHEAD + np.array([0.0, 2.9])
    _, later = leaves(beside, street())
    # Only the first step, which leads there, turns the box.
    assert later.tolist() == [True] + [False] * 5


def test_a_narrow_street_is_left_already_now():
    now, _ = leaves(AHEAD, street(1.0))
    assert now


def test_holes_are_not_drivable():
    with_hole = MapLines(
        [
            np.array([[8.0, -1], [9, -1], [9, 1], [8, 1]]),
            *street().lines,
        ],
        [True, False],
    )
    # The box reaches 1.486 + 2.04 = 3.53 m ahead of each position.
    _, later = leaves(AHEAD, with_hole)
    assert later.tolist() == [False] * 4 + [True] * 2


def test_boundary_lines_are_crossed_at_their_step():
    line = MapLines([np.array([[7.0, -5.0], [7.0, 5.0]])], [False])
    # The footprint's last cell is 3.4 m ahead of the position.
    assert crosses(AHEAD, line).tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]
    beside = MapLines([np.array([[-9.0, 2.0], [30.0, 2.0]])], [False])
    assert not crosses(AHEAD, beside).any()


def test_lines_off_the_grid_run_along_its_edge():
    line = MapLines([np.array([[500.0, -500.0], [500.0, 500.0]])], [False])
    far = np.full((1, 2), [400.0, 0.0])
    assert crosses(far, line).all()
    assert not crosses(AHEAD, line).any()


def test_nothing_is_changed_in_place():
    poses, size, counted, path = world(0)
    copies = [a.copy() for a in (poses, size, counted, path)]
    corners = box_corners(poses, size[:, None])
    cells = upright_cells(path, VAD_GRID)
    hits_by_cells(cells, corners, counted, VAD_GRID)
    hits_by_polygons(path, corners, counted)
    leaves(path, street())
    for array, copy in zip((poses, size, counted, path), copies, strict=True):
        assert (array == copy).all()


def test_ego_sizes_are_the_published_ones():
    assert (plan_shapes.EGO_LENGTH, plan_shapes.EGO_WIDTH) == (4.084, 1.85)
