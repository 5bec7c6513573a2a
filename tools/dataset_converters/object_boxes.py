"""Annotated boxes as instances of mmdet3d's info files, in 3D and in images.

Unlike in mmdet3d's converter, boxes in images are cut at the image's own
size.
"""

from collections.abc import Sequence

import numpy as np
from nuscenes.eval.detection.utils import category_to_detection_name
from shapely.geometry import MultiPoint, Polygon, box

from dataset_converters.nuscenes_tables import (
    BoxAnnotation,
    NuScenesFrame,
    SensorReading,
)
from mmocc.infos import DETECTION_CLASSES, IGNORED_LABEL
from mmocc.infos.rigid import box_yaw, rotation_matrix
from mmocc.infos.schema import MICROSECONDS

# ``nus_attributes`` of mmdet3d, whose import would load all of mmdet3d; a
# test compares them. Labels are indices in them.
_NO_ATTRIBUTE = 'None'
ATTRIBUTES = (
    'cycle.with_rider',
    'cycle.without_rider',
    'pedestrian.moving',
    'pedestrian.standing',
    'pedestrian.sitting_lying_down',
    'vehicle.moving',
    'vehicle.parked',
    'vehicle.stopped',
    _NO_ATTRIBUTE,
)
# The longest gap, seconds, over which nuScenes estimates a velocity; twice
# that where both neighbours exist (nuscenes-devkit, ``box_velocity``).
_MAX_VELOCITY_GAP = 1.5
# mmdet3d keeps boxes of these visibility tokens; '' is not annotated.
_VISIBILITIES = ('', '1', '2', '3', '4')
# Corners of a box in its own frame, as shares of length, width and height.
_CORNERS = 0.5 * np.array(
    [[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]
)  # (8, 3)


def detection_label(category: str) -> int:
    """Return mmdet3d's label of a nuScenes category, -1 without a class."""
    name = category_to_detection_name(category)
    return IGNORED_LABEL if name is None else DETECTION_CLASSES.index(name)


def box_velocities(frames: Sequence[NuScenesFrame]) -> list[np.ndarray]:
    """Estimate velocities of the boxes of a scene as nuscenes-devkit does.

    Args:
        frames (Sequence[NuScenesFrame]): All key frames of the scene.

    Returns:
        list[np.ndarray]: For each frame (N, 3) of its boxes, global, m/s;
        NaN where unknown, z is 0.
    """
    boxes = {b.token: b for f in frames for b in f.annotations}
    times = {f.token: f.timestamp / MICROSECONDS for f in frames}
    return [
        np.array([_velocity(b, boxes, times) for b in f.annotations]).reshape(
            -1, 3
        )
        for f in frames
    ]


def _velocity(
    here: BoxAnnotation,
    boxes: dict[str, BoxAnnotation],
    times: dict[str, float],
) -> np.ndarray:
    first = boxes[here.prev] if here.prev else here
    last = boxes[here.next] if here.next else here
    gap = times[last.sample_token] - times[first.sample_token]
    limit = _MAX_VELOCITY_GAP * (2 if here.prev and here.next else 1)
    if first is last or gap > limit:
        return np.full(3, np.nan)
    velocity = (last.translation - first.translation) / gap
    velocity[2] = 0.0
    return velocity


def box_rotations(boxes: Sequence[BoxAnnotation]) -> np.ndarray:
    """Return rotations (N, 3, 3) from boxes to the global frame, N >= 1."""
    return rotation_matrix(np.stack([b.rotation for b in boxes]))


def instances_3d(
    boxes: Sequence[BoxAnnotation],
    velocities: np.ndarray,
    global2lidar: np.ndarray,
) -> list[dict]:
    """Build mmdet3d's ``instances`` of a frame, in the LiDAR frame.

    Args:
        boxes (Sequence[BoxAnnotation]): All boxes of the frame.
        velocities (np.ndarray): (N, 3) global, m/s, NaN where unknown.
        global2lidar (np.ndarray): (4, 4).
    """
    if not boxes:
        return []
    turn, shift = global2lidar[:3, :3], global2lidar[:3, 3]
    centres = np.stack([b.translation for b in boxes]) @ turn.T + shift
    yaws = box_yaw(turn @ box_rotations(boxes))  # (N,)
    speeds = velocities @ turn.T
    instances = []
    for k, annotation in enumerate(boxes):
        label = detection_label(annotation.category)
        width, length, height = annotation.size.tolist()
        points = annotation.num_lidar_pts + annotation.num_radar_pts
        instances.append(
            dict(
                bbox_label=label,
                bbox_3d=[
                    *centres[k].tolist(),
                    length,
                    width,
                    height,
                    float(yaws[k]),
                ],
                bbox_3d_isvalid=points > 0,
                bbox_label_3d=label,
                num_lidar_pts=annotation.num_lidar_pts,
                num_radar_pts=annotation.num_radar_pts,
                velocity=speeds[k, :2].tolist(),
            )
        )
    return instances


def camera_instances(
    boxes: Sequence[BoxAnnotation],
    velocities: np.ndarray,
    camera: SensorReading,
) -> list[dict]:
    """Build mmdet3d's ``cam_instances`` of a camera, in the camera frame.

    Args:
        boxes (Sequence[BoxAnnotation]): All boxes of the frame.
        velocities (np.ndarray): (N, 3) global, m/s, NaN where unknown.
        camera (SensorReading): Calibration, pose and size of the image.

    Returns:
        list[dict]: Boxes of detection classes that the image shows in part
        and whose centre is in front of the camera.
    """
    if not boxes:
        return []
    global2cam = np.linalg.inv(camera.ego2global @ camera.sensor2ego)
    turn, shift = global2cam[:3, :3], global2cam[:3, 3]
    centres = np.stack([b.translation for b in boxes]) @ turn.T + shift
    sizes = np.stack([b.size for b in boxes])  # width, length, height
    rotations = turn @ box_rotations(boxes)
    offsets = _CORNERS[None] * sizes[:, None, [1, 0, 2]]
    corners = np.einsum('nij,nkj->nki', rotations, offsets)
    corners += centres[:, None]  # (N, 8, 3)
    yaws = -box_yaw(rotations)
    speeds = velocities @ turn.T
    found = []
    for k, annotation in enumerate(boxes):
        label = detection_label(annotation.category)
        visible = corners[k][corners[k][:, 2] > 0]
        if (
            annotation.visibility not in _VISIBILITIES
            or label == IGNORED_LABEL
            or not len(visible)
            or centres[k, 2] <= 0
        ):
            continue
        pixels = visible @ camera.intrinsic.T
        bound = _image_bound(
            pixels[:, :2] / pixels[:, 2:], camera.width, camera.height
        )
        if bound is None:
            continue
        centre = camera.intrinsic @ centres[k]
        width, length, height = sizes[k].tolist()
        found.append(
            dict(
                bbox_label=label,
                bbox_label_3d=label,
                bbox=bound,
                bbox_3d_isvalid=True,
                bbox_3d=[
                    *centres[k].tolist(),
                    length,
                    height,
                    width,
                    float(yaws[k]),
                ],
                velocity=speeds[k, [0, 2]].tolist(),
                center_2d=(centre[:2] / centre[2]).tolist(),
                depth=float(centre[2]),
                attr_label=ATTRIBUTES.index(
                    annotation.attribute or _NO_ATTRIBUTE
                ),
            )
        )
    return found


def _image_bound(
    pixels: np.ndarray, width: int, height: int
) -> list[float] | None:
    """Return x1, y1, x2, y2 of a box outline inside of an image, or None.

    The result is that of mmdet3d's ``post_process_coords``, but shapely is
    asked only where the outline crosses the border of the image.

    Args:
        pixels (np.ndarray): (K, 2) projected corners, K >= 1.
        width (int): Width of the image.
        height (int): Height of the image.
    """
    low, high = pixels.min(0), pixels.max(0)
    if (high < 0).any() or low[0] > width or low[1] > height:
        return None
    if (low >= 0).all() and high[0] <= width and high[1] <= height:
        return [*low.tolist(), *high.tolist()] if len(pixels) > 2 else None
    cut = MultiPoint(pixels).convex_hull.intersection(box(0, 0, width, height))
    if not isinstance(cut, Polygon) or cut.is_empty:
        return None
    return [float(value) for value in cut.bounds]
