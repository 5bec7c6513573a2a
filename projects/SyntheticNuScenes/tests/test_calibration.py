import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    lidar2ego,
    pose_matrix,
    quaternion,
)


def test_a_point_ahead_of_a_camera_lands_on_its_principal_point():
    for camera in CAMERA_RIG:
        pose = camera.cam2ego()
        ahead = pose[:3, 3] + 10 * np.array(
            [np.cos(camera.yaw), np.sin(camera.yaw), 0]
        )
        local = np.linalg.inv(pose) @ np.append(ahead, 1)
        pixel = camera.intrinsic((1600, 900)) @ local[:3]
        np.testing.assert_allclose(pixel[:2] / pixel[2], camera.centre)


def test_camera_axes_are_right_down_forward():
    front = CAMERA_RIG[0].cam2ego()[:3, :3]
    np.testing.assert_allclose(front[:, 0], [0, -1, 0], atol=0.01)
    np.testing.assert_allclose(front[:, 1], [0, 0, -1], atol=0.01)
    np.testing.assert_allclose(front[:, 2], [1, 0, 0], atol=0.01)
    for camera in CAMERA_RIG:
        assert np.linalg.det(camera.cam2ego()[:3, :3]) == pytest.approx(1)


def test_intrinsics_scale_with_the_image():
    full = CAMERA_RIG[3].intrinsic((1600, 900))
    half = CAMERA_RIG[3].intrinsic((800, 450))
    np.testing.assert_allclose(half[:2], full[:2] / 2)


def test_lidar_x_is_right_and_y_is_forward():
    pose = lidar2ego()
    np.testing.assert_allclose(
        pose @ [1, 2, 0, 1], [2.9437, -1, 1.8402, 1], atol=1e-9
    )


@pytest.mark.parametrize('yaw', [0.0, 1.0, -2.5, np.pi])
def test_quaternion_of_a_turn_about_z(yaw):
    w, x, y, z = quaternion(pose_matrix(0, 0, yaw)[:3, :3])
    assert (x, y) == (0, 0)
    assert w == pytest.approx(abs(np.cos(yaw / 2)), abs=1e-9)
    assert 2 * np.arctan2(z, w) == pytest.approx(yaw)


def test_quaternion_rebuilds_camera_rotations():
    for camera in CAMERA_RIG:
        rotation = camera.cam2ego()[:3, :3]
        w, x, y, z = quaternion(rotation)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        rebuilt = np.eye(3) + 2 * w * cross + 2 * cross @ cross
        np.testing.assert_allclose(rebuilt, rotation, atol=1e-9)
