"""Building blocks of the scene VQ-VAE, over a bird's-eye view.

The blocks are those of VQGAN (Esser et al., CVPR 2021) in the form that
OccWorld (Zheng et al., ECCV 2024) trains. Attribute names (``norm1``,
``nin_shortcut``, ``proj_out``, ...) are the names in OccWorld's checkpoints.

Feature maps are (B, C, X, Y): height of the map = x axis of the grid, width =
y axis. Blocks keep the memory format of their input.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import nn

NORM_GROUPS = 32
NORM_EPS = 1e-6
# Maps of at most NORM_GROUPS channels are normalised in groups of this many.
NARROW_GROUP_CHANNELS = 4


def group_norm(channels: int) -> nn.GroupNorm:
    """Build a GroupNorm with OccWorld's rule for the number of groups."""
    groups = NORM_GROUPS
    if channels <= NORM_GROUPS:
        groups = channels // NARROW_GROUP_CHANNELS
    if groups == 0 or channels % groups:
        raise ValueError(
            f'the scene VQ-VAE cannot normalise {channels} channels: choose '
            f'base_channels and channel_multipliers so that each width is a '
            f'multiple of {NARROW_GROUP_CHANNELS} up to {NORM_GROUPS}, and a '
            f'multiple of {NORM_GROUPS} above'
        )
    return nn.GroupNorm(groups, channels, eps=NORM_EPS)


class ResidualBlock(BaseModule):
    """Norm, swish and 3x3 convolution, twice, beside a skip connection.

    Args:
        in_channels (int): Width of the input.
        out_channels (int): Width of the output. A 1x1 convolution adapts the
            skip where the widths differ.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = group_norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = group_norm(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.nin_shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, in_channels, X, Y) to (B, out_channels, X, Y)."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return self.nin_shortcut(x) + hidden


class AttentionBlock(BaseModule):
    """Single-head self-attention over all cells of the map, with a skip.

    Args:
        channels (int): Width of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels, X, Y) to the same shape."""
        normed = self.norm(x)
        # (B, 1 head, X * Y, C); scores are scaled by C ** -0.5.
        q, k, v = (
            conv(normed).flatten(2).transpose(1, 2).unsqueeze(1)
            for conv in (self.q, self.k, self.v)
        )
        attended = F.scaled_dot_product_attention(q, k, v)  # (B, 1, X Y, C)
        attended = attended.squeeze(1).transpose(1, 2).reshape(x.shape)
        return x + self.proj_out(attended)


class Downsample(BaseModule):
    """Halve the map, rounding up, by a strided convolution.

    Args:
        channels (int): Width of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, X, Y) to (B, C, ceil(X / 2), ceil(Y / 2))."""
        return self.conv(x)


class Upsample(BaseModule):
    """Double the map by repetition, cut it to size and convolve it.

    Args:
        channels (int): Width of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Map (B, C, X, Y) to (B, C, *size).

        Args:
            x (Tensor): Map of the coarser level.
            size (tuple[int, int]): 2X or 2X - 1, and 2Y or 2Y - 1. The
                surplus is cut from the first row and column, as in OccWorld.
        """
        x = F.interpolate(x, scale_factor=2, mode='nearest')
        return self.conv(x[..., -size[0] :, -size[1] :])
