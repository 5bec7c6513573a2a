"""The position code: the same point has the same code, seen or asked for."""

import numpy as np
import pytest
import torch

from mmocc.models.layers import RayPositionCode

SIZE = 160
FOCAL = 80.0
CAM2IMG = np.array([[FOCAL, 0, 80], [0, FOCAL, 80], [0, 0, 1]])


def camera(azimuth, height=1.5):
    """cam2ego of a level camera at the origin that looks to ``azimuth``."""
    c, s = np.cos(azimuth), np.sin(azimuth)
    pose = np.eye(4)
    # Columns: image right, image down, optical axis in ego coordinates.
    pose[:3, :3] = np.array([[s, 0, c], [-c, 0, s], [0, -1, 0]])
    pose[2, 3] = height
    return pose


@pytest.fixture
def code():
    torch.manual_seed(0)
    return RayPositionCode(embed_dims=16)


def test_a_falling_ray_stands_for_its_ground_hit(code):
    # Worked by hand: the ray through pixel (80, 120) falls by 40 on 80, so
    # from 1.5 m it meets the ground 3 m ahead.
    points = code._points_on_rays(
        np.array([[80.0, 120, 1]]), CAM2IMG, camera(0.0)
    )
    np.testing.assert_allclose(points, [[3.0, 0.0, 0.0]], atol=1e-9)
    # The same pixel of a camera that looks left meets it 3 m to the left.
    points = code._points_on_rays(
        np.array([[80.0, 120, 1]]), CAM2IMG, camera(np.pi / 2)
    )
    np.testing.assert_allclose(points, [[0.0, 3.0, 0.0]], atol=1e-9)
    # 40 pixels to the right of it: to the front of a left-looking camera.
    points = code._points_on_rays(
        np.array([[120.0, 120, 1]]), CAM2IMG, camera(np.pi / 2)
    )
    np.testing.assert_allclose(points, [[1.5, 3.0, 0.0]], atol=1e-9)


def test_other_rays_stand_for_a_far_point(code):
    points = code._points_on_rays(
        np.array([[80.0, 80, 1], [80.0, 0, 1]]), CAM2IMG, camera(0.0)
    )
    np.testing.assert_allclose(points[0], [50.0, 0, 1.5], atol=1e-9)
    assert points[1, 2] > 30  # 45 degrees up
    near = RayPositionCode(embed_dims=16, standing_range=20.0)
    points = near._points_on_rays(
        np.array([[80.0, 80, 1], [80.0, 120, 1]]), CAM2IMG, camera(0.0)
    )
    np.testing.assert_allclose(points[0], [20.0, 0, 1.5], atol=1e-9)
    np.testing.assert_allclose(points[1], [3.0, 0, 0], atol=1e-9)


def test_tokens_and_queries_share_the_code(code):
    tokens = code.code_views([CAM2IMG], [camera(0.0)], SIZE, 4)
    # The third of four patch rows has its centre 20 pixels below the middle:
    # 6 m ahead; the second column 20 pixels left of it: 1.5 m to the left.
    expected = code(torch.tensor([6.0, 1.5, 0.0]))
    torch.testing.assert_close(tokens[2 * 4 + 1], expected)


def test_views_come_one_after_the_other(code):
    poses = [camera(0.0), camera(1.0)]
    both = code.code_views([CAM2IMG] * 2, poses, SIZE, 5)
    alone = [code.code_views([CAM2IMG], [p], SIZE, 5) for p in poses]
    torch.testing.assert_close(both, torch.cat(alone))


def test_codes_are_alike_where_azimuth_and_range_both_agree():
    torch.manual_seed(0)
    code = RayPositionCode(embed_dims=1024)
    points = [(10.0, 0, 0), (10.5, 0.5, 0), (30.0, 0, 0), (0.0, 10.0, 0)]
    with torch.no_grad():
        here, near, same_ray, same_circle = code(torch.tensor(points))

    def likeness(other):
        return torch.cosine_similarity(here, other, dim=0).item()

    assert likeness(near) > 0.9
    # Means over the waves, by hand: cos(0.83 l) over l = 0..3 gives 0.2,
    # cos(k pi / 2) over k = -4..4 gives 1/9.
    assert likeness(same_ray) == pytest.approx(0.2, abs=0.1)
    assert likeness(same_circle) == pytest.approx(1 / 9, abs=0.1)


def test_gain_scales_the_code_at_the_start():
    torch.manual_seed(0)
    plain = RayPositionCode(embed_dims=8)
    torch.manual_seed(0)
    strong = RayPositionCode(embed_dims=8, gain=3.0)
    torch.testing.assert_close(
        strong.project.weight, 3.0 * plain.project.weight
    )


@torch.no_grad()
def test_places_are_float32_under_autocast(code):
    """In bfloat16 the phases would be off by a tenth of a radian."""
    points = 40 * torch.randn(
        50, 3, generator=torch.Generator().manual_seed(0)
    )
    read = []
    code.project.register_forward_pre_hook(lambda _, x: read.append(x[0]))
    code(points)
    with torch.autocast('cpu', torch.bfloat16):
        code(points)
    assert torch.equal(*read)
