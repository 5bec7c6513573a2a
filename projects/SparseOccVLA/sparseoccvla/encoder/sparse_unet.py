"""A U-Net over the occupied voxels of a grid."""

import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule, ModuleList, Sequential
from torch import Tensor, nn

from mmocc.models.layers.sparse_conv import sparse_ops
from mmocc.models.layers.sparse_rulebook import KERNEL


class _NormedConv(BaseModule):
    """Apply a sparse convolution and a layer norm over its channels.

    A batch norm would need many voxels and several frames in each batch;
    neither is certain here.
    """

    def __init__(self, conv: nn.Module, channels: int) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.LayerNorm(channels)
        fan_in = KERNEL**3 * conv.weight.shape[-1]
        nn.init.normal_(conv.weight, std=math.sqrt(2 / fan_in))

    def forward(self, x):
        """Map a sparse tensor of the backend to another."""
        x = self.conv(x)
        return x.replace_feature(self.norm(x.features))


class _ResidualBlock(BaseModule):
    """Two submanifold convolutions beside a shortcut."""

    def __init__(self, ops: type, channels: int, key: str) -> None:
        super().__init__()
        self.first, self.second = (
            _NormedConv(ops.submanifold(channels, channels, key), channels)
            for _ in range(2)
        )

    def forward(self, x):
        """Map a sparse tensor of the backend to another."""
        out = self.second(_relu(self.first(x)))
        return _relu(out.replace_feature(out.features + x.features))


def _relu(x):
    """Apply ReLU to a sparse tensor of the backend."""
    return x.replace_feature(x.features.relu())


class SparseUNet(BaseModule):
    """Mix features of voxels at several scales, each half as fine.

    On the way down, strided convolutions halve the grid. On the way up,
    inverse convolutions return to the voxels that were there, whose features
    are concatenated and merged by one more submanifold convolution.

    Args:
        channels (Sequence[int]): Width at each scale, finest first.
        num_blocks (int): Number of residual blocks at each scale on the way
            down.
        backend (str): ``auto``, ``spconv`` or ``torch``; all read and write
            the same state dict. Defaults to 'auto'.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_blocks: int,
        backend: str = 'auto',
    ) -> None:
        super().__init__()
        self.ops = ops = sparse_ops(backend)
        self.blocks = ModuleList(
            Sequential(
                *(
                    _ResidualBlock(ops, width, f'same{scale}')
                    for _ in range(num_blocks)
                )
            )
            for scale, width in enumerate(channels)
        )
        self.down, self.up, self.merge = (ModuleList() for _ in range(3))
        for scale in range(len(channels) - 1):
            fine, coarse = channels[scale : scale + 2]
            key = f'down{scale}'
            self.down.append(
                _NormedConv(ops.strided(fine, coarse, key), coarse)
            )
            self.up.append(_NormedConv(ops.inverse(coarse, fine, key), fine))
            self.merge.append(
                _NormedConv(
                    ops.submanifold(2 * fine, fine, f'same{scale}'), fine
                )
            )

    def forward(
        self,
        features: Tensor,
        indices: Tensor,
        spatial_shape: tuple[int, int, int],
        batch_size: int,
    ) -> Tensor:
        """Mix the features of V voxels.

        Args:
            features (Tensor): (V, C); V is at least 1.
            indices (Tensor): (V, 4) batch, x, y, z; all different.
            spatial_shape (tuple[int, int, int]): Shape X, Y, Z of the grid.
            batch_size (int): Number of frames.

        Returns:
            Tensor: (V, C), in the same order.
        """
        x = self.ops.tensor(features, indices, spatial_shape, batch_size)
        skips = []
        for scale, blocks in enumerate(self.blocks):
            x = blocks(x)  # (V_s, C_s)
            if scale < len(self.down):
                skips.append(x)
                x = _relu(self.down[scale](x))  # (V_s+1, C_s+1)
        for scale in reversed(range(len(self.up))):
            x = _relu(self.up[scale](x))
            skip = skips[scale]
            x = skip.replace_feature(
                torch.cat([skip.features, x.features], dim=1)  # (V_s, 2 C_s)
            )
            x = _relu(self.merge[scale](x))
        return x.features
