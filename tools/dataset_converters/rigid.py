"""Rigid transforms from nuScenes' quaternions (w, x, y, z)."""

import numpy as np


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4), normalised."""
    q = np.asarray(quaternion, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1)[..., None], -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rigid_transform(
    quaternion: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """The (4, 4) transform that rotates, then shifts."""
    transform = np.eye(4)
    transform[:3, :3] = rotation_matrix(quaternion)
    transform[:3, 3] = translation
    return transform


def invert(transform: np.ndarray) -> np.ndarray:
    """The inverse of a rigid (4, 4) transform."""
    inverse = np.eye(4)
    inverse[:3, :3] = transform[:3, :3].T
    inverse[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return inverse


def planar_pose(transform: np.ndarray) -> np.ndarray:
    """x, y and heading (3,) of a rigid (4, 4) transform."""
    return np.array(
        [
            transform[0, 3],
            transform[1, 3],
            np.arctan2(transform[1, 0], transform[0, 0]),
        ]
    )


def box_yaw(rotation: np.ndarray) -> np.ndarray:
    """Yaw (...,) of box rotations (..., 3, 3), as mmdet3d's info files do.

    It is the yaw of pyquaternion's ``yaw_pitch_roll`` (x-y-z order), which
    differs from the heading where a box is tilted in the sensor's frame.
    """
    return np.arctan2(-rotation[..., 0, 1], rotation[..., 0, 0])
