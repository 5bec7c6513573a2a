import torch
from torch import nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.adaptive_mixing import (
    AdaptiveMixing,
)

WIDTH, GROUPS, IN, OUT = 8, 2, 5, 3


def build():
    torch.manual_seed(0)
    return AdaptiveMixing(WIDTH, GROUPS, IN, OUT)


def normed(matrix):
    centred = matrix - matrix.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt()


def test_equals_a_loop_over_queries_and_groups():
    mixing = build()
    nn.init.normal_(mixing.matrices.weight)
    features = torch.randn(2, 4, WIDTH)
    sampled = torch.randn(2, 4, GROUPS, IN, WIDTH // GROUPS)
    expected = torch.empty(2, 4, WIDTH)
    size = WIDTH // GROUPS
    for b in range(2):
        for q in range(4):
            made = mixing.matrices(features[b, q]).view(GROUPS, -1)
            parts = []
            for g in range(GROUPS):
                channel = made[g, : size**2].view(size, size)
                point = made[g, size**2 :].view(OUT, IN)
                x = normed(sampled[b, q, g] @ channel).relu()
                parts.append(normed(point @ x).relu().flatten())
            expected[b, q] = mixing.project(torch.cat(parts))
    torch.testing.assert_close(mixing(features, sampled), expected)


def test_at_the_start_all_queries_mix_alike():
    mixing = build()
    sampled = torch.randn(1, 1, GROUPS, IN, WIDTH // GROUPS)
    sampled = sampled.expand(1, 4, -1, -1, -1)
    out = mixing(torch.randn(1, 4, WIDTH), sampled)
    torch.testing.assert_close(out, out[:, :1].expand_as(out))


def test_nothing_seen_gives_finite_values_and_gradients():
    mixing = build()
    sampled = torch.zeros(1, 4, GROUPS, IN, WIDTH // GROUPS)
    sampled.requires_grad_()
    out = mixing(torch.randn(1, 4, WIDTH), sampled)
    out.sum().backward()
    torch.testing.assert_close(out[0, 0], mixing.project.bias)
    assert sampled.grad.isfinite().all()
