"""Occupied voxels in 3D, seen from behind and above the ego vehicle.

A painter's algorithm: on a regular grid the slices from far to near, and
within them the columns from far to near, are an exact back-to-front order, so
that faces need no depth buffer. Only faces with free space before them are
drawn. The sun stands to the left and behind; voxels that a neighbour hides
from it lie in shadow. Without a display and without open3d, a real label takes
well under 0.2 s on one core.
"""

from typing import NamedTuple

import cv2
import numpy as np

from mmocc.structures import FREE, OCC3D_CLASSES, OCC3D_PALETTE, OccGrid
from mmocc.structures.occ3d import FLAT_CLASSES
from mmocc.visualization.drawing import (
    INK,
    SHADE,
    SHIFT,
    blank,
    to_subpixels,
)

# Renault Zoe of nuScenes: length, width, height in metres; how far the
# vehicle's centre lies ahead of the ego origin (the rear axle).
EGO_SIZE = (4.084, 1.85, 1.56)
EGO_AHEAD = 1.44
EGO_COLOUR = (250, 250, 250)

# Where the camera stands, in lengths of the grid: behind its rear edge and
# above its floor.
CAMERA_BEHIND = 0.6
CAMERA_ABOVE = 0.8

# Share of its colour that a face keeps: the top, the rear, the sides.
TOP, REAR, LEFT, RIGHT = 1.0, 0.8, 0.7, 0.56
SHADOW = 0.7
# What each of the eight neighbours above takes from a top face.
CORNER_SHADE = 0.03
OUTLINE = 0.84
# Steps in voxels towards the sun for each voxel of height.
SUN_STEP = (-0.45, 0.75)
SUPERSAMPLING = 2

_FLAT_IDS = [OCC3D_CLASSES.index(name) for name in FLAT_CLASSES]
_GROUND_RADIUS = 10.0

# Corners of the faces of a cube from -1 to 1.
_TOP = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
_REAR = np.array([[-1, -1, -1], [-1, 1, -1], [-1, 1, 1], [-1, -1, 1]])
_LEFT = np.array([[-1, 1, -1], [1, 1, -1], [1, 1, 1], [-1, 1, 1]])
_RIGHT = _LEFT * (1, -1, 1)


class Camera(NamedTuple):
    """A pinhole camera in the ego frame; see :func:`chase_camera`.

    Attributes:
        position (np.ndarray): (3,) metres.
        axes (np.ndarray): (3, 3), columns right, down, forward.
        scale (float): Focal length in pixels.
        offset (np.ndarray): (2,) pixel of the optical axis.
    """

    position: np.ndarray
    axes: np.ndarray
    scale: float
    offset: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of points (..., 3) in metres."""
        seen = (points - self.position) @ self.axes
        return seen[..., :2] / seen[..., 2:] * self.scale + self.offset


def chase_camera(grid: OccGrid, width: int, height: int) -> Camera:
    """A camera behind and above the grid that frames all of it."""
    length = grid.maximum[0] - grid.minimum[0]
    middle = (grid.minimum + grid.maximum) / 2
    position = np.array(
        [
            grid.minimum[0] - CAMERA_BEHIND * length,
            middle[1],
            grid.minimum[2] + CAMERA_ABOVE * length,
        ]
    )
    forward = np.array([middle[0], middle[1], grid.minimum[2]]) - position
    forward /= np.linalg.norm(forward)
    right = np.array([0.0, -1.0, 0.0])
    axes = np.stack([right, np.cross(forward, right), forward], axis=1)
    unit = Camera(position, axes, 1.0, np.zeros(2))
    box = np.stack([grid.minimum, grid.maximum])
    x, y, z = np.meshgrid(*box.T, indexing='ij')
    seen = unit.project(np.stack([x, y, z], axis=-1).reshape(-1, 3))
    size = np.array([width, height])
    low, high = seen.min(axis=0), seen.max(axis=0)
    scale = float((size / (high - low)).min())
    return Camera(position, axes, scale, size / 2 - (low + high) / 2 * scale)


def ground_height(
    semantics: np.ndarray, grid: OccGrid, fallback: float = 0.0
) -> float:
    """Height of the ground near the ego vehicle, in metres.

    The median upper edge of the flat voxels within 10 m. Where the ground
    lies in the grid differs from label to label.
    """
    index = np.argwhere(np.isin(semantics, _FLAT_IDS))
    centres = grid.to_metres(index)
    near = np.abs(centres[:, :2]).max(axis=1, initial=0) < _GROUND_RADIUS
    if not near.any():
        return fallback
    return float(np.median(centres[near, 2]) + grid.voxel_size[2] / 2)


def draw_voxels(
    occupied: np.ndarray,
    colours: np.ndarray,
    width: int,
    height: int,
    grid: OccGrid | None = None,
    ground: float = 0.0,
) -> np.ndarray:
    """Draw coloured voxels and the ego vehicle.

    Args:
        occupied (np.ndarray): (X, Y, Z) bool.
        colours (np.ndarray): (N, 3) RGB of the N occupied voxels, in the
            order of ``np.argwhere(occupied)``.
        width (int): Pixels.
        height (int): Pixels.
        grid (OccGrid, optional): Defaults to Occ3D's.
        ground (float): Height on which the ego vehicle stands, in metres.
            Defaults to 0.0.

    Returns:
        np.ndarray: (height, width, 3) uint8 RGB.
    """
    grid = grid or OccGrid()
    if occupied.shape != grid.shape:
        raise ValueError(
            f'the voxels have shape {occupied.shape}, the grid {grid.shape}; '
            'pass the grid that the voxels belong to'
        )
    camera = chase_camera(grid, width * SUPERSAMPLING, height * SUPERSAMPLING)
    quads, shades, slices = _voxel_faces(occupied, colours, grid, camera)
    rear = grid.to_index(np.array([EGO_AHEAD - EGO_SIZE[0] / 2, 0.0, 0.0]))[0]
    # The ego vehicle covers what lies ahead of its rear, and nothing else.
    ego_place = int(np.searchsorted(-slices, -rear[0], side='right'))
    ego_quads, ego_shades = _ego_faces(ground)

    image = blank(width * SUPERSAMPLING, height * SUPERSAMPLING)
    low, high = grid.minimum, grid.maximum
    floor = np.array(
        [
            [low[0], low[1], low[2]],
            [high[0], low[1], low[2]],
            [high[0], high[1], low[2]],
            [low[0], high[1], low[2]],
        ]
    )
    pixels = to_subpixels(camera.project(floor))
    cv2.fillConvexPoly(image, pixels, SHADE, cv2.LINE_AA, SHIFT)
    _paint(image, camera, quads[:ego_place], shades[:ego_place], None)
    _paint(image, camera, ego_quads, ego_shades, INK)
    _paint(image, camera, quads[ego_place:], shades[ego_place:], None)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _voxel_faces(
    occupied: np.ndarray, colours: np.ndarray, grid: OccGrid, camera: Camera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Visible faces from back to front.

    Returns:
        tuple: Corners (F, 4, 3) in metres, colours (F, 3) float, and the x
        index (F,) of each face's voxel.
    """
    index = np.argwhere(occupied)
    levels = occupied.shape[2]
    # Wide enough that no step towards the sun leaves the array.
    x, y, z = (index + np.array([levels, levels, 1])).T
    space = np.pad(
        occupied, ((levels, levels), (levels, levels), (1, levels + 1))
    )
    centres = grid.to_metres(index)
    colours = np.asarray(colours, dtype=np.float64)

    crowd = np.zeros(len(index))
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            if (dx, dy) != (0, 0):
                crowd += space[x + dx, y + dy, z + 1]
    shadow = np.zeros(len(index), dtype=bool)
    for step in range(1, levels):
        dx, dy = (round(per_level * step) for per_level in SUN_STEP)
        shadow |= space[x + dx, y + dy, z + step]
    light = np.where(shadow, SHADOW, 1.0)
    soft = (1 + light) / 2

    on_left = centres[:, 1] > camera.position[1]
    inwards = np.where(on_left, -1, 1)
    faces = (
        (_TOP, ~space[x, y, z + 1], TOP * light * (1 - CORNER_SHADE * crowd)),
        (_REAR, ~space[x - 1, y, z], REAR * soft),
        (_LEFT, ~on_left & ~space[x, y + inwards, z], LEFT * soft),
        (_RIGHT, on_left & ~space[x, y + inwards, z], RIGHT * soft),
    )
    half = grid.voxel_size / 2
    chosen, quads, shades = [], [], []
    for corners, visible, shade in faces:
        voxels = np.flatnonzero(visible)
        chosen.append(voxels)
        quads.append(centres[voxels, None] + corners * half)
        shades.append(colours[voxels] * shade[voxels, None])
    voxels = np.concatenate(chosen)
    aside = np.abs(centres[:, 1] - camera.position[1])
    order = np.lexsort((index[voxels, 2], -aside[voxels], -index[voxels, 0]))
    return (
        np.concatenate(quads)[order],
        np.concatenate(shades)[order],
        index[voxels[order], 0],
    )


def _ego_faces(ground: float) -> tuple[np.ndarray, np.ndarray]:
    """A plain car: the body, then the cabin, from back to front."""
    length, width, height = EGO_SIZE
    body = np.array([length, width, 0.55 * height]) / 2
    cabin = np.array([0.55 * length, 0.86 * width, 0.45 * height]) / 2
    quads, shades = [], []
    for half, centre in (
        (body, (EGO_AHEAD, 0.0, ground + body[2])),
        (cabin, (EGO_AHEAD, 0.0, ground + 2 * body[2] + cabin[2])),
    ):
        for corners, shade in ((_TOP, TOP), (_REAR, REAR)):
            quads.append(np.asarray(centre) + corners * half)
            shades.append(np.array(EGO_COLOUR) * shade)
    return np.stack(quads), np.stack(shades)


def _paint(
    image: np.ndarray,
    camera: Camera,
    quads: np.ndarray,
    shades: np.ndarray,
    outline: tuple[int, int, int] | None,
) -> None:
    """Fill quads in their order, in place.

    Each is framed by ``outline``, or by a darker tone of its own colour.
    """
    pixels = camera.project(quads)
    middle = pixels.mean(axis=1, keepdims=True)
    reach = np.abs(pixels - middle)
    # The frame is one pixel of the final picture, or less on small faces.
    inset = np.minimum(SUPERSAMPLING / 2, reach * 0.4)
    inner = pixels - np.sign(pixels - middle) * inset
    fills = shades.tolist()
    frames = (
        (shades * OUTLINE).tolist()
        if outline is None
        else [outline] * len(fills)
    )
    for whole, frame, core, fill in zip(
        to_subpixels(pixels), frames, to_subpixels(inner), fills, strict=True
    ):
        cv2.fillConvexPoly(image, whole, frame, cv2.LINE_8, SHIFT)
        cv2.fillConvexPoly(image, core, fill, cv2.LINE_8, SHIFT)


def class_colours(ids: np.ndarray) -> np.ndarray:
    """Palette colours (..., 3) uint8 of class ids."""
    return np.array(OCC3D_PALETTE, dtype=np.uint8)[ids]


def voxel_view(
    semantics: np.ndarray,
    mask: np.ndarray | None = None,
    width: int = 640,
    height: int = 400,
    grid: OccGrid | None = None,
) -> np.ndarray:
    """Draw semantic occupancy in 3D.

    Args:
        semantics (np.ndarray): (X, Y, Z) Occ3D ids; 17 (free) and 255 (no
            label) are not drawn.
        mask (np.ndarray, optional): (X, Y, Z); voxels outside are not drawn.
        width (int): Pixels. Defaults to 640.
        height (int): Pixels. Defaults to 400.
        grid (OccGrid, optional): Defaults to Occ3D's.

    Returns:
        np.ndarray: (height, width, 3) uint8 RGB.
    """
    grid = grid or OccGrid()
    occupied = semantics < FREE
    if mask is not None:
        occupied &= np.asarray(mask, dtype=bool)
    return draw_voxels(
        occupied,
        class_colours(semantics[occupied]),
        width,
        height,
        grid,
        ground_height(semantics, grid),
    )
