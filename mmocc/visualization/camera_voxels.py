"""Occupancy in camera images: each pixel shows the first voxel on its ray."""

from typing import NamedTuple

import numba
import numpy as np

from mmocc.structures import FREE, OccGrid
from mmocc.visualization.drawing import class_colours
from mmocc.visualization.projection import NEAR
from mmocc.visualization.voxel_view import LEFT, REAR, TOP, check_voxels

# Opacity of voxels over the image, and brightness of their borders.
OPACITY = 0.65
BORDER = 0.72
# Borders are drawn where a voxel's edge has this many pixels or more.
LEAST_BORDERED = 5.0

# Brightness of the faces normal to x, y and z.
_FACE = np.array([REAR, LEFT, TOP])
_NOTHING = -1


class FirstVoxels(NamedTuple):
    """The first occupied voxel on the ray through each pixel's centre.

    Attributes:
        index (np.ndarray): (H, W) flat index of the voxel, -1 for none.
        axis (np.ndarray): (H, W) axis that the hit face is normal to: x (0),
            y (1) or z (2).
        depth (np.ndarray): (H, W) metres along the ray, inf for none.
    """

    index: np.ndarray
    axis: np.ndarray
    depth: np.ndarray


@numba.njit(cache=True)
def _cast(occupied, origin, rays, near, index, axis, depth):
    """Find the first occupied voxel on each ray, in place.

    Rays step from voxel to voxel (Amanatides and Woo, Eurographics 1987).

    Args:
        occupied: (X, Y, Z) bool.
        origin: (3,) position of the camera in voxels.
        rays: (H, W, 3) voxels per metre along each ray.
        near: Distance at which rays begin, in metres.
        index, axis, depth: (H, W) output, see ``FirstVoxels``.
    """
    shape = occupied.shape
    cell = np.zeros(3, np.int64)
    step = np.zeros(3, np.int64)
    border = np.zeros(3)
    width = np.zeros(3)
    for row in range(rays.shape[0]):
        for column in range(rays.shape[1]):
            ray = rays[row, column]
            # The part of the ray inside the grid, in metres.
            start, end, face = near, np.inf, 2
            for k in range(3):
                if ray[k] == 0.0:
                    if not 0.0 <= origin[k] < shape[k]:
                        end = -1.0
                    continue
                first = -origin[k] / ray[k]
                last = (shape[k] - origin[k]) / ray[k]
                if first > last:
                    first, last = last, first
                if first > start:
                    start, face = first, k
                end = min(end, last)
            if start >= end:
                continue
            for k in range(3):
                place = origin[k] + start * ray[k]
                cell[k] = min(max(int(np.floor(place)), 0), shape[k] - 1)
                border[k], width[k], step[k] = np.inf, np.inf, 0
                if ray[k] != 0.0:
                    step[k] = 1 if ray[k] > 0.0 else -1
                    ahead = cell[k] + (1 if ray[k] > 0.0 else 0)
                    border[k] = (ahead - origin[k]) / ray[k]
                    width[k] = abs(1.0 / ray[k])
            reached = start
            while True:
                if occupied[cell[0], cell[1], cell[2]]:
                    flat = (cell[0] * shape[1] + cell[1]) * shape[2] + cell[2]
                    index[row, column] = flat
                    axis[row, column] = face
                    depth[row, column] = reached
                    break
                face = 0
                if border[1] < border[face]:
                    face = 1
                if border[2] < border[face]:
                    face = 2
                reached = border[face]
                cell[face] += step[face]
                if not 0 <= cell[face] < shape[face]:
                    break
                border[face] += width[face]


def first_voxels(
    occupied: np.ndarray,
    size: tuple[int, int],
    cam2img: np.ndarray,
    cam2ego: np.ndarray,
    grid: OccGrid | None = None,
) -> FirstVoxels:
    """Find the first occupied voxel behind each pixel of a camera.

    Args:
        occupied (np.ndarray): (X, Y, Z) bool.
        size (tuple[int, int]): Height and width of the image in pixels.
        cam2img (np.ndarray): (3, 3) intrinsics for that size.
        cam2ego (np.ndarray): (4, 4) pose of the camera.
        grid (OccGrid, optional): Grid of the voxels. Defaults to None,
            Occ3D's.

    Raises:
        ValueError: If the voxels do not have the shape of the grid.
    """
    grid = grid or OccGrid()
    check_voxels(occupied, grid)
    height, width = size
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack(
        [columns + 0.5, rows + 0.5, np.ones((height, width))], axis=-1
    )
    to_ego = cam2ego[:3, :3] @ np.linalg.inv(np.asarray(cam2img)[:3, :3])
    rays = pixels @ to_ego.T  # (H, W, 3)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    found = FirstVoxels(
        np.full(size, _NOTHING, dtype=np.int64),
        np.zeros(size, dtype=np.int64),
        np.full(size, np.inf),
    )
    _cast(
        np.ascontiguousarray(occupied, dtype=np.bool_),
        (cam2ego[:3, 3] - grid.minimum) / grid.voxel_size,
        rays / grid.voxel_size,
        NEAR,
        *found,
    )
    return found


def draw_camera_voxels(
    image: np.ndarray,
    semantics: np.ndarray,
    cam2img: np.ndarray,
    cam2ego: np.ndarray,
    grid: OccGrid | None = None,
) -> None:
    """Draw the voxels that a camera sees over its image, in place.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB.
        semantics (np.ndarray): (X, Y, Z) Occ3D ids; 17 (free) and 255 (no
            label) are not drawn.
        cam2img (np.ndarray): (3, 3) intrinsics in pixels of ``image``.
        cam2ego (np.ndarray): (4, 4) pose of the camera.
        grid (OccGrid, optional): Grid of the voxels. Defaults to None,
            Occ3D's.
    """
    found = first_voxels(
        semantics < FREE, image.shape[:2], cam2img, cam2ego, grid
    )
    hit = found.index != _NOTHING
    colours = class_colours(semantics.reshape(-1)[found.index[hit]])
    light = _FACE[found.axis]
    # Each face has its own key; a pixel beside another face is a border.
    face = found.index * len(_FACE) + found.axis
    edge = np.zeros(hit.shape, dtype=bool)
    edge[:, 1:] |= face[:, 1:] != face[:, :-1]
    edge[1:] |= face[1:] != face[:-1]
    # Voxels of a few pixels would consist of borders alone.
    size = (grid or OccGrid()).voxel_size[0]
    large = found.depth < cam2img[0, 0] * size / LEAST_BORDERED
    light = np.where(edge & large, light * BORDER, light)
    painted = colours * light[hit][:, None]
    image[hit] = np.rint(image[hit] * (1 - OPACITY) + painted * OPACITY)
