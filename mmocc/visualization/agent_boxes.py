"""Boxes of road users in the ego frame and in camera images."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mmocc.infos import InfoFrame
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


def info_agents(info: Mapping) -> AgentBoxes:
    """Read the boxes of a frame in the ego frame.

    Boxes whose ``bbox_3d_isvalid`` is False are left out. A frame without
    boxes gives none.

    Args:
        info (Mapping): Item of ``NuScenesOccDataset``, or an element of an
            info file whose box labels are Occ3D ids.

    Raises:
        InfoFileError: If a box or the pose of the LiDAR is not finite.
    """
    frame = InfoFrame({'instances': (), **info})
    boxes = frame.boxes
    boxes = boxes.chosen(boxes.valid)
    futures = [future[:, :2] for future in boxes.known_futures]
    return AgentBoxes(boxes.arrays, boxes.labels, futures)


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
