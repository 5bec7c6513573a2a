"""Occupied voxels of a label, the targets of a set loss."""

from typing import NamedTuple

import torch
from torch import Tensor

from mmocc.structures import FREE, OccGrid


class OccupiedVoxels(NamedTuple):
    """List of the G occupied voxels of one frame.

    Attributes:
        centres (Tensor): (G, 3) float32 metres in the ego frame.
        classes (Tensor): (G,) int64.
        visible (Tensor): (G,) bool, True where a camera sees the voxel.
    """

    centres: Tensor
    classes: Tensor
    visible: Tensor


def occupied_voxels(
    semantics: Tensor, grid: OccGrid, visible: Tensor | None = None
) -> OccupiedVoxels:
    """List the occupied voxels of a label grid.

    Args:
        semantics (Tensor): (X, Y, Z) class ids of any integer type. Free and
            higher ones, such as the label to ignore, are left out.
        grid (OccGrid): Range and size of the voxels.
        visible (Tensor, optional): (X, Y, Z) bool, the camera mask, which
            marks voxels but leaves none out. Defaults to None, all visible.

    Returns:
        OccupiedVoxels: G voxels in the order of the grid, on the label's
        device.

    Raises:
        ValueError: If a shape is not the grid's.
    """
    if visible is None:
        visible = torch.ones_like(semantics, dtype=torch.bool)
    for name, x in (('semantics', semantics), ('visible', visible)):
        if tuple(x.shape) != grid.shape:
            raise ValueError(
                f'{name} has shape {tuple(x.shape)}, expected that of the '
                f'grid, {grid.shape}; set point_cloud_range and voxel_size '
                'to those of the labels'
            )
    index = (semantics < FREE).nonzero()  # (G, 3)
    centres = torch.from_numpy(grid.to_metres(index.cpu().numpy()))  # (G, 3)
    x, y, z = index.unbind(1)
    return OccupiedVoxels(
        centres=centres.to(semantics.device, torch.float32),
        classes=semantics[x, y, z].long(),
        visible=visible[x, y, z].bool(),
    )
