"""Attention against PyTorch's own, and how distance bends it."""

import pytest
import torch
from torch import nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.self_attention import (
    SpatialAttention,
)

WIDTH, HEADS, QUERIES = 16, 4, 11


def build(**options):
    torch.manual_seed(0)
    return SpatialAttention(WIDTH, HEADS, **options).eval()


def make_inputs(batch=2):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(batch, QUERIES, WIDTH, generator=generator)
    centres = torch.rand(batch, QUERIES, 3, generator=generator) * 10
    return features, centres


def torchs_attention(attention):
    """The same weights in PyTorch's module."""
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).eval()
    module.in_proj_weight = attention.in_project.weight
    module.in_proj_bias = attention.in_project.bias
    module.out_proj = attention.out_project
    return module


def randomise_slopes(attention):
    torch.manual_seed(2)
    nn.init.normal_(attention.slope.weight, std=0.1)
    nn.init.normal_(attention.slope.bias)


def test_without_slope_it_is_plain_attention():
    attention = build()
    nn.init.zeros_(attention.slope.bias)
    features, centres = make_inputs()
    expected, _ = torchs_attention(attention)(features, features, features)
    torch.testing.assert_close(attention(features, centres), expected)


def test_bias_is_minus_slope_of_the_row_times_distance():
    attention = build()
    randomise_slopes(attention)
    features, centres = make_inputs()
    bias = torch.empty(2, HEADS, QUERIES, QUERIES)
    slope = attention.slope(features)
    for b in range(2):
        for i in range(QUERIES):
            for j in range(QUERIES):
                gap = (centres[b, i] - centres[b, j]).square().sum().sqrt()
                bias[b, :, i, j] = -slope[b, i] * gap
    expected, _ = torchs_attention(attention)(
        features, features, features, attn_mask=bias.flatten(0, 1)
    )
    torch.testing.assert_close(attention(features, centres), expected)


@pytest.mark.parametrize('query_chunk', (1, 4, QUERIES - 1, QUERIES))
def test_chunks_change_neither_values_nor_gradients(query_chunk):
    whole, chunked = build(), build(query_chunk=query_chunk)
    results = []
    for attention in (whole, chunked):
        randomise_slopes(attention)
        features, centres = make_inputs()
        features.requires_grad_()
        out = attention(features, centres)
        out.square().sum().backward()
        gradients = [p.grad for p in attention.parameters()]
        results.append([out, features.grad, *gradients])
    for expected, value in zip(*results, strict=True):
        torch.testing.assert_close(value, expected)
    assert chunked.slope.weight.grad.abs().sum() > 0


def test_a_steep_slope_leaves_oneself_and_twins():
    attention = build()
    nn.init.constant_(attention.slope.bias, 1e4)
    features, centres = make_inputs(batch=1)
    centres[0, 1] = centres[0, 0]
    out = attention(features, centres)
    packed = attention.in_project(features)
    alone = attention.out_project(packed[..., -WIDTH:])
    torch.testing.assert_close(out[:, 2:], alone[:, 2:])
    assert not torch.allclose(out[:, :2], alone[:, :2])

    changed = features.clone()
    changed[0, 2:] += 1.0
    torch.testing.assert_close(
        attention(changed, centres)[:, :2], out[:, :2], rtol=0, atol=0
    )


def test_centres_receive_no_gradient():
    features, centres = make_inputs()
    centres.requires_grad_()
    attention = build()
    attention(features.requires_grad_(), centres).sum().backward()
    assert centres.grad is None
    assert features.grad.abs().sum() > 0


def test_autocast_keeps_small_differences_of_large_distances():
    """Heads that look far tell 200.0 m from 200.3 m; bfloat16 does not."""
    attention = build()
    nn.init.constant_(attention.slope.bias, -1.01)
    features, centres = make_inputs()
    centres = centres / 30
    centres[:, ::2, 0] += 200
    with torch.autocast('cpu', torch.bfloat16):
        packed = attention.in_project(features).float()
        out = attention(features, centres)
    query, key, value = packed.unflatten(-1, (3, HEADS, -1)).unbind(2)
    gap = (centres[:, :, None] - centres[:, None]).norm(dim=-1)
    scores = (
        torch.einsum('bihd,bjhd->bhij', query, key) / 2 + 1.01 * gap[:, None]
    )
    seen = torch.einsum('bhij,bjhd->bihd', scores.softmax(dim=-1), value)
    with torch.autocast('cpu', torch.bfloat16):
        expected = attention.out_project(seen.flatten(2))
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, expected, rtol=0, atol=5e-3)


def test_first_slopes_do_not_depend_on_the_query():
    attention = build()
    features, _ = make_inputs()
    slope = attention.slope(features)
    assert (slope == slope[:1, :1]).all()
    assert (slope >= 0).all() and (slope <= 2).all()
    assert slope.std() > 0


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r'encoder\.num_heads = 3'):
        SpatialAttention(16, 3)
