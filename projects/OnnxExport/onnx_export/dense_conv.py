"""Sparse 3D convolutions over whole grids, for graphs of fixed shapes.

The rulebooks of :mod:`mmocc.models.layers.sparse_rulebook` are as long as
voxels have neighbours, which differs from frame to frame; runtimes of ONNX
graphs want lengths that they know beforehand. Here every cell of the grid has
a row, occupied or not, and dense convolutions read zeros where it is not. At
occupied cells the results are those of the sparse ones, from the same
weights; rows of other cells hold anything and are never read.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmocc.models.layers.sparse_conv_torch import (
    InverseConv,
    StridedConv,
    SubmanifoldConv,
)
from mmocc.models.layers.sparse_rulebook import KERNEL, PADDING, STRIDE
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.sparse_unet import (
    SparseUNet,
)


@dataclasses.dataclass(frozen=True)
class DenseTensor:
    """Features at all cells of a grid, B frames of X x Y x Z.

    Attributes:
        features (Tensor): (B * X * Y * Z, C), z fastest.
        occupied (Tensor): (B, 1, X, Y, Z), 1 where a voxel is, else 0.
        finer (dict[str, Tensor]): ``occupied`` before each strided
            convolution, by its key; shared by all that descend from one.
    """

    features: Tensor
    occupied: Tensor
    finer: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def replace_feature(self, features: Tensor) -> 'DenseTensor':
        """Return a tensor of other features; the name is spconv's."""
        return dataclasses.replace(self, features=features)

    def volume(self) -> Tensor:
        """Return features as (B, C, X, Y, Z), zeros where no voxel is."""
        frames, _, *shape = self.occupied.shape
        cells = self.features.unflatten(0, (frames, *shape))
        return cells.permute(0, 4, 1, 2, 3) * self.occupied


class DenseOps:
    """Backend of a built ``SparseUNet``: makes its tensor."""

    @staticmethod
    def tensor(
        features: Tensor,
        indices: Tensor,
        spatial_shape: tuple[int, int, int],
        batch_size: int,
    ) -> DenseTensor:
        """Build a tensor of all cells.

        ``indices`` (cells,) is 1 where a cell is occupied, else 0.
        """
        occupied = indices.view(batch_size, 1, *spatial_shape)
        return DenseTensor(features, occupied)


class _DenseConv(nn.Module):
    """The weight of a sparse convolution, (C_out, 3, 3, 3, C_in)."""

    def __init__(
        self, sparse: SubmanifoldConv | StridedConv | InverseConv
    ) -> None:
        super().__init__()
        self.key = sparse.key
        self.weight = sparse.weight


class DenseSubmanifoldConv(_DenseConv):
    """``SubmanifoldConv`` over all cells."""

    def forward(self, x: DenseTensor) -> DenseTensor:
        """Map features (cells, C_in) to (cells, C_out)."""
        weight = self.weight.permute(0, 4, 1, 2, 3)
        return x.replace_feature(
            _rows(F.conv3d(x.volume(), weight, padding=PADDING))
        )


class DenseStridedConv(_DenseConv):
    """``StridedConv`` over all cells; occupied wherever one is met."""

    def forward(self, x: DenseTensor) -> DenseTensor:
        """Map features (cells, C_in) to (fewer cells, C_out)."""
        x.finer[self.key] = x.occupied
        weight = self.weight.permute(0, 4, 1, 2, 3)
        out = F.conv3d(x.volume(), weight, stride=STRIDE, padding=PADDING)
        met = F.max_pool3d(x.occupied, KERNEL, STRIDE, PADDING)
        return DenseTensor(_rows(out), met, x.finer)


class DenseInverseConv(_DenseConv):
    """``InverseConv`` over all cells."""

    def forward(self, x: DenseTensor) -> DenseTensor:
        """Map features (cells, C_in) to (more cells, C_out)."""
        finer = x.finer[self.key]
        out = F.conv_transpose3d(
            x.volume(),
            self.weight.permute(4, 0, 1, 2, 3),
            stride=STRIDE,
            padding=PADDING,
            # An even length has one cell more than its half reaches.
            output_padding=[1 - length % STRIDE for length in finer.shape[2:]],
        )
        return DenseTensor(_rows(out), finer, x.finer)


DENSE = {
    SubmanifoldConv: DenseSubmanifoldConv,
    StridedConv: DenseStridedConv,
    InverseConv: DenseInverseConv,
}


def make_dense(unet: SparseUNet) -> None:
    """Exchange the convolutions of a network for dense ones, in place.

    Args:
        unet (SparseUNet): Built with ``backend='torch'``. Its ``forward``
            takes a mask (B * X * Y * Z,) in place of indices afterwards.

    Raises:
        ValueError: If it has another backend.
    """
    normed = [
        module
        for module in unet.modules()
        if isinstance(getattr(module, 'conv', None), nn.Module)
    ]
    for module in normed:
        if type(module.conv) not in DENSE:
            raise ValueError(
                f'got a {type(module.conv).__name__} in the sparse U-Net, '
                'expected the torch backend of the sparse convolutions; '
                "build the model with the refiner's backend='torch', which "
                'reads the same weights'
            )
        module.conv = DENSE[type(module.conv)](module.conv)
    unet.ops = DenseOps


def _rows(volume: Tensor) -> Tensor:
    """Turn a volume (B, C, X, Y, Z) into rows (B * X * Y * Z, C)."""
    return torch.movedim(volume, 1, -1).flatten(0, 3)
