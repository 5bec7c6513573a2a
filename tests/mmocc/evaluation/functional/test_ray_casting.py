"""Ray casting against rays followed by hand and against a plain reference."""

import math

import numpy as np
import pytest
import torch

from mmocc.evaluation.functional import (
    cast_rays,
    lidar_directions,
    scene_origins,
)
from mmocc.evaluation.functional.ray_casting_torch import cast_rays_torch

CAR, ROAD, FREE, ODD = 4, 11, 17, 255
EDGE = 0.4
CORNER = np.array([-40.0, -40.0, -1.0])
AHEAD, BACK, LEFT, UP = np.eye(3)[[0, 0, 1, 2]] * [[1], [-1], [1], [1]]


def grid(shape=(20, 10, 6), **cells):
    """All free but for ``x_y_z=label``."""
    made = np.full(shape, FREE, dtype=np.uint8)
    for place, label in cells.items():
        made[tuple(int(i) for i in place[1:].split('_'))] = label
    return made


def at(*voxels):
    """Metres of a place in units of voxels."""
    return CORNER + EDGE * np.array([voxels])


def cast(grids, origin, directions):
    hits = cast_rays(
        np.stack(grids), origin, np.asarray(directions, dtype=np.float32)
    )
    return hits.depth[:, 0], hits.label[:, 0]


def test_rays_are_39_pitches_of_360_azimuths():
    rays = lidar_directions()
    assert rays.shape == (39 * 360, 3)
    assert rays.dtype == np.float32
    assert np.linalg.norm(rays, axis=1) == pytest.approx(1, abs=1e-6)
    pitch = np.arcsin(rays[::360, 2].astype(float))
    # Steepest: one metre down for one ahead, then 1 in 2, 1 in 3 ...
    assert np.tan(pitch[:10]) == pytest.approx(-1 / np.arange(1, 11), abs=1e-6)
    spacing = np.diff(pitch)
    assert spacing[9:] == pytest.approx(spacing[8], abs=1e-6)
    assert pitch[-2] < 0.21 <= pitch[-1]
    assert np.arctan2(rays[90, 1], rays[90, 0]) == pytest.approx(np.pi / 2)


def test_depth_is_where_the_ray_leaves_the_voxel_it_hits():
    # From the middle of voxel 2 to the far side of voxel 7: 5.5 voxels.
    depth, label = cast([grid(_7_3_2=CAR)], at(2.5, 3.5, 2.5), [AHEAD])
    assert label[0, 0] == CAR
    assert depth[0, 0] == pytest.approx(5.5 * EDGE, abs=1e-6)


def test_first_of_two_voxels_wins():
    depth, label = cast(
        [grid(_7_3_2=CAR, _5_3_2=ROAD)], at(2.5, 3.5, 2.5), [AHEAD]
    )
    assert (label[0, 0], depth[0, 0]) == (ROAD, pytest.approx(3.5 * EDGE))


def test_a_ray_may_hit_the_voxel_it_starts_in():
    depth, label = cast([grid(_2_3_2=CAR)], at(2.25, 3.5, 2.5), [AHEAD, BACK])
    assert label.tolist() == [[CAR, CAR]]
    assert depth[0] == pytest.approx([0.75 * EDGE, 0.25 * EDGE], abs=1e-6)


def test_a_ray_that_hits_nothing_ends_where_the_grid_does():
    depth, label = cast([grid()], at(2.5, 3.5, 2.5), [AHEAD, BACK, LEFT, UP])
    assert (label == FREE).all()
    assert depth[0] == pytest.approx(
        np.array([17.5, 2.5, 6.5, 3.5]) * EDGE, abs=1e-5
    )


def test_unlabelled_voxels_stop_rays():
    _, label = cast([grid(_5_3_2=ODD, _7_3_2=CAR)], at(2.5, 3.5, 2.5), [AHEAD])
    assert label[0, 0] == ODD


def test_a_ray_that_never_enters_reads_the_first_voxel():
    # Above the grid, looking up.
    depth, label = cast([grid(_0_0_0=CAR)], at(2.5, 3.5, 9.0), [UP])
    assert label[0, 0] == CAR
    assert depth[0, 0] == np.float32(-0.4)


def test_a_ray_may_start_outside_and_enter():
    # From 3.5 voxels above the top, straight down to the floor's far side.
    depth, label = cast([grid(_2_3_0=ROAD)], at(2.5, 3.5, 9.5), [-UP])
    assert label[0, 0] == ROAD
    assert depth[0, 0] == pytest.approx(9.5 * EDGE, abs=1e-5)


def test_just_below_the_grid_counts_as_its_lowest_voxel():
    # Truncation toward zero: -0.5 is voxel 0.
    depth, label = cast([grid(_2_3_0=ROAD)], at(2.5, 3.5, -0.5), [UP])
    assert label[0, 0] == ROAD
    assert depth[0, 0] == pytest.approx(1.5 * EDGE, abs=1e-5)


def test_at_a_corner_z_is_crossed_before_y_and_y_before_x():
    # Exactly along the diagonal of voxel (0, 0, 0) all borders are met at
    # once, so the ray visits (0,0,0), (0,0,1), (0,1,1), (1,1,1).
    diagonal = np.ones(3) / math.sqrt(3)
    start = CORNER[None].copy()
    for cell, distance in (('_0_0_1', 1), ('_0_1_1', 1), ('_1_1_1', 2)):
        depth, label = cast([grid(**{cell: CAR})], start, [diagonal])
        assert label[0, 0] == CAR, cell
        assert depth[0, 0] == pytest.approx(
            distance * EDGE * math.sqrt(3), abs=1e-5
        )
    _, label = cast([grid(_1_0_0=CAR, _0_1_0=CAR)], start, [diagonal])
    assert label[0, 0] == FREE


def reference(grids, origin, direction):
    """One ray through one grid, told as plainly as the rule is."""
    scale = float(np.float32(EDGE))
    start = ((origin - CORNER) / scale).astype(np.float32).astype(float)
    end = (origin + direction - CORNER) / scale
    ray = end.astype(np.float32).astype(float) - start
    ray = ray / math.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
    voxel = [int(v) for v in start]
    step = [1 if r >= 0 else -1 for r in ray]
    border = [
        (v + (s > 0) - x) / r if r else float('inf')
        for v, s, x, r in zip(voxel, step, start, ray, strict=True)
    ]
    answer, entered = (-1.0, grids[0, 0, 0]), False
    for _ in range(1001):
        inside = all(
            0 <= v < n for v, n in zip(voxel, grids.shape, strict=True)
        )
        if entered and not inside:
            break
        axis = min((2, 1, 0), key=lambda a: border[a])
        here, distance = tuple(voxel), border[axis]
        voxel[axis] += step[axis]
        border[axis] += step[axis] / ray[axis]
        if inside:
            entered = True
            answer = (distance, grids[here])
            if grids[here] != FREE:
                break
    return np.float32(answer[0]) * np.float32(EDGE), answer[1]


@pytest.fixture(scope='module')
def scattered():
    """Two random grids, origins inside and outside, random directions."""
    rng = np.random.default_rng(0)
    grids = np.where(
        rng.random((2, 12, 9, 6)) < 0.03,
        rng.integers(0, 18, (2, 12, 9, 6)),
        17,
    ).astype(np.uint8)
    origins = CORNER + EDGE * (rng.random((6, 3)) * [12, 9, 6])
    origins[4] += [0, 0, 2.5]
    origins[5] -= [0, 0, 0.9]
    directions = rng.normal(size=(200, 3))
    directions[:40, rng.integers(0, 3)] = 0
    directions[40:80] = np.round(directions[40:80])
    directions = directions[np.linalg.norm(directions, axis=1) > 0.1]
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    return grids, origins, directions.astype(np.float32)


def test_casting_equals_the_plain_reference(scattered):
    grids, origins, directions = scattered
    hits = cast_rays(grids, origins, directions)
    for g, o in np.ndindex(2, 6):
        expected = [reference(grids[g], origins[o], d) for d in directions]
        depth, label = zip(*expected, strict=True)
        assert (hits.depth[g, o] == np.array(depth)).all()
        assert (hits.label[g, o] == np.array(label)).all()


def test_the_gpu_s_way_equals_the_cpu_s_bit_for_bit(scattered):
    grids, origins, directions = scattered
    expected = cast_rays(grids, origins, directions)
    hits = cast_rays_torch(
        torch.from_numpy(grids), torch.from_numpy(origins), directions
    )
    assert (hits.depth.numpy() == expected.depth).all()
    assert (hits.label.numpy() == expected.label).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_real_gpu_equals_the_cpu(scattered):
    grids, origins, directions = scattered
    expected = cast_rays(grids, origins, directions)
    hits = cast_rays_torch(
        torch.from_numpy(grids).cuda(), torch.from_numpy(origins), directions
    )
    assert (hits.depth.cpu().numpy() == expected.depth).all()
    assert (hits.label.cpu().numpy() == expected.label).all()


def test_several_grids_share_a_traversal_without_mixing(scattered):
    grids, origins, directions = scattered
    both = cast_rays(grids, origins, directions)
    for g in range(2):
        alone = cast_rays(grids[g : g + 1], origins, directions)
        assert (both.depth[g] == alone.depth[0]).all()
        assert (both.label[g] == alone.label[0]).all()


@pytest.mark.parametrize(
    ('grids', 'origins', 'says'),
    [
        (np.zeros((2, 2, 2), np.uint8), np.zeros((1, 3)), r'\(G, X, Y, Z\)'),
        (np.zeros((1, 2, 2, 2)), np.zeros((1, 3)), 'float64'),
        (np.zeros((1, 2, 2, 2), np.uint8), np.zeros(3), r'expected \(O, 3\)'),
        (np.zeros((1, 2, 2, 2), np.uint8), np.zeros((0, 3)), 'at least one'),
        (np.zeros((1, 2, 2, 2), np.uint8), np.full((1, 3), np.nan), 'NaN'),
    ],
)
def test_bad_input_is_refused(grids, origins, says):
    with pytest.raises(ValueError, match=says):
        cast_rays(grids, origins)


def poses(*places):
    made = np.tile(np.eye(4), (len(places), 1, 1))
    made[:, :2, 3] = places
    return made


LIDAR2EGO = np.eye(4)
LIDAR2EGO[:3, 3] = [0.94, 0.0, 1.84]


def test_own_origin_is_the_lidar_s_place():
    origins = scene_origins(
        poses((100, 50), (103, 50)), np.stack([LIDAR2EGO] * 2), 0
    )
    assert origins[0].tolist() == [0.94, 0.0, 1.84]
    assert origins[1] == pytest.approx([3.94, 0.0, 1.84])


def test_origins_are_seen_from_the_frame_s_own_ego():
    # The frame looks along the map's y; 2 m further on is 2 m ahead.
    scene = poses((0, 0), (0, 2))
    scene[:, :2, :2] = [[0, -1], [1, 0]]
    origins = scene_origins(scene, np.stack([LIDAR2EGO] * 2), 0)
    assert origins[1] == pytest.approx([2.94, 0.0, 1.84])


def test_far_positions_are_dropped_along_each_axis():
    # 38.05 + 0.94 = 38.99 stays; 38.07 + 0.94 = 39.01 goes; z is not asked.
    scene = poses((0, 0), (38.05, 0), (38.07, 0), (0, 38.99), (0, 39.01))
    scene[1, 2, 3] = 500
    origins = scene_origins(scene, np.stack([LIDAR2EGO] * 5), 0)
    assert origins[:, :2] == pytest.approx(
        np.array([[0.94, 0], [38.99, 0], [0.94, 38.99]]), abs=1e-5
    )


def test_of_more_than_eight_origins_eight_remain_in_equal_steps():
    scene = poses(*[(0.5 * i, 0) for i in range(21)])
    origins = scene_origins(scene, np.stack([LIDAR2EGO] * 21), 0)
    # 0, 2.86, 5.71, 8.57, 11.43, 14.29, 17.14, 20, rounded.
    expected = np.array([0, 3, 6, 9, 11, 14, 17, 20]) * 0.5 + 0.94
    assert origins[:, 0] == pytest.approx(expected)
    eight = scene_origins(scene[:8], np.stack([LIDAR2EGO] * 8), 3)
    assert len(eight) == 8


def test_bad_poses_are_refused():
    with pytest.raises(ValueError, match=r'expected \(F, 4, 4\)'):
        scene_origins(poses((0, 0)), np.eye(4), 0)
    far = LIDAR2EGO.copy()
    far[0, 3] = 50
    with pytest.raises(ValueError, match='check lidar2ego'):
        scene_origins(poses((0, 0)), far[None], 0)
