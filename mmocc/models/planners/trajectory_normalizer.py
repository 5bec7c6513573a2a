"""Trajectories in the units that the planner computes in."""

import torch
from mmengine.model import BaseModule
from torch import Tensor


class TrajectoryNormalizer(BaseModule):
    """Convert positions to scaled displacements and back.

    z = (d - centre) / half_range for each displacement d between neighbouring
    positions, the first one from the origin, where the ego stands. Centre and
    half range span what the train split does in a step. Nothing is clamped:
    whoever drives faster than the train split lies outside [-1, 1], not at
    its edge (DiffusionDrive's nuScenes code cuts at 15 m/s).

    Args:
        centre (Tensor): (2,) metres, forward and left.
        half_range (Tensor): (2,) metres.
    """

    def __init__(self, centre: Tensor, half_range: Tensor) -> None:
        super().__init__()
        self.register_buffer('centre', centre)
        self.register_buffer('half_range', half_range)

    def normalize(self, positions: Tensor) -> Tensor:
        """Convert positions (..., T, 2) in metres to z, same shape."""
        start = torch.zeros_like(positions[..., :1, :])
        steps = positions.diff(dim=-2, prepend=start)
        return (steps - self.centre) / self.half_range

    def denormalize(self, z: Tensor) -> Tensor:
        """Convert z (..., T, 2) to positions in metres, same shape."""
        return (z * self.half_range + self.centre).cumsum(dim=-2)
