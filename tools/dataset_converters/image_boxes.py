"""Boxes in the images, as mmdet3d's ``cam_instances`` define them.

Unlike mmdet3d's converter, the canvas has the image's own size.
"""

import numpy as np
from mmdet3d.datasets.convert_utils import nus_attributes, nus_categories
from shapely.geometry import MultiPoint, Polygon, box

from dataset_converters.nuscenes_tables import Annotation, Reading
from dataset_converters.object_boxes import detection_name
from mmocc.infos.rigid import box_yaw, rotation_matrix

# mmdet3d keeps boxes of these visibility tokens; '' is not annotated.
_VISIBILITIES = ('', '1', '2', '3', '4')
_NO_ATTRIBUTE = 'None'
# Corners of a box in its own frame, as shares of length, width and height.
_CORNERS = 0.5 * np.array(
    [[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]
)


def box_corners(
    centres: np.ndarray, sizes: np.ndarray, rotations: np.ndarray
) -> np.ndarray:
    """Corners (N, 8, 3) of boxes.

    Args:
        centres (np.ndarray): (N, 3).
        sizes (np.ndarray): (N, 3) width, length, height (nuScenes' order).
        rotations (np.ndarray): (N, 3, 3).
    """
    offsets = _CORNERS[None] * sizes[:, None, [1, 0, 2]]
    return np.einsum('nij,nkj->nki', rotations, offsets) + centres[:, None]


def _bound(pixels: np.ndarray, width: int, height: int) -> list[float] | None:
    """The part of a box outline on the canvas: x1, y1, x2, y2, or None.

    Args:
        pixels (np.ndarray): (K, 2) projected corners, K >= 1.
        width (int): Of the canvas.
        height (int): Of the canvas.
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


def camera_instances(
    annotations: tuple[Annotation, ...],
    velocities: np.ndarray,
    camera: Reading,
) -> list[dict]:
    """The boxes that a camera may see.

    Args:
        annotations (tuple[Annotation]): All boxes of the frame.
        velocities (np.ndarray): (N, 3) global, m/s, NaN where unknown.
        camera (Reading): Calibration, pose and size of the image.

    Returns:
        list[dict]: In mmdet3d's schema; centre behind the camera left out.
    """
    if not annotations:
        return []
    global2cam = np.linalg.inv(camera.ego2global @ camera.sensor2ego)
    turn, shift = global2cam[:3, :3], global2cam[:3, 3]
    centres = np.stack([a.translation for a in annotations]) @ turn.T + shift
    sizes = np.stack([a.size for a in annotations])
    rotations = turn @ rotation_matrix(
        np.stack([a.rotation for a in annotations])
    )
    corners = box_corners(centres, sizes, rotations)
    yaws = -box_yaw(rotations)
    speeds = velocities @ turn.T
    found = []
    for k, annotation in enumerate(annotations):
        name = detection_name(annotation.category)
        visible = corners[k][corners[k][:, 2] > 0]
        if (
            annotation.visibility not in _VISIBILITIES
            or name is None
            or not len(visible)
            or centres[k, 2] <= 0
        ):
            continue
        pixels = visible @ camera.intrinsic.T
        bound = _bound(
            pixels[:, :2] / pixels[:, 2:], camera.width, camera.height
        )
        if bound is None:
            continue
        centre = camera.intrinsic @ centres[k]
        label = nus_categories.index(name)
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
                attr_label=nus_attributes.index(
                    annotation.attribute or _NO_ATTRIBUTE
                ),
            )
        )
    return found
