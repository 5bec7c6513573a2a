"""Planar poses: x and y in metres, yaw in radians, anti-clockwise from x."""

import numpy as np


def wrap_angle(angle: np.ndarray | float) -> np.ndarray | float:
    """Wrap radians to [-pi, pi)."""
    return (np.asarray(angle) + np.pi) % (2 * np.pi) - np.pi


def planar_pose(transform: np.ndarray) -> np.ndarray:
    """Return x, y and heading (..., 3) of rigid transforms (..., 4, 4)."""
    transform = np.asarray(transform)
    heading = np.arctan2(transform[..., 1, 0], transform[..., 0, 0])
    return np.stack(
        (transform[..., 0, 3], transform[..., 1, 3], heading), axis=-1
    )


def to_local(poses: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Express planar poses in the frame of another one.

    Args:
        poses (np.ndarray): (..., 3) x, y, yaw.
        origin (np.ndarray): (3,) x, y, yaw of the new frame.

    Returns:
        np.ndarray: (..., 3), x forward, y left, yaw wrapped.
    """
    cos, sin = np.cos(origin[2]), np.sin(origin[2])
    x, y = poses[..., 0] - origin[0], poses[..., 1] - origin[1]
    return np.stack(
        (
            cos * x + sin * y,
            cos * y - sin * x,
            wrap_angle(poses[..., 2] - origin[2]),
        ),
        axis=-1,
    )


def to_global(poses: np.ndarray, ego2global: np.ndarray) -> np.ndarray:
    """Express planar poses of an ego frame in the global frame.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw in the ego frame.
        ego2global (np.ndarray): (4, 4) pose of the car.

    Returns:
        np.ndarray: (N, 3) x, y, yaw; yaw is not wrapped.
    """
    places = poses[:, :2] @ ego2global[:2, :2].T + ego2global[:2, 3]
    yaw = poses[:, 2] + planar_pose(ego2global)[2]
    return np.column_stack((places, yaw))
