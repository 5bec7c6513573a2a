import math

import pytest
import torch
from torch import nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sampling import (
    AdaptiveSampling,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
    group_views,
)

QUERIES, WIDTH = 5, 8


def build(**options):
    torch.manual_seed(0)
    return AdaptiveSampling(
        WIDTH, num_points=3, num_groups=2, num_levels=2, **options
    )


def test_places_lie_at_offsets_in_units_of_the_spread():
    sampling = build()
    # x spreads by sqrt(2), y by 0, z by 2 sqrt(2) about the centre (2, 5, 1).
    points = torch.tensor([[[[1.0, 5.0, -1.0], [3.0, 5.0, 3.0]]]])
    places = sampling.choose_points(torch.randn(1, 1, WIDTH), points)
    assert places.shape == (1, 1, 2, 3, 3)
    spread = torch.tensor([1.0, 0.0, 2.0]) * math.sqrt(2)
    offset = sampling.sampling_offset.bias.view(2, 3, 3)
    expected = torch.tensor([2.0, 5.0, 1.0]) + offset * spread
    torch.testing.assert_close(places[0, 0], expected)
    assert offset.abs().max() <= 0.5


def test_a_query_of_one_point_looks_at_it_unless_widened():
    points = torch.rand(1, QUERIES, 1, 3) * 10
    features = torch.randn(1, QUERIES, WIDTH)
    places = build().choose_points(features, points)
    assert torch.equal(places, points[:, :, :, None].expand_as(places))
    wide = build(min_spread=0.8)
    gaps = wide.choose_points(features, points) - points[:, :, :, None]
    expected = 0.8 * wide.sampling_offset.bias.view(2, 3, 3)
    torch.testing.assert_close(
        gaps, expected.expand_as(gaps), atol=1e-5, rtol=0
    )


def test_autocast_does_not_move_places():
    sampling = build()
    nn.init.normal_(sampling.sampling_offset.weight)
    points = torch.rand(2, QUERIES, 4, 3) * 40
    features = torch.randn(2, QUERIES, WIDTH)
    expected = sampling.choose_points(features, points)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(sampling.choose_points(features, points), expected)


def test_levels_share_one_weight():
    """Two equal constant levels read as one of them."""
    sampling = build()
    nn.init.normal_(sampling.level_weights.weight)
    maps = [torch.full((1, 1, WIDTH, 4, 4), 3.0) for _ in range(2)]
    # Looks along x from the origin; 100 x 100 pixels.
    matrix = torch.tensor(
        [[50.0, -50, 0, 0], [50, 0, -50, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    views = group_views(maps, matrix.view(1, 1, 4, 4), (100, 100), 1, 2)
    points = torch.rand(1, QUERIES, 4, 3) + torch.tensor([10.0, 0.0, 0.0])
    seen = sampling(torch.randn(1, QUERIES, WIDTH), points, views)
    assert seen.shape == (1, QUERIES, 2, 3, WIDTH // 2)
    torch.testing.assert_close(seen, torch.full_like(seen, 3.0))


@pytest.mark.parametrize('points', (1, 4))
def test_only_a_spread_teaches_offsets(points):
    """Offsets of nothing change nothing; from two points on they learn."""
    sampling = build()
    maps = [torch.randn(1, 1, WIDTH, 20, 20) for _ in range(2)]
    matrix = torch.tensor(
        [[50.0, -50, 0, 0], [50, 0, -50, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    views = group_views(maps, matrix.view(1, 1, 4, 4), (100, 100), 1, 2)
    places = torch.rand(1, QUERIES, points, 3) + torch.tensor([10.0, 0, 0])
    features = torch.randn(1, QUERIES, WIDTH)
    sampling(features, places, views).square().sum().backward()
    learns = sampling.sampling_offset.weight.grad.abs().sum() > 0
    assert learns == (points > 1)
