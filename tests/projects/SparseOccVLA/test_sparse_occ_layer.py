"""One layer: the order of its steps and what stays in float32."""

import pytest
import torch
from torch import nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.adaptive_mixing import (
    AdaptiveMixing,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sampling import (
    AdaptiveSampling,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.self_attention import (
    SpatialAttention,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.sparse_occ_layer import (
    SparseOccLayer,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
    group_views,
)

DIMS, QUERIES = 16, 7


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return SparseOccLayer(
        embed_dims=DIMS,
        in_points=2,
        out_points=3,
        num_classes=5,
        point_range=[-40.0, -40.0, -1.0, 40.0, 40.0, 5.4],
        sampling=AdaptiveSampling(DIMS, 2, 2, 1),
        mixing=AdaptiveMixing(DIMS, 2, 2, 4),
        attention=SpatialAttention(DIMS, 2),
        ffn_dims=32,
        dropout=0.1,
        reg_scale=0.5,
        class_prior=0.01,
    ).eval()


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(1, QUERIES, DIMS, generator=generator)
    points = 80 * torch.rand(1, QUERIES, 2, 3, generator=generator) - 40
    maps = [torch.randn(1, 1, DIMS, 8, 8, generator=generator)]
    # From the origin along x; 80 x 80 pixels.
    matrix = torch.tensor(
        [[40.0, -40, 0, 0], [40, 0, -40, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    return (
        features,
        points,
        group_views(maps, matrix.view(1, 1, 4, 4), (80, 80), 1, 2),
    )


def silence(layer):
    """Leave residuals and the position code alone."""
    for module in (
        layer.mixing.project,
        layer.attention.out_project,
        layer.ffn[3],
    ):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)


def test_steps_in_their_order(layer, inputs):
    """Position code, sampling, mixing, attention, feed-forward, points."""
    features, points, views = inputs
    limits = torch.tensor([[-40.0, -40, -1], [40, 40, 5.4]])
    unit = (points - limits[0]) / (limits[1] - limits[0])
    f = features + layer.position(unit.flatten(2))
    f = layer.mixing_norm(
        f + layer.mixing(f, layer.sampling(f, points, views))
    )
    centre = points.mean(dim=2)
    f = layer.attention_norm(f + layer.attention(f, centre))
    f = layer.ffn_norm(f + layer.ffn(f))
    offset = layer.offset_branch(f).view(1, QUERIES, 3, 3)
    out, new_points = layer(*inputs)
    torch.testing.assert_close(out, f)
    torch.testing.assert_close(new_points, centre[:, :, None] + 0.5 * offset)


def test_autocast_leaves_position_code_and_new_points_alone(layer, inputs):
    """Where nothing else speaks, both are the same to the last bit."""
    silence(layer)
    nn.init.normal_(layer.offset_branch[-1].weight)
    expected = layer(*inputs)
    with torch.autocast('cpu', torch.bfloat16):
        out = layer(*inputs)
    for value, reference in zip(out, expected, strict=True):
        assert torch.equal(value, reference)


def test_logits_are_float32_under_autocast(layer):
    features = torch.randn(2, QUERIES, DIMS)
    with torch.autocast('cpu', torch.bfloat16):
        logits = layer.classify(features)
    assert logits.shape == (2, QUERIES, 3, 5)
    assert logits.dtype == torch.float32


def test_residuals_carry_the_features(layer, inputs):
    silence(layer)
    features, points, views = inputs
    nn.init.zeros_(layer.position[-2].weight)
    nn.init.zeros_(layer.position[-2].bias)
    out, _ = layer(features, points, views)
    expected = nn.functional.layer_norm(features, (DIMS,))
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-4)
