"""Sines and cosines of coordinates, for whatever a linear layer reads."""

import math

import torch
from torch import Tensor


def octave_phases(values: Tensor, num_frequencies: int) -> Tensor:
    """Multiply values by pi, 2 pi, 4 pi, ... (..., C) to (..., C, F)."""
    octaves = 2.0 ** torch.arange(
        num_frequencies, dtype=values.dtype, device=values.device
    )
    return values[..., None] * (math.pi * octaves)


def sine_code(values: Tensor, num_frequencies: int, longest: float) -> Tensor:
    """Encode each value by itself and its waves, which halve in length.

    Args:
        values (Tensor): (..., C).
        num_frequencies (int): Number F of waves.
        longest (float): Wavelength of the first wave, in units of ``values``;
            values within half of it around zero are told apart.

    Returns:
        Tensor: (..., C * (2 F + 1)), the values as multiples of half of
        ``longest`` among them.
    """
    scaled = values * (2 / longest)
    phase = octave_phases(scaled, num_frequencies)  # (..., C, F)
    waves = [scaled[..., None], phase.sin(), phase.cos()]
    return torch.cat(waves, dim=-1).flatten(-2)


def sine_code_dims(num_values: int, num_frequencies: int) -> int:
    """Return the width of the code of ``num_values`` coordinates."""
    return num_values * (2 * num_frequencies + 1)
