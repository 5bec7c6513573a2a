"""Which voxels tensors of points fall into."""

import torch
from torch import Tensor

from mmocc.structures import OccGrid


def voxel_index(points: Tensor, grid: OccGrid) -> tuple[Tensor, Tensor]:
    """:meth:`OccGrid.to_index` for tensors on any device, without gradient.

    Computed in float64, so that points on a border fall as they do there.

    Args:
        points (Tensor): (..., 3) metres; may be anything but finite, too.
        grid (OccGrid): The voxels.

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
