"""A panel of camera images with boxes, plans and voxels drawn over them.

nuScenes' cameras are laid out as in the papers' figures: front left, front,
front right above back left, back, back right.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mmocc.structures import OccGrid
from mmocc.visualization.agent_boxes import AgentBoxes, draw_boxes
from mmocc.visualization.camera_voxels import draw_camera_voxels
from mmocc.visualization.drawing import (
    INK,
    MUTED,
    PAPER,
    SHADE,
    TEXT_SIZE,
    Colour,
    Label,
    blank,
    blend,
    disc,
    fill_polygon,
    text_width,
    write_labels,
)
from mmocc.visualization.projection import (
    NEAR,
    check_calibration,
    check_images,
    project,
)

FIGURE_ORDER = (
    'CAM_FRONT_LEFT',
    'CAM_FRONT',
    'CAM_FRONT_RIGHT',
    'CAM_BACK_LEFT',
    'CAM_BACK',
    'CAM_BACK_RIGHT',
)
COLUMNS = 3
TILE_GAP = 4

PATH_SPACING = 0.25  # metres
PATH_REACH = 200.0  # metres, more than 3 s of driving reach
PATH_OPACITY = 0.6
# OpenCV's fixed-point coordinates overflow farther off the image, in pixels.
FARTHEST_PIXEL = 2**14


class GroundPath(NamedTuple):
    """A trajectory that is painted on the ground.

    Attributes:
        points (np.ndarray): (T, 2) positions in the ego frame in metres; the
            path starts at the ego vehicle.
        colour (Colour): RGB.
        width (float): Width on the ground in metres.
    """

    points: np.ndarray
    colour: Colour
    width: float


def draw_path(
    image: np.ndarray,
    path: GroundPath,
    cam2img: np.ndarray,
    cam2ego: np.ndarray,
) -> None:
    """Paint a path on the ground (z = 0 of the ego frame), in place."""
    corners = _path_edges(path)  # (N, 2, 3)
    pixels, depth = project(corners, cam2img, cam2ego)
    near = depth > NEAR
    painted = image.copy()
    for first in range(len(corners) - 1):
        quad = slice(first, first + 2)
        if near[quad].all():
            (left, right), (far_left, far_right) = pixels[quad]
            outline = np.stack([left, right, far_right, far_left])
            if np.abs(outline).max() < FARTHEST_PIXEL:
                fill_polygon(painted, outline, path.colour)
    blend(image, painted, PATH_OPACITY)
    steps = np.pad(path.points, ((0, 0), (0, 1)))
    pixels, depth = project(steps, cam2img, cam2ego)
    height, width = image.shape[:2]
    for pixel, metres in zip(pixels, depth, strict=True):
        if metres > NEAR and ((pixel >= 0) & (pixel < (width, height))).all():
            radius = width / 200
            disc(image, pixel, radius * 1.4, PAPER)
            disc(image, pixel, radius, path.colour)


def _path_edges(path: GroundPath) -> np.ndarray:
    """Sample the left and right edge (N, 2, 3) of a path densely."""
    points = np.concatenate([np.zeros((1, 2)), path.points])
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    moving = np.concatenate([[True], lengths > 1e-3])
    points = points[moving]
    along = np.concatenate([[0.0], np.cumsum(lengths[moving[1:]])])
    # A diverged plan would take minutes.
    reach = min(along[-1], PATH_REACH)
    count = int(reach / PATH_SPACING) + 1
    if count < 2:
        return np.zeros((0, 2, 3))
    places = np.linspace(0, reach, count)
    dense = np.stack(
        [np.interp(places, along, points[:, axis]) for axis in (0, 1)], axis=1
    )
    tangent = np.gradient(dense, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    half = normal * path.width / 2
    edges = np.stack([dense + half, dense - half], axis=1)  # (N, 2, 2)
    return np.pad(edges, ((0, 0), (0, 0), (0, 1)))


def camera_panel(
    images: Sequence[np.ndarray],
    names: Sequence[str],
    paths: Sequence[GroundPath] = (),
    cam2img: np.ndarray | None = None,
    cam2ego: np.ndarray | None = None,
    width: int = 1500,
    agents: AgentBoxes | None = None,
    semantics: np.ndarray | None = None,
    grid: OccGrid | None = None,
) -> np.ndarray:
    """Arrange camera images in a panel and draw plans, boxes, voxels on them.

    The first image sets the shape of all tiles; images of another shape are
    scaled to fit into theirs.

    Args:
        images (Sequence[np.ndarray]): V pictures (H, W, 3) uint8 RGB.
        names (Sequence[str]): V camera names. nuScenes' six are laid out as in
            the papers' figures, with a grey tile for a missing one; other
            cameras are laid out in their own order.
        paths (Sequence[GroundPath]): Trajectories, drawn in this order over
            boxes and voxels. Defaults to ().
        cam2img (np.ndarray, optional): (V, 3, 3) intrinsics of ``images`` as
            given, needed for all that is drawn. Defaults to None.
        cam2ego (np.ndarray, optional): (V, 4, 4) poses of the cameras, needed
            likewise. Defaults to None.
        width (int): Width of the panel in pixels. Defaults to 1500.
        agents (AgentBoxes, optional): Boxes to draw. Defaults to None.
        semantics (np.ndarray, optional): (X, Y, Z) Occ3D ids of voxels to
            draw. Defaults to None.
        grid (OccGrid, optional): Grid of ``semantics``. Defaults to None,
            Occ3D's.

    Returns:
        np.ndarray: (H, width, 3) uint8 RGB.

    Raises:
        ValueError: If there is not one picture for each name, or the
            calibration is missing, misshapen or not finite.
    """
    check_images(images, names)
    draws = bool(paths) or agents is not None or semantics is not None
    if draws:
        if cam2img is None or cam2ego is None:
            raise ValueError(
                'paths, boxes and voxels need cam2img and cam2ego to be '
                'projected'
            )
        check_calibration(cam2img, cam2ego, names)
    order = list(names)
    if set(names) <= set(FIGURE_ORDER):
        order = list(FIGURE_ORDER)
    tile_width = (width - (COLUMNS - 1) * TILE_GAP) // COLUMNS
    tile_height = round(tile_width * images[0].shape[0] / images[0].shape[1])
    rows = -(-len(order) // COLUMNS)
    panel = blank(width, rows * (tile_height + TILE_GAP) - TILE_GAP)
    labels = []
    for place, name in enumerate(order):
        top = place // COLUMNS * (tile_height + TILE_GAP)
        left = place % COLUMNS * (tile_width + TILE_GAP)
        tile = panel[top : top + tile_height, left : left + tile_width]
        tile[:] = SHADE
        if name in names:
            view = list(names).index(name)
            picture, scale = _fit(images[view], tile_width, tile_height)
            if draws:
                intrinsics = np.diag([*scale, 1.0]) @ cam2img[view]
                pose = np.asarray(cam2ego[view])
                if semantics is not None:
                    draw_camera_voxels(
                        picture, semantics, intrinsics, pose, grid
                    )
                if agents is not None:
                    draw_boxes(picture, agents, intrinsics, pose)
                for path in paths:
                    draw_path(picture, path, intrinsics, pose)
            tile[: len(picture), : picture.shape[1]] = picture
        else:
            labels.append(
                Label(
                    'no image',
                    left + tile_width / 2,
                    top + tile_height / 2,
                    colour=MUTED,
                    anchor='mm',
                )
            )
        title = name.removeprefix('CAM_').replace('_', ' ').lower()
        badge = tile[: TEXT_SIZE + 10, : text_width(title, TEXT_SIZE) + 16]
        badge[:] = np.rint(badge * 0.3 + np.array(INK) * 0.7)
        labels.append(
            Label(
                title,
                left + 8,
                top + (TEXT_SIZE + 10) / 2,
                colour=PAPER,
                anchor='lm',
            )
        )
    return write_labels(panel, labels)


def _fit(
    image: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """Scale an image to fit into a tile; return it and its scales in u, v."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return picture, (size[0] / image.shape[1], size[1] / image.shape[0])
