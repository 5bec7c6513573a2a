"""Boxes of road users in the ego frame and in camera images."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mmocc.structures import FREE, OCC3D_PALETTE
from mmocc.visualization.drawing import INK, Colour, clipped_line
from mmocc.visualization.projection import NEAR, project

# Boxes further away than this, in metres, are drawn with thin lines.
FAR_BOX = 30.0
NEAR_THICKNESS, FAR_THICKNESS = 2, 1

# Corners of a box from -1 to 1: the four of the floor, then those above them.
# The first two of either are the front corners.
_CORNERS = np.array(
    [
        [x, y, z]
        for z in (-1, 1)
        for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
)
_EDGES = (
    *((0, 1), (1, 2), (2, 3), (3, 0)),
    *((4, 5), (5, 6), (6, 7), (7, 4)),
    *((0, 4), (1, 5), (2, 6), (3, 7)),
)
# A cross on the front face shows the heading.
_FRONT = ((0, 5), (1, 4))


class AgentBoxes(NamedTuple):
    """Ground-truth boxes of the road users of one frame.

    Attributes:
        boxes (np.ndarray): (N, 7) in the ego frame: x, y, z of the centre,
            length, width, height in metres, yaw in radians.
        labels (np.ndarray): (N,) Occ3D ids; -1 for classes without one.
        futures (list[np.ndarray]): N arrays (T, 2) of the known future
            positions in the current ego frame; T may be 0.
    """

    boxes: np.ndarray
    labels: np.ndarray
    futures: list[np.ndarray]

    @property
    def corners(self) -> np.ndarray:
        """Corners (N, 8, 3) in metres: the floor (front left, front right,
        rear right, rear left), then the roof."""
        local = _CORNERS * self.boxes[:, None, 3:6] / 2
        cos, sin = np.cos(self.boxes[:, 6:]), np.sin(self.boxes[:, 6:])
        x, y = local[..., 0], local[..., 1]
        turned = np.stack(
            [x * cos - y * sin, x * sin + y * cos, local[..., 2]], axis=-1
        )
        return turned + self.boxes[:, None, :3]

    def colour(self, index: int) -> Colour:
        """Return the palette colour of an agent's class, RGB."""
        label = int(self.labels[index])
        return OCC3D_PALETTE[label] if 0 <= label < FREE else INK


def info_agents(
    info: Mapping, occ3d_ids: Mapping[int, int] | None = None
) -> AgentBoxes:
    """Read the boxes of a frame and transform them into the ego frame.

    Boxes whose ``bbox_3d_isvalid`` is False are left out.

    Args:
        info (Mapping): Element of an info file with ``instances``, whose
            boxes are in the LiDAR frame, and ``lidar_points.lidar2ego``.
        occ3d_ids (Mapping[int, int], optional): Occ3D ids by the labels of
            the file. Defaults to None: the labels are Occ3D ids, as in items
            of ``NuScenesOccDataset``.

    Raises:
        ValueError: If a box or the pose of the LiDAR is not finite.
    """
    instances = [
        each
        for each in info.get('instances', ())
        if each.get('bbox_3d_isvalid', True)
    ]
    lidar = info.get('lidar_points', {})
    lidar2ego = np.asarray(lidar.get('lidar2ego', np.eye(4)), dtype=float)
    boxes = np.array([each['bbox_3d'][:7] for each in instances], dtype=float)
    boxes = boxes.reshape(-1, 7)
    for what, values in (('bbox_3d', boxes), ('lidar2ego', lidar2ego)):
        if not np.isfinite(values).all():
            raise ValueError(
                f'frame {info.get("token")}: {what} holds values that are '
                'not finite; make the info file again with '
                'tools/create_data.py, or leave the frame out'
            )
    heading = np.stack(
        [np.cos(boxes[:, 6]), np.sin(boxes[:, 6]), np.zeros(len(boxes))],
        axis=1,
    )
    heading = heading @ lidar2ego[:3, :3].T
    boxes[:, :3] = boxes[:, :3] @ lidar2ego[:3, :3].T + lidar2ego[:3, 3]
    boxes[:, 6] = np.arctan2(heading[:, 1], heading[:, 0])
    labels = [each['bbox_label_3d'] for each in instances]
    if occ3d_ids is not None:
        labels = [occ3d_ids.get(label, -1) for label in labels]
    return AgentBoxes(
        boxes,
        np.array(labels, dtype=int),
        [_known_future(each) for each in instances],
    )


def _known_future(instance: Mapping) -> np.ndarray:
    """Return the known future positions (T, 2) of an instance."""
    if 'fut_box' not in instance:
        return np.zeros((0, 2))
    known = np.asarray(instance['fut_mask'], dtype=bool)
    return np.asarray(instance['fut_box'], dtype=float)[known, :2]


def draw_boxes(
    image: np.ndarray,
    agents: AgentBoxes,
    cam2img: np.ndarray,
    cam2ego: np.ndarray,
) -> None:
    """Draw the edges of boxes over a camera image, far ones first, in place.

    A cross marks the front face. Edges are clipped at the image plane.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB.
        agents (AgentBoxes): Boxes of the frame.
        cam2img (np.ndarray): (3, 3) intrinsics in pixels of ``image``.
        cam2ego (np.ndarray): (4, 4) pose of the camera.
    """
    corners = agents.corners  # (N, 8, 3)
    middle = agents.boxes[:, :3] - cam2ego[:3, 3]
    away = np.linalg.norm(middle, axis=1)
    for index in np.argsort(-away, kind='stable'):
        thickness = NEAR_THICKNESS if away[index] < FAR_BOX else FAR_THICKNESS
        for first, last in (*_EDGES, *_FRONT):
            _draw_edge(
                image,
                corners[index, [first, last]],
                agents.colour(index),
                # The cross is thin at any distance.
                FAR_THICKNESS if (first, last) in _FRONT else thickness,
                cam2img,
                cam2ego,
            )


def _draw_edge(
    image: np.ndarray,
    ends: np.ndarray,
    colour: Colour,
    thickness: int,
    cam2img: np.ndarray,
    cam2ego: np.ndarray,
) -> None:
    """Draw the part of a segment (2, 3) that lies before the camera."""
    depth = (ends - cam2ego[:3, 3]) @ cam2ego[:3, 2]
    if (depth < NEAR).all():
        return
    if (depth < NEAR).any():
        hidden = int(depth.argmin())
        share = (NEAR - depth[hidden]) / (depth[1 - hidden] - depth[hidden])
        ends = ends.copy()
        ends[hidden] += share * (ends[1 - hidden] - ends[hidden])
    pixels, _ = project(ends, cam2img, cam2ego)
    clipped_line(image, pixels - 0.5, colour, thickness)
