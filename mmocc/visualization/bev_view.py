"""A bird's-eye view of semantic occupancy."""

import numpy as np

from mmocc.structures import FREE
from mmocc.visualization.drawing import PAPER, class_colours

# A column is darker if the column beside it on the side of the sun (to the
# left and behind, as in the 3D view) is this many voxels higher.
STEP_UP = 2
SHADOW = 0.8


def bev_view(
    semantics: np.ndarray, mask: np.ndarray | None = None, scale: int = 2
) -> np.ndarray:
    """Draw the highest occupied voxel of each column; forward is up.

    Voxel (i, j, k) of an (X, Y, Z) grid covers the ``scale`` x ``scale``
    pixels of row X - 1 - i and column Y - 1 - j: x grows upwards, y (left)
    grows to the left. Colours are the palette's, darker where a higher column
    shades the voxel.

    Args:
        semantics (np.ndarray): (X, Y, Z) Occ3D ids; 17 (free) and 255 (no
            label) are not drawn.
        mask (np.ndarray, optional): (X, Y, Z) bool; voxels outside it are not
            drawn. Defaults to None, all are drawn.
        scale (int): Pixels per voxel. Defaults to 2.

    Returns:
        np.ndarray: (X * scale, Y * scale, 3) uint8 RGB.
    """
    occupied = semantics < FREE
    if mask is not None:
        occupied &= np.asarray(mask, dtype=bool)
    levels = semantics.shape[2]
    top = levels - 1 - occupied[..., ::-1].argmax(axis=2)  # (X, Y)
    ids = np.take_along_axis(semantics, top[..., None], axis=2)[..., 0]
    seen = occupied.any(axis=2)
    colours = class_colours(np.where(seen, ids, FREE)).astype(np.float64)
    top = np.where(seen, top, 0)
    towards_sun = np.pad(top, ((1, 0), (0, 1)))[:-1, 1:]
    colours[seen & (towards_sun - top >= STEP_UP)] *= SHADOW
    colours[~seen] = PAPER
    picture = np.rint(colours[::-1, ::-1]).astype(np.uint8)
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)
