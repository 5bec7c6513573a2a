"""Where a voxel is: metres to indices and back."""

from collections.abc import Sequence

import numpy as np

from mmocc.structures.occ3d import POINT_CLOUD_RANGE, VOXEL_SIZE


class OccGrid:
    """A regular voxel grid in the ego frame (x forward, y left, z up).

    Voxel ``(i, j, k)`` spans ``min + (i, j, k) * voxel_size`` to
    ``min + (i + 1, j + 1, k + 1) * voxel_size`` metres; a point on the border
    of two voxels belongs to the one of higher index.

    Args:
        point_cloud_range (Sequence[float]): x, y, z minimum, then maximum, in
            metres. Defaults to Occ3D's.
        voxel_size (Sequence[float]): Edge lengths in metres. Defaults to
            Occ3D's.
    """

    def __init__(
        self,
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
        voxel_size: Sequence[float] = VOXEL_SIZE,
    ) -> None:
        limits = np.asarray(point_cloud_range, dtype=np.float64)
        self.voxel_size = np.asarray(voxel_size, dtype=np.float64)
        if limits.shape != (6,) or self.voxel_size.shape != (3,):
            raise ValueError(
                'OccGrid needs 6 numbers of range and 3 of voxel size, got '
                f'{point_cloud_range} and {voxel_size}'
            )
        self.minimum, self.maximum = limits[:3], limits[3:]
        cells = (self.maximum - self.minimum) / self.voxel_size
        self.shape: tuple[int, int, int] = tuple(
            int(n) for n in np.rint(cells)
        )
        if min(self.shape) < 1 or not np.allclose(
            cells, self.shape, atol=1e-3
        ):
            raise ValueError(
                f'the range {point_cloud_range} is not a whole number of '
                f'voxels of {voxel_size} m: {cells} voxels'
            )

    def to_index(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the voxels that hold points.

        Args:
            points (np.ndarray): (..., 3) metres in the ego frame.

        Returns:
            tuple: Indices (..., 3) int64, and (...,) bool, True inside the
            grid. Indices of points outside are not clipped.
        """
        index = np.floor((points - self.minimum) / self.voxel_size)
        index = index.astype(np.int64)
        inside = ((index >= 0) & (index < np.asarray(self.shape))).all(-1)
        return index, inside

    def to_metres(self, index: np.ndarray) -> np.ndarray:
        """Centres (..., 3) in metres of the voxels ``index`` (..., 3)."""
        return (np.asarray(index) + 0.5) * self.voxel_size + self.minimum

    def centres(self) -> np.ndarray:
        """Centres of all voxels, (X, Y, Z, 3) metres."""
        return self.to_metres(np.stack(np.indices(self.shape), axis=-1))
