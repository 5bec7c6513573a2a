"""The six cameras as the papers show them, with what lies in the world.

Front left, front, front right over back left, back, back right.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mmocc.structures import OccGrid
from mmocc.visualization.agents import Agents, draw_boxes
from mmocc.visualization.camera_voxels import draw_camera_voxels
from mmocc.visualization.drawing import (
    INK,
    MUTED,
    PAPER,
    SHADE,
    SHIFT,
    TEXT_SIZE,
    Colour,
    Label,
    blank,
    disc,
    text_width,
    to_subpixels,
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

PATH_SPACING = 0.25
PATH_REACH = 200.0  # metres of a path, beyond what 3 s can reach
PATH_OPACITY = 0.6


class Path(NamedTuple):
    """A trajectory on the ground.

    Attributes:
        points (np.ndarray): (T, 2) positions in the ego frame, metres; the
            path starts at the ego.
        colour (Colour): RGB.
        width (float): Metres.
    """

    points: np.ndarray
    colour: Colour
    width: float


def draw_path(
    image: np.ndarray, path: Path, cam2img: np.ndarray, cam2ego: np.ndarray
) -> None:
    """Paint a path on the ground (z = 0 of the ego frame), in place."""
    corners = _ribbon(path)  # (N, 2, 3)
    pixels, depth = project(corners, cam2img, cam2ego)
    near = depth > NEAR
    painted = image.copy()
    for first in range(len(corners) - 1):
        quad = slice(first, first + 2)
        if near[quad].all():
            (left, right), (far_left, far_right) = pixels[quad]
            outline = np.stack([left, right, far_right, far_left])
            # OpenCV's fixed-point coordinates overflow far off the image.
            if np.abs(outline).max() < 2**14:
                cv2.fillConvexPoly(
                    painted,
                    to_subpixels(outline),
                    path.colour,
                    cv2.LINE_AA,
                    SHIFT,
                )
    cv2.addWeighted(
        painted, PATH_OPACITY, image, 1 - PATH_OPACITY, 0, dst=image
    )
    steps = np.pad(path.points, ((0, 0), (0, 1)))
    pixels, depth = project(steps, cam2img, cam2ego)
    height, width = image.shape[:2]
    for pixel, metres in zip(pixels, depth, strict=True):
        if metres > NEAR and ((pixel >= 0) & (pixel < (width, height))).all():
            radius = width / 200
            disc(image, pixel, radius * 1.4, PAPER)
            disc(image, pixel, radius, path.colour)


def _ribbon(path: Path) -> np.ndarray:
    """Left and right edge (N, 2, 3) of a path, densely sampled."""
    points = np.concatenate([np.zeros((1, 2)), path.points])
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    moving = np.concatenate([[True], lengths > 1e-3])
    points = points[moving]
    along = np.concatenate([[0.0], np.cumsum(lengths[moving[1:]])])
    # A plan that has gone astray would take minutes.
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
    paths: Sequence[Path] = (),
    cam2img: np.ndarray | None = None,
    cam2ego: np.ndarray | None = None,
    width: int = 1500,
    agents: Agents | None = None,
    semantics: np.ndarray | None = None,
    grid: OccGrid | None = None,
) -> np.ndarray:
    """Arrange camera images with their names and what lies in the world.

    The first image sets the shape of all tiles; images of another shape are
    shrunk into theirs, whole.

    Args:
        images (Sequence[np.ndarray]): V pictures (H, W, 3) uint8 RGB.
        names (Sequence[str]): V camera names. nuScenes' six take their places
            of the papers' figures (a missing one stays grey); other sets are
            laid out in their own order.
        paths (Sequence[Path]): Drawn in this order, over all else. Defaults
            to ().
        cam2img (np.ndarray, optional): (V, 3, 3) intrinsics of ``images`` as
            given; needed for whatever is drawn.
        cam2ego (np.ndarray, optional): (V, 4, 4); needed likewise.
        width (int): Pixels of the whole picture. Defaults to 1500.
        agents (Agents, optional): Boxes to draw. Defaults to None.
        semantics (np.ndarray, optional): (X, Y, Z) Occ3D ids, laid over the
            images. Defaults to None.
        grid (OccGrid, optional): Of ``semantics``. Defaults to Occ3D's.

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
    """A copy that fits into a tile, and its scale along u and v."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return picture, (size[0] / image.shape[1], size[1] / image.shape[0])
