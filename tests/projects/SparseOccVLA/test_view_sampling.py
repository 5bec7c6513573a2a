"""Sampling against hand-worked projections and a plain loop."""

import math

import numpy as np
import pytest
import torch

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
    group_views,
    locate_points,
    sample_views,
)

HEIGHT, WIDTH = 80, 160
FOCAL = 100.0
# Rows: the camera's right, down and forward, in an ego frame it looks along.
LOOK_AHEAD = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
INTRINSICS = np.array(
    [[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT / 2], [0.0, 0.0, 1.0]]
)


def camera(x=0.0, y=0.0, yaw=0.0):
    """Ego frame to pixels of a camera that stands there and looks along yaw.

    Args:
        x, y (float): Metres in the current ego frame.
        yaw (float): Degrees.
    """
    cosine, sine = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = INTRINSICS @ LOOK_AHEAD @ turn
    matrix[:3, 3] = -matrix[:3, :3] @ np.array([x, y, 0.0])
    return torch.from_numpy(matrix)


def stack(*frames):
    """Cameras by frame, (1, T, V, 4, 4)."""
    return torch.stack([torch.stack(list(cameras)) for cameras in frames])[
        None
    ]


def ramps(images, stride=8):
    """Maps whose two channels say where in the image a cell lies, pixels."""
    u = (torch.arange(WIDTH // stride, dtype=torch.float64) + 0.5) * stride
    v = (torch.arange(HEIGHT // stride, dtype=torch.float64) + 0.5) * stride
    v, u = torch.meshgrid(v, u, indexing='ij')
    return torch.stack([u, v]).expand(1, images, 2, -1, -1)


def read(points, matrices, features, view_choice='central'):
    """Sample one point per query of one group at one level.

    Returns:
        Tensor: (Q, T, C).
    """
    frames = matrices.shape[1]
    views = group_views(
        [features], matrices.flatten(1, 2), (HEIGHT, WIDTH), frames, 1
    )
    points = torch.tensor(points, dtype=torch.float64)[None, :, None, None]
    weights = torch.ones(*points.shape[:-1], 1, dtype=torch.float64)
    return sample_views(points, weights, views, view_choice)[0, :, 0]


def test_a_point_ahead_lands_on_the_pixel_computed_by_hand():
    # Depth 10, 2 m to the left and 1 m up: 20 px left of and 10 px above the
    # middle (80, 40).
    seen = read([[10.0, 2.0, 1.0]], stack([camera()]), ramps(1))
    torch.testing.assert_close(seen[0, 0].tolist(), [60.0, 30.0])


def test_a_still_point_is_found_in_the_past_camera():
    """Two frames, the car has turned by 90 degrees and driven on.

    It stood at (-4, -10) in today's frame and looked along today's y axis.
    The point (-2, 10, 1) was then 20 m ahead, 2 m to the right and 1 m up:
    pixel (80 + 10, 40 - 5). Today it is behind.
    """
    matrices = stack([camera()], [camera(-4.0, -10.0, 90.0)])
    seen = read([[-2.0, 10.0, 1.0]], matrices, ramps(2))
    torch.testing.assert_close(
        seen[0], torch.tensor([[0.0, 0.0], [90.0, 35.0]], dtype=torch.float64)
    )


@pytest.mark.parametrize(
    'point',
    (
        (-10.0, 2.0, 1.0),  # behind, though it projects inside
        (0.0, 0.0, 0.0),  # in the camera's centre
        (0.0, 3.0, 0.0),  # in the plane of the camera
        (10.0, 8.5, 0.0),  # left of the image
        (10.0, 0.0, 4.5),  # above
        (10.0, 0.0, -4.5),  # below
        (1e6, 1e7, 0.0),
    ),
)
def test_points_that_no_camera_sees_read_zeros(point):
    features = ramps(1).clone().requires_grad_()
    matrices = stack([camera()])
    views = group_views(
        [features], matrices.flatten(1, 2), (HEIGHT, WIDTH), 1, 1
    )
    points = torch.tensor(point, dtype=torch.float64).view(1, 1, 1, 1, 3)
    points.requires_grad_()
    weights = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)
    seen = sample_views(points, weights.requires_grad_(), views)
    assert (seen == 0).all()
    seen.sum().backward()
    for tensor in (features, points, weights):
        assert (tensor.grad == 0).all()


def test_the_outermost_cell_reaches_to_the_edge():
    """Half a cell from the edge the outermost centre's value is read."""
    edge = [[10.0, 7.9, 3.9]]  # pixel (1, 1)
    seen = read(edge, stack([camera()]), ramps(1))
    torch.testing.assert_close(seen[0, 0].tolist(), [4.0, 4.0])


def test_cameras_stacked_do_not_bleed_into_each_other():
    """Each camera is constant; edges included, one constant is read."""
    features = torch.zeros(1, 3, 1, 10, 20, dtype=torch.float64)
    features += torch.tensor([1.0, 10.0, 100.0])[:, None, None, None]
    blind = camera(1e4)
    for place in range(3):
        row = [blind, blind, blind]
        row[place] = camera()
        points = [
            [10.0, y, z]
            for y in (-7.99, -3.0, 0.0, 7.99)
            for z in (-3.99, 0.3, 3.99)
        ]
        seen = read(points, stack(row), features)
        expected = torch.full_like(seen, 10.0**place)
        torch.testing.assert_close(seen, expected)


def test_in_overlaps_central_prefers_the_middle_and_first_the_order():
    """Turned by 30 degrees, the second camera sees the point centrally."""
    point = [[10 * math.cos(math.pi / 6), 10 * math.sin(math.pi / 6), 0.0]]
    ahead, left = camera(), camera(yaw=30.0)
    features = torch.ones(1, 2, 1, 10, 20, dtype=torch.float64)
    features[:, 1] = 2.0
    both = stack([ahead, left])
    assert read(point, both, features, 'central').item() == 2.0
    assert read(point, both, features, 'first').item() == 1.0
    swapped = stack([left, ahead])
    assert read(point, swapped, features.flip(1), 'central').item() == 2.0
    assert read(point, swapped, features.flip(1), 'first').item() == 2.0


def random_scene(seed=0):
    """Two frames of three overlapping cameras, two levels, two groups."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    batches = []
    for b in range(2):
        frames = [
            [camera(-2.0 * t, 0.3 * b, 45.0 * v + 7.0 * t) for v in (-1, 0, 1)]
            for t in range(2)
        ]
        batches.append(stack(*frames))
    matrices = torch.cat(batches).flatten(1, 2)
    features = [rand(2, 6, 8, 80 // s, 160 // s) for s in (8, 16)]
    points = (rand(2, 9, 2, 3, 3) - 0.4) * torch.tensor([40.0, 30.0, 8.0])
    weights = rand(2, 9, 2, 3, 2)
    return features, matrices, points, weights


def bilinear_by_hand(feature_map, u, v, align_corners):
    """Channels of (C, h, w) at fractions (u, v) of the image."""
    _, height, width = feature_map.shape
    if align_corners:
        x, y = u * (width - 1), v * (height - 1)
    else:
        x = min(max(u * width - 0.5, 0.0), width - 1.0)
        y = min(max(v * height - 0.5, 0.0), height - 1.0)
    left, top = int(x), int(y)
    total = 0.0
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = abs(1 - row - (y - top)) * abs(1 - column - (x - left))
        i, j = min(top + row, height - 1), min(left + column, width - 1)
        total = total + share * feature_map[:, i, j]
    return total


def sample_by_loop(
    features, matrices, points, weights, choice, align_corners, frames=2
):
    """One point at a time. Returns samples, and how many views saw each."""
    batch, queries, groups, count, _ = points.shape
    num_views = matrices.shape[1] // frames
    channels = features[0].shape[2] // groups
    out = torch.zeros(
        batch, queries, groups, frames * count, channels, dtype=torch.float64
    )
    seen_by = []
    for index in np.ndindex(batch, queries, groups, count):
        b, q, g, p = index
        homogeneous = torch.cat([points[index], torch.ones(1)])
        for t in range(frames):
            candidates = []
            for n in range(num_views):
                x, y, depth, _ = matrices[b, t * num_views + n] @ homogeneous
                if depth <= 0:
                    continue
                u, v = (x / depth / WIDTH).item(), (y / depth / HEIGHT).item()
                if 0 < u < 1 and 0 < v < 1:
                    off_centre = (u - 0.5) ** 2 + (v - 0.5) ** 2
                    rank = off_centre if choice == 'central' else n
                    candidates.append((rank, n, u, v))
            seen_by.append(len(candidates))
            if not candidates:
                continue
            _, n, u, v = min(candidates)
            for level, maps in enumerate(features):
                block = slice(g * channels, (g + 1) * channels)
                feature_map = maps[b, t * num_views + n, block]
                value = bilinear_by_hand(feature_map, u, v, align_corners)
                out[b, q, g, t * count + p] += weights[index][level] * value
    return out, seen_by


@pytest.mark.parametrize('align_corners', (False, True))
@pytest.mark.parametrize('choice', ('central', 'first'))
def test_equals_a_loop_over_points(choice, align_corners):
    features, matrices, points, weights = random_scene()
    views = group_views(features, matrices, (HEIGHT, WIDTH), 2, 2)
    value = sample_views(points, weights, views, choice, align_corners)
    expected, seen_by = sample_by_loop(
        features, matrices, points, weights, choice, align_corners
    )
    assert {0, 1, 2} <= set(seen_by)  # unseen, clear and overlapping
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-10)


def test_the_order_of_cameras_does_not_matter():
    features, matrices, points, weights = random_scene()
    order = [2, 0, 1, 4, 5, 3]  # within each frame
    results = []
    for choice in ('central', 'first'):
        there, shuffled = (
            sample_views(
                points,
                weights,
                group_views(
                    [level[:, index] for level in features],
                    matrices[:, index],
                    (HEIGHT, WIDTH),
                    2,
                    2,
                ),
                choice,
            )
            for index in (list(range(6)), order)
        )
        results.append((there - shuffled).abs().max().item())
    assert results[0] <= 1e-12
    assert results[1] > 0.1  # overlaps are read in another camera


def test_positions_follow_the_points_smoothly():
    """The gradient through the projection equals finite differences."""
    features, matrices, _, weights = random_scene()
    views = group_views(features, matrices, (HEIGHT, WIDTH), 2, 2)
    points = torch.tensor([9.13, 0.57, 0.41], dtype=torch.float64)
    points = points.repeat(2, 1, 2, 3, 1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: sample_views(x, weights[:, :1], views), (points,)
    )


def test_autocast_and_half_precision_maps_do_not_change_geometry():
    features, matrices, points, weights = random_scene()
    features = [level.bfloat16() for level in features]
    matrices, points, weights = (
        x.float() for x in (matrices, points, weights)
    )
    results = []
    for enabled in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled):
            views = group_views(features, matrices, (HEIGHT, WIDTH), 2, 2)
            results.append(sample_views(points, weights, views))
            location = locate_points(
                points.flatten(1, 3), views.ego2img, (HEIGHT, WIDTH)
            )
            assert location.position.dtype == torch.float32
    assert results[1].dtype == torch.float32
    assert torch.equal(*results)
    exact = sample_by_loop(
        [level.double() for level in features],
        matrices.double(),
        points.double(),
        weights.double(),
        'central',
        False,
    )[0]
    torch.testing.assert_close(results[1].double(), exact, rtol=0, atol=1e-4)
