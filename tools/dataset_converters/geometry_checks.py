"""Check poses, time stamps, calibration and boxes of a scene.

The limits are ours; real key frames are far from them.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np

from dataset_converters.file_checks import read_points
from dataset_converters.findings import ERROR, WARNING, DataFindings
from dataset_converters.nuscenes_tables import (
    LIDAR,
    NuScenesFrame,
    NuScenesScene,
    SensorReading,
)
from mmocc.infos.plausibility import (
    CAMERA_HEADINGS,
    USUAL_TURN,
    camera_heading,
    camera_turn,
)
from mmocc.infos.rigid import invert_rigid, rotation_matrix
from mmocc.infos.schema import MICROSECONDS
from mmocc.structures.occ3d import STEP_SECONDS

PART = 'geometry'
BOXES, BOXES_IN_VIEW = 'boxes', 'boxes in view'
POINTS, POINTS_IN_BOXES = 'points counted', 'points in boxes'
# Seconds that a step between key frames may differ from 0.5.
_STEP_TOLERANCE = 0.25
# Seconds between a camera and the LiDAR of its key frame; the real ones fire
# up to 0.05 s earlier.
_MOST_CAMERA_DELAY = 0.1
_MOST_SPEED = 45.0  # m/s
_POSE_NOISE = 0.5  # metres
_MOST_TILT = np.deg2rad(20.0)
_MOST_MOUNT = 10.0  # metres from the ego origin to a sensor
# Boxes that a camera must see: visible by 40 %, hit by the LiDAR and nearer
# than this (m).
_VISIBLE = '2'
_NEAR = 50.0
_LEAST_DEPTH = 0.5  # metres before a camera


def check_geometry(scene: NuScenesScene, findings: DataFindings) -> None:
    """Check the sensors of each frame and the steps between frames."""
    for frame in scene.frames:
        place = f'{scene.name} sample {frame.token}'
        for name, reading in (
            (LIDAR, frame.lidar),
            *frame.cameras.items(),
        ):
            for problem in _reading_problems(name, reading, frame.lidar):
                findings.add(ERROR, PART, f'{place} {name}', problem)
        _count_boxes_in_view(frame, findings)
    for before, after in pairwise(scene.frames):
        place = f'{scene.name} samples {before.token}, {after.token}'
        _check_step(before, after, place, findings)


def _reading_problems(
    name: str, reading: SensorReading, lidar: SensorReading
) -> list[str]:
    problems = []
    for which in ('ego2global', 'sensor2ego'):
        if not np.isfinite(getattr(reading, which)).all():
            return [f'its {which} is not finite']
    mount = float(np.linalg.norm(reading.sensor2ego[:3, 3]))
    if mount > _MOST_MOUNT:
        problems.append(
            f'is mounted {mount:.1f} m from the ego origin, expected metres'
        )
    if np.arccos(np.clip(reading.ego2global[2, 2], -1, 1)) > _MOST_TILT:
        problems.append('its ego pose is not upright')
    delay = (reading.timestamp - lidar.timestamp) / MICROSECONDS
    shift = reading.ego2global[:3, 3] - lidar.ego2global[:3, 3]
    if abs(delay) > _MOST_CAMERA_DELAY:
        problems.append(f'fires {delay:+.3f} s from the LiDAR')
    elif np.linalg.norm(shift) > _POSE_NOISE + abs(delay) * _MOST_SPEED:
        problems.append(
            f'its ego pose is {np.linalg.norm(shift):.1f} m from that of the '
            f'LiDAR, {delay:+.3f} s apart'
        )
    if name in CAMERA_HEADINGS:
        problems += _camera_problems(name, reading)
    return problems


def _camera_problems(name: str, camera: SensorReading) -> list[str]:
    matrix = camera.intrinsic
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        return [f'its intrinsic is {matrix.tolist()}, expected 3 x 3 numbers']
    if camera.width <= 0 or camera.height <= 0:
        return [f'its image is {camera.width} x {camera.height} in the tables']
    problems = []
    inside = (
        0 < matrix[0, 2] < camera.width and 0 < matrix[1, 2] < camera.height
    )
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not inside:
        problems.append(
            f'its intrinsic {matrix.tolist()} does not fit an image of '
            f'{camera.width} x {camera.height} pixels'
        )
    if camera_turn(name, camera.sensor2ego) > USUAL_TURN:
        problems.append(
            f'looks {camera_heading(camera.sensor2ego):.0f} degrees to the '
            f'left, expected about {CAMERA_HEADINGS[name]:.0f}: are cameras '
            'swapped?'
        )
    return problems


def _check_step(
    before: NuScenesFrame,
    after: NuScenesFrame,
    place: str,
    findings: DataFindings,
) -> None:
    step = (after.timestamp - before.timestamp) / MICROSECONDS
    if step <= 0:
        findings.add(ERROR, PART, place, f'time goes on by {step:.3f} s')
        return
    if abs(step - STEP_SECONDS) > _STEP_TOLERANCE:
        findings.add(
            WARNING, PART, place, f'are {step:.2f} s apart, expected 0.5 s'
        )
    moved = float(
        np.linalg.norm(
            after.lidar.ego2global[:3, 3] - before.lidar.ego2global[:3, 3]
        )
    )
    if moved > _POSE_NOISE + step * _MOST_SPEED:
        findings.add(
            ERROR,
            PART,
            place,
            f'the ego pose jumps by {moved:.1f} m in {step:.2f} s',
        )


def _count_boxes_in_view(frame: NuScenesFrame, findings: DataFindings) -> None:
    """Count near, visible boxes, and those whose centre is in an image."""
    here = frame.lidar.ego2global[:3, 3]
    centres = np.array(
        [
            box.translation
            for box in frame.annotations
            if box.visibility >= _VISIBLE
            and box.num_lidar_pts
            and np.linalg.norm(box.translation - here) < _NEAR
        ]
    ).reshape(-1, 3)
    seen = np.zeros(len(centres), dtype=bool)
    for camera in frame.cameras.values():
        seen |= in_image(centres, camera)
    findings.measured[BOXES] += len(centres)
    findings.measured[BOXES_IN_VIEW] += int(seen.sum())


def in_image(points: np.ndarray, camera: SensorReading) -> np.ndarray:
    """Return whether global points (N, 3) are in a camera's image, (N,)."""
    if camera.intrinsic.shape != (3, 3):
        return np.zeros(len(points), dtype=bool)
    global2cam = invert_rigid(camera.ego2global @ camera.sensor2ego)
    local = points @ global2cam[:3, :3].T + global2cam[:3, 3]
    depth = local[:, 2]
    pixels = local @ camera.intrinsic.T
    pixels = pixels[:, :2] / np.maximum(depth, _LEAST_DEPTH)[:, None]
    return (
        (depth > _LEAST_DEPTH)
        & (pixels >= 0).all(axis=1)
        & (pixels < (camera.width, camera.height)).all(axis=1)
    )


def count_points_in_boxes(
    frame: NuScenesFrame, root: Path, findings: DataFindings
) -> None:
    """Count LiDAR points in boxes, and those that the tables count."""
    points = read_points(root / frame.lidar.filename)[:, :3]
    lidar2global = frame.lidar.ego2global @ frame.lidar.sensor2ego
    points = points @ lidar2global[:3, :3].T + lidar2global[:3, 3]
    for box in frame.annotations:
        width, length, height = box.size
        findings.measured[POINTS] += box.num_lidar_pts
        findings.measured[POINTS_IN_BOXES] += points_in_box(
            points,
            box.translation,
            np.array((length, width, height)),
            rotation_matrix(box.rotation),
        )


def points_in_box(
    points: np.ndarray,
    centre: np.ndarray,
    size: np.ndarray,
    rotation: np.ndarray,
) -> int:
    """Count the points in a box.

    Args:
        points (np.ndarray): (N, 3) metres.
        centre (np.ndarray): (3,) centre of the box, frame of the points.
        size (np.ndarray): (3,) length, width, height, metres.
        rotation (np.ndarray): (3, 3) from the box to that frame.
    """
    # Most points are far away: comparing one axis is cheaper than rotating.
    reach = np.linalg.norm(size) / 2
    near = points[np.abs(points[:, 0] - centre[0]) <= reach]
    local = (near - centre) @ rotation
    return int((np.abs(local) <= size / 2).all(axis=1).sum())
