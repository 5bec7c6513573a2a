"""Sparse 3D convolutions in plain PyTorch, for machines without spconv.

The modules have the parameters, the layout of weights and the results of
spconv's, so that checkpoints pass between the two. All kernels are 3 x 3 x 3
without bias.

A convolution is a *rulebook*: for each of the 27 places in the kernel, which
input voxels meet which output voxels there (Graham et al., "3D Semantic
Segmentation with Submanifold Sparse Convolutional Networks", CVPR 2018).
Voxels find each other by binary search among sorted keys.
"""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

KERNEL = 3
STRIDE = 2
PADDING = 1


class Rulebook(NamedTuple):
    """Who meets whom in one convolution of V voxels to M.

    Attributes:
        inputs (Tensor): (V, 4) batch, x, y, z.
        input_shape (tuple[int, int, int]): Of their grid.
        outputs (Tensor): (M, 4).
        output_shape (tuple[int, int, int]): Of their grid.
        pairs (list[tuple[Tensor, Tensor]]): Rows of inputs and of outputs,
            one tuple for each place in the kernel, z fastest.
    """

    inputs: Tensor
    input_shape: tuple[int, int, int]
    outputs: Tensor
    output_shape: tuple[int, int, int]
    pairs: list[tuple[Tensor, Tensor]]


@dataclasses.dataclass(frozen=True)
class TorchSparseTensor:
    """Features at some voxels of a grid.

    Attributes:
        features (Tensor): (V, C).
        indices (Tensor): (V, 4) batch, x, y, z; all different.
        spatial_shape (tuple[int, int, int]): X, Y, Z.
        rulebooks (dict[str, Rulebook]): Of past convolutions by their key,
            shared by all tensors that descend from one.
    """

    features: Tensor
    indices: Tensor
    spatial_shape: tuple[int, int, int]
    rulebooks: dict[str, Rulebook] = dataclasses.field(default_factory=dict)

    def replace_feature(self, features: Tensor) -> 'TorchSparseTensor':
        """Other features at the same voxels; the name is spconv's."""
        return dataclasses.replace(self, features=features)


def _offsets(device: torch.device) -> Tensor:
    """Places in the kernel, (27, 3)."""
    steps = torch.arange(KERNEL, device=device)
    return torch.cartesian_prod(steps, steps, steps)


def _keys(
    batch: Tensor, xyz: Tensor, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    """One number for each voxel, and whether it is in the grid."""
    inside = (xyz >= 0) & (xyz < torch.tensor(shape, device=xyz.device))
    key = batch
    for axis in range(3):
        key = key * shape[axis] + xyz[:, axis]
    return key, inside.all(1)


def submanifold_rulebook(
    indices: Tensor, shape: tuple[int, int, int]
) -> Rulebook:
    """Rules of a convolution whose outputs are its inputs' voxels.

    Args:
        indices (Tensor): (V, 4) batch, x, y, z.
        shape (tuple[int, int, int]): X, Y, Z.

    Returns:
        Rulebook: V outputs in the order of the inputs.
    """
    batch, xyz = indices[:, 0].long(), indices[:, 1:].long()
    keys, order = _keys(batch, xyz, shape)[0].sort()
    pairs = []
    for offset in _offsets(indices.device):
        key, inside = _keys(batch, xyz + offset - PADDING, shape)
        place = torch.searchsorted(keys, key).clamp(max=len(keys) - 1)
        outputs = (inside & (keys[place] == key)).nonzero().squeeze(1)
        pairs.append((order[place[outputs]], outputs))
    return Rulebook(indices, shape, indices, shape, pairs)


def strided_rulebook(indices: Tensor, shape: tuple[int, int, int]) -> Rulebook:
    """Rules of a convolution that halves the grid.

    Args:
        indices (Tensor): (V, 4) batch, x, y, z.
        shape (tuple[int, int, int]): X, Y, Z.

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
        meets = inside & (place % STRIDE == 0).all(1)
        rows.append(meets.nonzero().squeeze(1))
        found.append(key[meets])
    keys, members = torch.cat(found).unique(return_inverse=True)
    pairs = list(zip(rows, members.split([len(x) for x in rows]), strict=True))
    columns = []
    for length in reversed(half):
        columns.insert(0, keys % length)
        keys = keys // length
    outputs = torch.stack([keys, *columns], dim=1).to(indices.dtype)
    return Rulebook(indices, shape, outputs, half, pairs)


def _convolve(
    features: Tensor,
    weight: Tensor,
    pairs: list[tuple[Tensor, Tensor]],
    num_outputs: int,
) -> Tensor:
    """Apply a rulebook.

    The rows that meet are gathered anew in the backward pass; kept, they
    would take up to 27 times the memory of the features.

    Args:
        features (Tensor): (V, C_in).
        weight (Tensor): (C_out, 3, 3, 3, C_in).
        pairs (list[tuple[Tensor, Tensor]]): Rows in, rows out, by place.
        num_outputs (int): M.

    Returns:
        Tensor: (M, C_out).
    """
    if not torch.is_grad_enabled():
        return _multiply(features, weight, pairs, num_outputs)
    return checkpoint(
        _multiply,
        features,
        weight,
        pairs,
        num_outputs,
        use_reentrant=False,
        preserve_rng_state=False,
    )


def _multiply(
    features: Tensor,
    weight: Tensor,
    pairs: list[tuple[Tensor, Tensor]],
    num_outputs: int,
) -> Tensor:
    """Gather, multiply and add, one place in the kernel after the other."""
    out = features.new_zeros(num_outputs, len(weight))
    places = weight.flatten(1, 3).unbind(1)  # (C_out, C_in) each
    for (rows_in, rows_out), place in zip(pairs, places, strict=True):
        out.index_add_(0, rows_out, features[rows_in] @ place.t())
    return out


class _SparseConv(nn.Module):
    """Weight and key that all convolutions have."""

    def __init__(self, in_channels: int, out_channels: int, key: str) -> None:
        super().__init__()
        self.key = key
        self.weight = nn.Parameter(
            torch.zeros(out_channels, KERNEL, KERNEL, KERNEL, in_channels)
        )


class SubmanifoldConv(_SparseConv):
    """Outputs are the inputs' voxels; equal keys share a rulebook."""

    def forward(self, x: TorchSparseTensor) -> TorchSparseTensor:
        """(V, C_in) to (V, C_out)."""
        if self.key not in x.rulebooks:
            x.rulebooks[self.key] = submanifold_rulebook(
                x.indices, x.spatial_shape
            )
        rules = x.rulebooks[self.key]
        return x.replace_feature(
            _convolve(x.features, self.weight, rules.pairs, len(x.indices))
        )


class StridedConv(_SparseConv):
    """Halves the grid, with stride 2 and padding 1."""

    def forward(self, x: TorchSparseTensor) -> TorchSparseTensor:
        """(V, C_in) to (M, C_out)."""
        rules = strided_rulebook(x.indices, x.spatial_shape)
        x.rulebooks[self.key] = rules
        return TorchSparseTensor(
            _convolve(
                x.features, self.weight, rules.pairs, len(rules.outputs)
            ),
            rules.outputs,
            rules.output_shape,
            x.rulebooks,
        )


class InverseConv(_SparseConv):
    """Back to the voxels from which the strided one of its key came."""

    def forward(self, x: TorchSparseTensor) -> TorchSparseTensor:
        """(M, C_in) to (V, C_out)."""
        rules = x.rulebooks[self.key]
        pairs = [(outputs, inputs) for inputs, outputs in rules.pairs]
        return TorchSparseTensor(
            _convolve(x.features, self.weight, pairs, len(rules.inputs)),
            rules.inputs,
            rules.input_shape,
            x.rulebooks,
        )


class TorchOps:
    """What a sparse network needs, from this file."""

    submanifold = SubmanifoldConv
    strided = StridedConv
    inverse = InverseConv

    @staticmethod
    def tensor(
        features: Tensor,
        indices: Tensor,
        spatial_shape: tuple[int, int, int],
        batch_size: int,
    ) -> TorchSparseTensor:
        """Features (V, C) at voxels (V, 4); the batch size is in these."""
        del batch_size
        return TorchSparseTensor(features, indices, spatial_shape)
