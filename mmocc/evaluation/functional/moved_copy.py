"""Forecast that the world stands still while the car moves."""

import numpy as np

from mmocc.evaluation.functional.arrays import ArrayLike, as_array
from mmocc.structures import FREE, OccGrid


def moved_copy(
    present: ArrayLike, poses: ArrayLike, grid: OccGrid
) -> np.ndarray:
    """Warp the current grid to each future pose of the car.

    Every voxel of a future grid takes the class of the present voxel that
    holds its centre, free where there is none.

    Args:
        present (ArrayLike): (X, Y, Z) class ids, in the ego frame of now.
        poses (ArrayLike): (T, 3) x, y in metres and yaw in radians of the
            car, in the ego frame of now.
        grid (OccGrid): Grid of all arrays.

    Returns:
        np.ndarray: (T, X, Y, Z), each in the ego frame of its own moment.

    Raises:
        ValueError: If shapes do not fit or a pose is not finite.
    """
    present, poses = as_array(present), as_array(poses)
    if present.shape != grid.shape or poses.shape[1:] != (3,):
        raise ValueError(
            f'got a grid of {present.shape} and poses of {poses.shape}, '
            f'expected {grid.shape} and (T, 3)'
        )
    if not np.isfinite(poses).all():
        raise ValueError(
            'a pose is NaN or infinite; leave out frames whose future is '
            'not known'
        )
    # The car stays on its plane, so one layer tells where all come from.
    layer = np.stack(np.indices((*grid.shape[:2], 1)), axis=-1)
    centres = grid.to_metres(layer)
    copies = np.full((len(poses), *grid.shape), FREE, dtype=present.dtype)
    for copy, (x, y, yaw) in zip(copies, poses, strict=True):
        cos, sin = np.cos(yaw), np.sin(yaw)
        seen_from_now = np.stack(
            [
                x + cos * centres[..., 0] - sin * centres[..., 1],
                y + sin * centres[..., 0] + cos * centres[..., 1],
                centres[..., 2],
            ],
            axis=-1,
        )
        index, inside = grid.to_index(seen_from_now)
        i, j, _ = index[inside].T
        copy[inside[:, :, 0]] = present[i, j]
    return copies
