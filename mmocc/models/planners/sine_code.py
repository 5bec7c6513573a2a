"""Sines and cosines of coordinates, for whatever a linear layer reads."""

import math

import torch
from torch import Tensor


def sine_code(values: Tensor, num_frequencies: int, longest: float) -> Tensor:
    """Each value and its waves, from ``longest`` down in octaves.

    Args:
        values (Tensor): (..., C).
        num_frequencies (int): F.
        longest (float): Wavelength of the first wave, in units of ``values``;
            values within half of it around zero are told apart.

    Returns:
        Tensor: (..., C * (2 F + 1)), the values as multiples of half of
        ``longest`` among them.
    """
    octaves = 2.0 ** torch.arange(
        num_frequencies, dtype=values.dtype, device=values.device
    )
    scaled = values[..., None] * (2 / longest)  # (..., C, 1)
    phase = scaled * (math.pi * octaves)
    return torch.cat([scaled, phase.sin(), phase.cos()], dim=-1).flatten(-2)


def sine_code_dims(num_values: int, num_frequencies: int) -> int:
    """Width of the code of ``num_values`` coordinates."""
    return num_values * (2 * num_frequencies + 1)
