import pytest
import torch

from mmocc.models.occ_heads.vector_quantizer import VectorQuantizer


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    module = VectorQuantizer(channels=5, num_codes=11, beta=0.25)
    torch.nn.init.normal_(module.embedding.weight)
    return module


@pytest.fixture
def latent():
    torch.manual_seed(1)
    return torch.randn(2, 5, 3, 4, requires_grad=True)


def test_codes_are_the_nearest_by_brute_force(quantizer, latent):
    code, _, indices = quantizer(latent)
    for b in range(2):
        for i in range(3):
            for j in range(4):
                cell = latent[b, :, i, j]
                distances = [
                    (cell - candidate).square().sum()
                    for candidate in quantizer.embedding.weight
                ]
                best = int(torch.stack(distances).argmin())
                assert indices[b, i, j] == best
                torch.testing.assert_close(
                    code[b, :, i, j], quantizer.embedding.weight[best]
                )


def test_gradient_passes_straight_to_the_latent(quantizer, latent):
    code, _, _ = quantizer(latent)
    upstream = torch.randn_like(code)
    code.backward(upstream)
    torch.testing.assert_close(latent.grad, upstream)
    assert quantizer.embedding.weight.grad is None


def test_loss_is_twice_weighted_squared_distance(quantizer, latent):
    """Each half of the loss moves one side only; beta is the codebook's."""
    code, loss, indices = quantizer(latent)
    gap = (code - latent).detach()
    torch.testing.assert_close(loss, 1.25 * gap.square().mean())
    loss.backward()
    torch.testing.assert_close(latent.grad, -2 * gap / gap.numel())
    pulls = torch.zeros_like(quantizer.embedding.weight)
    pulls.index_add_(
        0, indices.flatten(), gap.permute(0, 2, 3, 1).reshape(-1, 5)
    )
    torch.testing.assert_close(
        quantizer.embedding.weight.grad, 0.25 * 2 * pulls / gap.numel()
    )


def test_codes_stay_exact_under_autocast(quantizer, latent):
    expected, loss, indices = quantizer(latent)
    with torch.autocast('cpu', torch.bfloat16):
        code, low_loss, low_indices = quantizer(latent)
    assert code.dtype == torch.float32
    assert torch.equal(low_indices, indices)
    assert torch.equal(code, expected)
    assert torch.equal(low_loss, loss)


def test_codebook_starts_uniform_around_zero():
    weight = VectorQuantizer(64, 512, 1.0).embedding.weight
    assert weight.abs().max() <= 1 / 512
    assert weight.abs().max() > 0.99 / 512


def test_without_codebook_the_latent_passes_unchanged(latent):
    quantizer = VectorQuantizer(channels=5, num_codes=None, beta=1.0)
    code, loss, indices = quantizer(latent)
    assert code is latent
    assert loss == 0
    assert indices is None
    assert 'embedding.weight' not in quantizer.state_dict()
