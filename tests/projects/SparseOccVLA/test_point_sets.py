import torch

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sets import (
    centre_and_spread,
)


def test_equals_torchs_mean_and_unbiased_deviation():
    torch.manual_seed(0)
    points = torch.randn(2, 5, 7, 3, dtype=torch.float64)
    centre, spread = centre_and_spread(points)
    torch.testing.assert_close(centre, points.mean(dim=2))
    torch.testing.assert_close(spread, points.std(dim=2))


def test_a_single_point_has_no_spread():
    points = torch.tensor([[[1.0, 2.0, 3.0]]], requires_grad=True)
    centre, spread = centre_and_spread(points)
    assert centre.tolist() == [[1.0, 2.0, 3.0]]
    assert spread.tolist() == [[0.0, 0.0, 0.0]]
    (centre + 2 * spread).sum().backward()
    assert points.grad.tolist() == [[[1.0, 1.0, 1.0]]]


def test_coincident_points_have_no_spread_and_finite_gradients():
    points = torch.full((4, 3), 0.5, requires_grad=True)
    _, spread = centre_and_spread(points)
    spread.sum().backward()
    assert spread.tolist() == [0.0, 0.0, 0.0]
    assert points.grad.abs().sum() == 0


def test_gradient_of_the_spread():
    torch.manual_seed(0)
    points = torch.randn(3, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: centre_and_spread(x)[1], (points,)
    )
