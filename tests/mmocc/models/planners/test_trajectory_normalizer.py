"""Positions to scaled displacements and back."""

import torch
from planner_examples import drive

from mmocc.models.planners.trajectory_normalizer import TrajectoryNormalizer


def make():
    return TrajectoryNormalizer(
        torch.tensor([2.5, 0.0]), torch.tensor([2.5, 1.5])
    )


def test_a_worked_example():
    # 10 m/s straight on, then a step of 1.5 m to the left.
    positions = torch.tensor([[5.0, 0.0], [10.0, 0.0], [10.0, 1.5]])
    expected = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 1.0]])
    torch.testing.assert_close(make().normalize(positions), expected)


def test_20_metres_per_second_are_not_clamped():
    fast = torch.from_numpy(drive(20.0))[None]
    z = make().double().normalize(fast)
    # Steps of 10 m: three half ranges above the centre.
    torch.testing.assert_close(z[..., 0], torch.full_like(z[..., 0], 3.0))
    torch.testing.assert_close(make().double().denormalize(z), fast)


def test_round_trip():
    generator = torch.Generator().manual_seed(0)
    positions = 30 * torch.randn(4, 3, 6, 2, generator=generator)
    normalizer = make()
    back = normalizer.denormalize(normalizer.normalize(positions))
    torch.testing.assert_close(back, positions, atol=1e-4, rtol=1e-5)
