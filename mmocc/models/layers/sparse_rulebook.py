"""Which voxels meet in a sparse convolution of 3 x 3 x 3 cells.

A convolution is a *rulebook*: for each of the 27 cells of the kernel, which
input voxels meet which output voxels there (Graham et al., "3D Semantic
Segmentation with Submanifold Sparse Convolutional Networks", CVPR 2018).
Voxels find each other by binary search among sorted keys.
"""

from typing import NamedTuple

import torch
from torch import Tensor

KERNEL = 3
STRIDE = 2
PADDING = 1


class Rulebook(NamedTuple):
    """Pairs of voxels that meet in a convolution of V voxels to M.

    Attributes:
        inputs (Tensor): (V, 4) batch, x, y, z.
        input_shape (tuple[int, int, int]): Shape of the inputs' grid.
        outputs (Tensor): (M, 4) batch, x, y, z.
        output_shape (tuple[int, int, int]): Shape of the outputs' grid.
        pairs (list[tuple[Tensor, Tensor]]): Rows of inputs and of outputs
            that meet, one tuple for each cell of the kernel, z fastest.
    """

    inputs: Tensor
    input_shape: tuple[int, int, int]
    outputs: Tensor
    output_shape: tuple[int, int, int]
    pairs: list[tuple[Tensor, Tensor]]


def _offsets(device: torch.device) -> Tensor:
    """Return the cells of the kernel, (27, 3)."""
    steps = torch.arange(KERNEL, device=device)
    return torch.cartesian_prod(steps, steps, steps)


def _keys(
    batch: Tensor, xyz: Tensor, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    """Return a number for each voxel (V,), and whether it is in the grid."""
    inside = (xyz >= 0) & (xyz < torch.tensor(shape, device=xyz.device))
    key = batch
    for axis in range(3):
        key = key * shape[axis] + xyz[:, axis]
    return key, inside.all(1)


def submanifold_rulebook(
    indices: Tensor, shape: tuple[int, int, int]
) -> Rulebook:
    """Pair voxels for a convolution whose outputs are its inputs' voxels.

    Args:
        indices (Tensor): (V, 4) batch, x, y, z.
        shape (tuple[int, int, int]): Shape X, Y, Z of the grid.

    Returns:
        Rulebook: V outputs in the order of the inputs.
    """
    batch, xyz = indices[:, 0].long(), indices[:, 1:].long()
    keys, order = _keys(batch, xyz, shape)[0].sort()
    pairs = []
    for offset in _offsets(indices.device):
        key, inside = _keys(batch, xyz + offset - PADDING, shape)
        # Is there an input at this cell of the kernel around each voxel?
        place = torch.searchsorted(keys, key).clamp(max=len(keys) - 1)  # (V,)
        outputs = (inside & (keys[place] == key)).nonzero().squeeze(1)
        pairs.append((order[place[outputs]], outputs))
    return Rulebook(indices, shape, indices, shape, pairs)


def strided_rulebook(indices: Tensor, shape: tuple[int, int, int]) -> Rulebook:
    """Pair voxels for a convolution with stride 2, which halves the grid.

    Args:
        indices (Tensor): (V, 4) batch, x, y, z.
        shape (tuple[int, int, int]): Shape X, Y, Z of the grid.

    Returns:
        Rulebook: An output wherever an input meets the kernel.
    """
    batch, xyz = indices[:, 0].long(), indices[:, 1:].long()
    half = tuple(
        (length + 2 * PADDING - KERNEL) // STRIDE + 1 for length in shape
    )
    rows, found = [], []
    for offset in _offsets(indices.device):
        place = xyz + PADDING - offset
        key, inside = _keys(batch, place // STRIDE, half)
        meets = inside & (place % STRIDE == 0).all(1)  # (V,)
        rows.append(meets.nonzero().squeeze(1))
        found.append(key[meets])
    keys, members = torch.cat(found).unique(return_inverse=True)  # (M,)
    pairs = list(zip(rows, members.split([len(x) for x in rows]), strict=True))
    columns = []  # x, y, z of the outputs, back from their keys
    for length in reversed(half):
        columns.insert(0, keys % length)
        keys = keys // length
    outputs = torch.stack([keys, *columns], dim=1).to(indices.dtype)
    return Rulebook(indices, shape, outputs, half, pairs)
