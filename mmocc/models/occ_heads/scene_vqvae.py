"""The scene VQ-VAE of OccWorld (Zheng et al., ECCV 2024, arXiv 2311.16038).

Occupancy is embedded class by class, folded into a bird's-eye-view map,
encoded to a small latent map, quantised, and decoded to one feature vector
for each voxel. Class logits are dot products of that vector with the same
table that embedded the input, so a user of the decoder needs the table too.

Names and shapes of the parameters at the default sizes are those of
OccWorld's checkpoints. Its code: https://github.com/wzzheng/OccWorld.
"""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import nn

from mmocc.models.occ_heads.vector_quantizer import VectorQuantizer
from mmocc.models.occ_heads.vqvae_networks import Decoder, Encoder
from mmocc.registry import MODELS


@MODELS.register_module()
class SceneVQVAE(BaseModule):
    """Encode semantic occupancy into a latent map, and decode it.

    Shapes: (X, Y, Z) is the grid, (X', Y') the latent map (a quarter of the
    grid with three levels, odd sizes rounded up), C the latent width, E the
    expansion. There is neither dropout nor batch statistics: training and
    evaluation mode agree.

    The parts are separate methods, so that a latent of another source (such
    as a language model's queries) may enter at any of them::

        latent = vqvae.encode(semantics)       # (B, C, X', Y')
        code, loss, _ = vqvae.quantise(latent) # (B, C, X', Y')
        features = vqvae.decode(code)          # (B, X, Y, Z, E)
        logits = vqvae.logits(features)        # (B, X, Y, Z, num_classes)

    Args:
        num_classes (int): Number of classes, free space included. Defaults to
            Occ3D's 18.
        grid_shape (Sequence[int]): Shape (X, Y, Z) of the grid. Defaults to
            Occ3D's.
        expansion (int): Width of a class embedding and of a voxel feature.
        base_channels (int): Width of the finest level.
        channel_multipliers (Sequence[int]): Width of each level, finest
            first, in units of ``base_channels``. Each level after the first
            halves the map.
        num_res_blocks (int): Number of residual blocks on each level.
        attention_levels (Sequence[int]): Levels whose residual blocks are
            followed by self-attention; 0 is the finest.
        mid_attention (bool): Whether the middle of encoder and decoder
            attends.
        latent_channels (int): Width of the latent map and of a code.
        num_codes (int, optional): Size of the codebook. None makes a
            continuous autoencoder: the latent is not quantised.
        beta (float): Weight of the codebook's half of the embedding loss.
        zero_free_embed (bool): Whether the embedding of free space, the last
            class, starts at zero instead of at random. Free space then adds
            nothing to the encoder's input at first, which speeds up the first
            minutes of training. Defaults to False, as in OccWorld.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        num_classes: int = 18,
        grid_shape: Sequence[int] = (200, 200, 16),
        expansion: int = 8,
        base_channels: int = 64,
        channel_multipliers: Sequence[int] = (1, 2, 4),
        num_res_blocks: int = 2,
        attention_levels: Sequence[int] = (2,),
        mid_attention: bool = True,
        latent_channels: int = 128,
        num_codes: int | None = 512,
        beta: float = 1.0,
        zero_free_embed: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.grid_shape = tuple(grid_shape)
        self.expansion = expansion
        widths = [base_channels * factor for factor in channel_multipliers]
        self.num_levels = len(widths)
        self.latent_shape = (
            latent_channels,
            *self.level_sizes(self.grid_shape[:2])[-1],
        )
        folded_channels = self.grid_shape[2] * expansion
        self.encoder = Encoder(
            folded_channels,
            widths,
            num_res_blocks,
            attention_levels,
            mid_attention,
            latent_channels,
        )
        self.decoder = Decoder(
            latent_channels,
            widths,
            num_res_blocks,
            attention_levels,
            mid_attention,
            folded_channels,
        )
        self.class_embeds = nn.Embedding(num_classes, expansion)
        if zero_free_embed:
            nn.init.zeros_(self.class_embeds.weight[-1])
        self.vqvae = VectorQuantizer(latent_channels, num_codes, beta)

    def level_sizes(self, size: Sequence[int]) -> list[tuple[int, int]]:
        """Return (X, Y) of each level, finest first, of a grid of ``size``."""
        sizes = [tuple(size)]
        while len(sizes) < self.num_levels:
            sizes.append(tuple((n + 1) // 2 for n in sizes[-1]))
        return sizes

    def encode(self, semantics: torch.Tensor) -> torch.Tensor:
        """Encode occupancy into the latent that the quantiser compares.

        Args:
            semantics (Tensor): (B, X, Y, Z) class ids of any integer type. X
                and Y may be those of a part of the grid.

        Returns:
            Tensor: (B, C, X', Y'), ``quant_conv`` included.
        """
        height = self.grid_shape[2]
        if semantics.ndim != 4 or semantics.shape[3] != height:
            raise ValueError(
                f'SceneVQVAE got occupancy of shape {tuple(semantics.shape)}, '
                f'expected (B, X, Y, {height}): set grid_shape to the grid of '
                'the labels'
            )
        # Height outside, embedding inside: channel = z * E + e. The map is
        # channels-last in memory, which the convolutions keep.
        folded = self.class_embeds(semantics.int()).flatten(3)  # (B, X, Y, ZE)
        latent = self.encoder(folded.permute(0, 3, 1, 2))
        return self.vqvae.quant_conv(latent)

    def quantise(
        self, latent: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Replace each cell of the latent by its nearest code.

        Args:
            latent (Tensor): (B, C, X', Y').

        Returns:
            tuple: The code (B, C, X', Y') with a straight-through gradient;
            the embedding loss (); the indices (B, X', Y') int64. Without a
            codebook: the latent itself, zero, None.
        """
        return self.vqvae(latent)

    def decode(
        self,
        latent: torch.Tensor,
        post_quant_conv: bool = True,
        size: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Decode a latent map into voxel features.

        Args:
            latent (Tensor): (B, C, X', Y').
            post_quant_conv (bool): Whether the latent is a code (or stands
                for one), so that ``post_quant_conv`` leads it to the space
                that the decoder was trained on.
            size (Sequence[int], optional): (X, Y) to decode to. Defaults to
                None, that of ``grid_shape``.

        Returns:
            Tensor: (B, X, Y, Z, E).
        """
        sizes = self.level_sizes(size or self.grid_shape[:2])
        expected = (self.latent_shape[0], *sizes[-1])
        if latent.shape[1:] != expected:
            raise ValueError(
                f'SceneVQVAE got a latent of shape {tuple(latent.shape)}, '
                f'expected (B, {", ".join(map(str, expected))}): its sizes '
                'follow from grid_shape, channel_multipliers and '
                'latent_channels'
            )
        if post_quant_conv:
            latent = self.vqvae.post_quant_conv(latent)
        folded = self.decoder(latent, sizes)  # (B, Z * E, X, Y)
        folded = folded.permute(0, 2, 3, 1).contiguous()  # (B, X, Y, Z * E)
        return folded.unflatten(3, (self.grid_shape[2], self.expansion))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Compute the class logits of every voxel.

        At Occ3D's size these are 46 MB for each frame in fp32; losses that
        need fewer voxels take ``logits_at``.

        Args:
            features (Tensor): (..., E).

        Returns:
            Tensor: (..., num_classes).
        """
        return features @ self.class_embeds.weight.t()

    def logits_at(
        self, features: torch.Tensor, flat_voxel_index: torch.Tensor
    ) -> torch.Tensor:
        """Compute the class logits of chosen voxels.

        Args:
            features (Tensor): (B, X, Y, Z, E).
            flat_voxel_index (Tensor): (n,) int64 into the flattened
                (B, X, Y, Z).

        Returns:
            Tensor: (n, num_classes).
        """
        return self.logits(features.flatten(0, -2)[flat_voxel_index])

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """Return the most probable class of every voxel.

        Frames are computed one by one, to save memory.

        Args:
            features (Tensor): (B, X, Y, Z, E).

        Returns:
            Tensor: (B, X, Y, Z) uint8.
        """
        return torch.stack(
            [self.logits(frame).argmax(-1).byte() for frame in features]
        )
