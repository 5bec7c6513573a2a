"""The divergence of the VAE ablation."""

import torch
from torch.distributions import Normal, kl_divergence

from mmocc.projects.SparseOccVLA.sparseoccvla.heads.vae_head import (
    divergence,
)


def test_divergence_equals_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    q, p = (
        (
            torch.randn(3, 5, generator=generator),
            torch.randn(3, 5, generator=generator),
        )
        for _ in range(2)
    )
    expected = kl_divergence(
        Normal(q[0], (q[1] / 2).exp()), Normal(p[0], (p[1] / 2).exp())
    ).sum(-1)
    torch.testing.assert_close(divergence(q, p), expected)
    assert divergence(q, q).abs().max() == 0
