"""Encoder and decoder of the scene VQ-VAE (OccWorld, arXiv 2311.16038).

Both are pyramids over the bird's-eye view. A level is a resolution: level 0
is the full grid, each further level is half as fine. Attribute names are
those in OccWorld's checkpoints.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from torch import nn

from mmocc.models.occ_heads.vqvae_layers import (
    AttentionBlock,
    Downsample,
    ResidualBlock,
    Upsample,
    group_norm,
)


class Middle(BaseModule):
    """Residual block, attention, residual block at the coarsest level.

    Args:
        channels (int): Width of input and output.
        attention (bool): Whether the attention block is there.
    """

    def __init__(self, channels: int, attention: bool) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels)
        self.attn_1 = AttentionBlock(channels) if attention else nn.Identity()
        self.block_2 = ResidualBlock(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, X, Y) to the same shape."""
        return self.block_2(self.attn_1(self.block_1(x)))


class ResolutionLevel(BaseModule):
    """Residual blocks of one resolution, each with attention if asked.

    Args:
        in_channels (int): Width of the input.
        out_channels (int): Width of the output.
        num_blocks (int): Number of residual blocks, at least 1.
        attention (bool): Whether an attention block follows each of them.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: int,
        attention: bool,
    ) -> None:
        super().__init__()
        self.block = ModuleList(
            ResidualBlock(out_channels if i else in_channels, out_channels)
            for i in range(num_blocks)
        )
        self.attn = ModuleList(
            AttentionBlock(out_channels)
            for _ in range(num_blocks if attention else 0)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, in_channels, X, Y) to (B, out_channels, X, Y)."""
        for i, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[i](x)
        return x


class Encoder(BaseModule):
    """Encode folded voxel embeddings into a latent map.

    Args:
        in_channels (int): Width of the input, grid height x expansion.
        widths (Sequence[int]): Width of each level, finest first.
        num_res_blocks (int): Number of residual blocks on each level.
        attention_levels (Sequence[int]): Levels with attention.
        mid_attention (bool): Whether the middle has attention.
        latent_channels (int): Width of the output.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        num_res_blocks: int,
        attention_levels: Sequence[int],
        mid_attention: bool,
        latent_channels: int,
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.down = ModuleList()
        for i, width in enumerate(widths):
            level = ResolutionLevel(
                widths[max(i - 1, 0)],
                width,
                num_res_blocks,
                i in attention_levels,
            )
            if i + 1 < len(widths):
                level.downsample = Downsample(width)
            self.down.append(level)
        self.mid = Middle(widths[-1], mid_attention)
        self.norm_out = group_norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], latent_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, in_channels, X, Y) to (B, latent_channels, X', Y')."""
        x = self.conv_in(x)  # (B, widths[0], X, Y)
        for i, level in enumerate(self.down):
            x = level(x)  # (B, widths[i], X_i, Y_i)
            if i + 1 < len(self.down):
                x = level.downsample(x)
        x = self.mid(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(BaseModule):
    """Decode a latent map into folded voxel features.

    Args:
        latent_channels (int): Width of the input.
        widths (Sequence[int]): Width of each level, finest first.
        num_res_blocks (int): Number of residual blocks on each level.
        attention_levels (Sequence[int]): Levels with attention.
        mid_attention (bool): Whether the middle has attention.
        out_channels (int): Width of the output, grid height x expansion.
    """

    def __init__(
        self,
        latent_channels: int,
        widths: Sequence[int],
        num_res_blocks: int,
        attention_levels: Sequence[int],
        mid_attention: bool,
        out_channels: int,
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(latent_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], mid_attention)
        self.up = ModuleList()
        for i, width in enumerate(widths):
            level = ResolutionLevel(
                widths[min(i + 1, len(widths) - 1)],
                width,
                num_res_blocks,
                i in attention_levels,
            )
            if i > 0:
                level.upsample = Upsample(width)
            self.up.append(level)
        self.norm_out = group_norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], out_channels, 3, padding=1)

    def forward(
        self, x: torch.Tensor, sizes: Sequence[tuple[int, int]]
    ) -> torch.Tensor:
        """Map (B, latent_channels, X', Y') to (B, out_channels, X, Y).

        Args:
            x (Tensor): Latent map.
            sizes (Sequence[tuple[int, int]]): (X, Y) of each level, finest
                first.
        """
        x = self.mid(self.conv_in(x))  # (B, widths[-1], X', Y')
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)  # (B, widths[i], X_i, Y_i)
            if i > 0:
                x = self.up[i].upsample(x, sizes[i - 1])
        return self.conv_out(F.silu(self.norm_out(x)))
