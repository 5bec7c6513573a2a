"""Indices of the voxels that points fall into."""

import torch
from torch import Tensor

from mmocc.structures import OccGrid


def voxel_index(points: Tensor, grid: OccGrid) -> tuple[Tensor, Tensor]:
    """Find the voxel of each point, on any device and without gradient.

    Equals :meth:`OccGrid.to_index`: computed in float64, so that points on a
    border fall to the same side.

    Args:
        points (Tensor): (..., 3) metres; NaN and infinity are in no voxel.
        grid (OccGrid): Range and size of the voxels.

    Returns:
        tuple: Indices (..., 3) int64, 0 where a point is in no voxel, and
        (...,) bool, True where it is in one.
    """
    points = points.detach().double()
    minimum = torch.as_tensor(grid.minimum, device=points.device)
    size = torch.as_tensor(grid.voxel_size, device=points.device)
    shape = torch.tensor(grid.shape, device=points.device)
    cells = ((points - minimum) / size).floor()
    inside = ((cells >= 0) & (cells < shape)).all(-1)
    return torch.where(inside[..., None], cells, 0).long(), inside
