"""Rigid transforms (4, 4) and quaternions (w, x, y, z), as nuScenes has them.

``a2b`` leads from frame a to frame b: ``points_b = a2b @ points_a``.
"""

import numpy as np
from scipy.spatial.transform import Rotation


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Return the rotations (..., 3, 3) of quaternions (..., 4).

    Quaternions are w, x, y, z and need not have length 1.
    """
    q = np.asarray(quaternion, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1)[..., None], -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_of(rotation: np.ndarray) -> np.ndarray:
    """Return the quaternion w, x, y, z (4,) of a rotation (3, 3), w >= 0."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    return np.copysign(1.0, w) * np.array([w, x, y, z])


def rigid_transform(
    quaternion: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Build the (4, 4) transform that rotates, then shifts."""
    transform = np.eye(4)
    transform[:3, :3] = rotation_matrix(quaternion)
    transform[:3, 3] = translation
    return transform


def invert_rigid(transform: np.ndarray) -> np.ndarray:
    """Return the inverse (4, 4) of a rigid transform (4, 4)."""
    inverse = np.eye(4)
    inverse[:3, :3] = transform[:3, :3].T
    inverse[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return inverse


def box_yaw(rotation: np.ndarray) -> np.ndarray:
    """Return the yaw (...,) of box rotations (..., 3, 3) as mmdet3d does.

    It is the yaw of pyquaternion's ``yaw_pitch_roll`` (x-y-z order), which
    differs from the heading where a box is tilted in the sensor's frame.
    """
    return np.arctan2(-rotation[..., 0, 1], rotation[..., 0, 0])
