"""Sensor rig of the synthetic car: close to the real nuScenes one.

Numbers are rounded from the calibration of a real nuScenes car: six cameras
that together see all round, the rear one wider, and one roof LiDAR.
"""

from dataclasses import dataclass

import numpy as np

from mmocc.structures.occ3d import CAMERAS

# Intrinsics hold for images of this size and scale with the stored size.
FULL_SIZE = (1600, 900)

LIDAR_TRANSLATION = (0.9437, 0.0, 1.8402)
LIDAR_YAW = -np.pi / 2  # x right, y forward

# Ring r looks up by LIDAR_RINGS[r] degrees.
LIDAR_RINGS = -30.67 + 1.3333 * np.arange(32)


@dataclass(frozen=True)
class Camera:
    """One calibrated camera.

    Attributes:
        name (str): Channel, such as ``CAM_FRONT``.
        translation (tuple): Optical centre in the ego frame, metres.
        yaw (float): Heading of the optical axis in the ego frame, radians.
        focal (float): Focal length in pixels at ``FULL_SIZE``.
        centre (tuple): Principal point in pixels at ``FULL_SIZE``.
        pitch (float): Downward tilt of the optical axis, radians.
        lead (float): Seconds that it is exposed before the LiDAR's key frame,
            where a preset has camera offsets.
    """

    name: str
    translation: tuple[float, float, float]
    yaw: float
    focal: float
    centre: tuple[float, float]
    pitch: float = 0.0
    lead: float = 0.0

    def intrinsic(self, size: tuple[int, int]) -> np.ndarray:
        """(3, 3) matrix for images of ``size`` (width, height) pixels."""
        scale_x, scale_y = size[0] / FULL_SIZE[0], size[1] / FULL_SIZE[1]
        return np.array(
            [
                [self.focal * scale_x, 0.0, self.centre[0] * scale_x],
                [0.0, self.focal * scale_y, self.centre[1] * scale_y],
                [0.0, 0.0, 1.0],
            ]
        )

    def cam2ego(self) -> np.ndarray:
        """(4, 4) pose; camera axes are x right, y down, z forward."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        cos_p, sin_p = np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([cos * cos_p, sin * cos_p, -sin_p])
        right = np.array([sin, -cos, 0.0])
        pose = np.eye(4)
        pose[:3, 0] = right
        pose[:3, 1] = np.cross(forward, right)
        pose[:3, 2] = forward
        pose[:3, 3] = self.translation
        return pose


_RIG = {
    'CAM_FRONT': ((1.70, 0.02, 1.51), 0.3, 1266.0, (816.0, 491.0)),
    'CAM_FRONT_RIGHT': ((1.55, -0.49, 1.50), -56.4, 1261.0, (808.0, 495.0)),
    'CAM_FRONT_LEFT': ((1.52, 0.49, 1.51), 55.2, 1272.0, (826.0, 480.0)),
    'CAM_BACK': ((0.03, 0.0, 1.57), 180.1, 809.0, (829.0, 482.0)),
    'CAM_BACK_LEFT': ((1.04, 0.48, 1.59), 108.6, 1257.0, (793.0, 493.0)),
    'CAM_BACK_RIGHT': ((1.02, -0.48, 1.56), -110.9, 1260.0, (807.0, 501.0)),
}

# Seconds before the LiDAR's key frame, measured on a real key frame: the
# LiDAR turns clockwise and each camera looks when it passes.
_LEADS = {
    'CAM_FRONT': 0.035,
    'CAM_FRONT_RIGHT': 0.028,
    'CAM_FRONT_LEFT': 0.043,
    'CAM_BACK': 0.010,
    'CAM_BACK_LEFT': 0.0005,
    'CAM_BACK_RIGHT': 0.020,
}

CAMERA_RIG = tuple(
    Camera(name, place, np.radians(yaw), focal, centre, lead=_LEADS[name])
    for name, (place, yaw, focal, centre) in (
        (name, _RIG[name]) for name in CAMERAS
    )
)


def pose_matrix(x: float, y: float, yaw: float, z: float = 0.0) -> np.ndarray:
    """(4, 4) rigid transform of a planar pose, metres and radians."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    pose = np.eye(4)
    pose[:2, :2] = [[cos, -sin], [sin, cos]]
    pose[:3, 3] = x, y, z
    return pose


def lidar2ego() -> np.ndarray:
    """(4, 4) pose of the LiDAR in the ego frame."""
    x, y, z = LIDAR_TRANSLATION
    return pose_matrix(x, y, LIDAR_YAW, z)


def quaternion(rotation: np.ndarray) -> list[float]:
    """Unit quaternion (w, x, y, z) of a (3, 3) rotation, w >= 0."""
    matrix = rotation
    trace = np.trace(matrix)
    candidates = np.array(
        [
            trace,
            matrix[0, 0] * 2 - trace,
            matrix[1, 1] * 2 - trace,
            matrix[2, 2] * 2 - trace,
        ]
    )
    lead = int(candidates.argmax())
    value = np.empty(4)
    value[lead] = 0.5 * np.sqrt(1.0 + candidates[lead])
    step = 4.0 * value[lead]
    if lead == 0:
        value[1] = (matrix[2, 1] - matrix[1, 2]) / step
        value[2] = (matrix[0, 2] - matrix[2, 0]) / step
        value[3] = (matrix[1, 0] - matrix[0, 1]) / step
    else:
        i = lead - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        value[0] = (matrix[k, j] - matrix[j, k]) / step
        value[1 + j] = (matrix[j, i] + matrix[i, j]) / step
        value[1 + k] = (matrix[k, i] + matrix[i, k]) / step
    if value[0] < 0:
        value = -value
    return [float(number) for number in value]
