"""Quantise a latent map by its nearest codes (VQ-VAE, arXiv 1711.00937)."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import nn


class VectorQuantizer(BaseModule):
    """Codebook between two 1x1 convolutions, as OccWorld trains it.

    Codes are compared by squared Euclidean distance without normalisation.
    There is no moving average, no code restart and no entropy term. The
    convolutions are applied outside ``forward``, so that a latent of another
    source may skip either of them.

    Args:
        channels (int): Width of the latent map and of a code.
        num_codes (int, optional): Size of the codebook. None leaves it out:
            the latent passes unchanged and the loss is zero.
        beta (float): Weight of the term that moves codes towards latents,
            beside 1 for the term that moves latents towards codes. OccWorld
            has 1.0.
    """

    def __init__(
        self, channels: int, num_codes: int | None, beta: float
    ) -> None:
        super().__init__()
        self.beta = beta
        self.embedding = None
        if num_codes is not None:
            self.embedding = nn.Embedding(num_codes, channels)
            nn.init.uniform_(
                self.embedding.weight, -1 / num_codes, 1 / num_codes
            )
        self.quant_conv = nn.Conv2d(channels, channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 1)

    def nearest(self, latent: torch.Tensor) -> torch.Tensor:
        """Find the nearest code of each latent, (N, C) to (N,) int64."""
        codes = self.embedding.weight
        # |z - e|^2 without |z|^2, which is the same for every code.
        scores = torch.addmm(
            codes.square().sum(1), latent, codes.t(), alpha=-2
        )  # (N, num_codes)
        return scores.argmin(1)

    def forward(
        self, latent: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Replace each cell by its nearest code.

        Args:
            latent (Tensor): (B, C, X', Y').

        Returns:
            tuple: The codes (B, C, X', Y'), through which the gradient
            passes straight to ``latent``; the embedding loss (); the indices
            (B, X', Y') int64, None without a codebook.
        """
        if self.embedding is None:
            return latent, latent.new_zeros((), dtype=torch.float32), None
        # Distances between close codes do not survive half precision.
        with torch.autocast(latent.device.type, enabled=False):
            latent = latent.float()
            cells = latent.permute(0, 2, 3, 1)  # (B, X', Y', C)
            with torch.no_grad():
                indices = self.nearest(cells.flatten(0, 2))
                indices = indices.view(cells.shape[:3])
            codes = self.embedding(indices)  # (B, X', Y', C)
            loss = F.mse_loss(codes.detach(), cells)
            loss = loss + self.beta * F.mse_loss(codes, cells.detach())
            codes = cells + (codes - cells).detach()
        return codes.permute(0, 3, 1, 2), loss, indices
