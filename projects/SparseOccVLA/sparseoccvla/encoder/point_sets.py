"""Centre and extent of sets of points."""

import torch
from torch import Tensor


def centre_and_spread(points: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and unbiased standard deviation of each set.

    A single point, and points that coincide, have a spread of 0 with zero
    gradients, where ``torch.std`` gives NaN.

    Args:
        points (Tensor): (..., R, 3) metres.

    Returns:
        tuple[Tensor, Tensor]: Two of (..., 3) metres.
    """
    centre = points.mean(dim=-2)
    count = points.shape[-2]
    if count == 1:
        return centre, torch.zeros_like(centre)
    squares = (points - centre[..., None, :]).square().sum(dim=-2)  # (..., 3)
    variance = squares / (count - 1)
    wide = variance > 0
    return centre, torch.where(wide, variance, 1.0).sqrt() * wide
