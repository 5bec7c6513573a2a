"""The box of space that points are expected in."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PointRange(nn.Module):
    """Convert between metres and fractions of a range.

    Its limits come from the config, hence they are not in checkpoints.

    Args:
        point_range (Sequence[float]): x, y, z minimum, then maximum, metres
            in the ego frame.

    Raises:
        ValueError: If a minimum is not below its maximum.
    """

    def __init__(self, point_range: Sequence[float]) -> None:
        super().__init__()
        if len(point_range) != 6 or any(
            point_range[i] >= point_range[i + 3] for i in range(3)
        ):
            raise ValueError(
                f'encoder.point_range is {point_range}, expected x, y, z '
                'minimum, then a larger x, y, z maximum, in metres'
            )
        limits = torch.tensor(point_range, dtype=torch.get_default_dtype())
        low, high = limits[:3], limits[3:]
        self.register_buffer('low', low, persistent=False)
        self.register_buffer('size', high - low, persistent=False)

    def to_fractions(self, points: Tensor) -> Tensor:
        """Map metres (..., 3) to fractions, 0 to 1 inside the range."""
        return (points - self.low) / self.size

    def to_metres(self, fractions: Tensor) -> Tensor:
        """Map fractions (..., 3) to metres."""
        return self.low + fractions * self.size
