"""Sparse 3D convolutions in plain PyTorch, for machines without spconv.

The modules have the parameters, the layout of weights and the results of
spconv's, so that checkpoints pass between the two. All kernels are 3 x 3 x 3
without bias. V input voxels of C_in channels become M output voxels of C_out.
"""

import dataclasses

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmocc.models.layers.sparse_rulebook import (
    KERNEL,
    Rulebook,
    strided_rulebook,
    submanifold_rulebook,
)


@dataclasses.dataclass(frozen=True)
class TorchSparseTensor:
    """Features at some voxels of a grid.

    Attributes:
        features (Tensor): (V, C).
        indices (Tensor): (V, 4) batch, x, y, z; all different.
        spatial_shape (tuple[int, int, int]): Shape X, Y, Z of the grid.
        rulebooks (dict[str, Rulebook]): Rulebooks of past convolutions by
            their key, shared by all tensors that descend from one.
    """

    features: Tensor
    indices: Tensor
    spatial_shape: tuple[int, int, int]
    rulebooks: dict[str, Rulebook] = dataclasses.field(default_factory=dict)

    def replace_feature(self, features: Tensor) -> 'TorchSparseTensor':
        """Return a tensor of other features at the same voxels.

        The name is spconv's.
        """
        return dataclasses.replace(self, features=features)


def _convolve(
    features: Tensor,
    weight: Tensor,
    pairs: list[tuple[Tensor, Tensor]],
    num_outputs: int,
) -> Tensor:
    """Compute a convolution from its pairs.

    The rows that meet are gathered anew in the backward pass; kept, they
    would take up to 27 times the memory of the features.

    Args:
        features (Tensor): (V, C_in).
        weight (Tensor): (C_out, 3, 3, 3, C_in).
        pairs (list[tuple[Tensor, Tensor]]): Rows of inputs and outputs, by
            cell of the kernel.
        num_outputs (int): Number of output voxels, M.

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
    """Gather, multiply and add, one cell of the kernel after the other."""
    out = features.new_zeros(num_outputs, len(weight))
    places = weight.flatten(1, 3).unbind(1)  # (C_out, C_in) each
    for (rows_in, rows_out), place in zip(pairs, places, strict=True):
        out.index_add_(0, rows_out, features[rows_in] @ place.t())
    return out


class _SparseConv(nn.Module):
    """Base of sparse convolutions: a weight, and a key of the rulebook."""

    def __init__(self, in_channels: int, out_channels: int, key: str) -> None:
        super().__init__()
        self.key = key
        self.weight = nn.Parameter(
            torch.zeros(out_channels, KERNEL, KERNEL, KERNEL, in_channels)
        )


class SubmanifoldConv(_SparseConv):
    """Convolution whose outputs are its inputs' voxels.

    Equal keys share a rulebook.
    """

    def forward(self, x: TorchSparseTensor) -> TorchSparseTensor:
        """Map features (V, C_in) to (V, C_out)."""
        if self.key not in x.rulebooks:
            x.rulebooks[self.key] = submanifold_rulebook(
                x.indices, x.spatial_shape
            )
        rules = x.rulebooks[self.key]
        return x.replace_feature(
            _convolve(x.features, self.weight, rules.pairs, len(x.indices))
        )


class StridedConv(_SparseConv):
    """Convolution with stride 2 and padding 1, which halves the grid."""

    def forward(self, x: TorchSparseTensor) -> TorchSparseTensor:
        """Map features (V, C_in) to (M, C_out)."""
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
    """Transposed convolution back to the inputs of the strided one.

    Equal keys belong together.
    """

    def forward(self, x: TorchSparseTensor) -> TorchSparseTensor:
        """Map features (M, C_in) to (V, C_out)."""
        rules = x.rulebooks[self.key]
        pairs = [(outputs, inputs) for inputs, outputs in rules.pairs]
        return TorchSparseTensor(
            _convolve(x.features, self.weight, pairs, len(rules.inputs)),
            rules.inputs,
            rules.input_shape,
            x.rulebooks,
        )


class TorchOps:
    """Build sparse convolutions and tensors of this file."""

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
        """Build a sparse tensor of features (V, C) at voxels (V, 4).

        The batch size is not needed here; spconv asks for it.
        """
        del batch_size
        return TorchSparseTensor(features, indices, spatial_shape)
