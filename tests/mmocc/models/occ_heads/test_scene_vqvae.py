import json
from pathlib import Path

import pytest
import torch

from mmocc.models.occ_heads.scene_vqvae import SceneVQVAE
from mmocc.registry import MODELS

KEYS = Path(__file__).parents[3] / 'data/occworld_vqvae_keys.json'
SMALL = {
    'num_classes': 6,
    'grid_shape': (12, 8, 3),
    'expansion': 4,
    'base_channels': 8,
    'latent_channels': 7,
    'num_codes': 9,
}


def build(**changes):
    torch.manual_seed(0)
    return MODELS.build({'type': 'SceneVQVAE', **SMALL, **changes})


def occupancy(batch=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, *SMALL['grid_shape'])
    return torch.randint(6, shape, generator=generator, dtype=torch.uint8)


def reconstruct(vqvae, semantics):
    return vqvae.decode(vqvae.quantise(vqvae.encode(semantics))[0])


def test_paper_size_has_occworlds_state_dict():
    with torch.device('meta'):
        state = SceneVQVAE().state_dict()
    expected = json.loads(KEYS.read_text())
    assert {name: list(value.shape) for name, value in state.items()} == (
        expected
    )


def test_shapes():
    vqvae = build()
    latent = vqvae.encode(occupancy())
    assert latent.shape == (2, 7, 3, 2)
    code, loss, indices = vqvae.quantise(latent)
    assert code.shape == latent.shape
    assert loss.shape == ()
    assert indices.shape == (2, 3, 2)
    features = vqvae.decode(code)
    assert features.shape == (2, 12, 8, 3, 4)
    assert vqvae.logits(features).shape == (2, 12, 8, 3, 6)
    assert vqvae.classify(features).shape == (2, 12, 8, 3)


def test_input_column_is_folded_height_first_then_embedding():
    vqvae = build()
    folded = []
    vqvae.encoder.conv_in.register_forward_pre_hook(
        lambda _, inputs: folded.append(inputs[0])
    )
    semantics = occupancy()
    vqvae.encode(semantics)
    table = vqvae.class_embeds.weight
    column = [table[semantics[1, 5, 2, z].int()] for z in range(3)]
    torch.testing.assert_close(folded[0][1, :, 5, 2], torch.cat(column))


def test_output_column_unfolds_like_the_input():
    vqvae = build()
    folded = torch.randn(2, 12, 12, 8)
    vqvae.decoder.forward = lambda latent, sizes: folded
    features = vqvae.decode(torch.zeros(2, 7, 3, 2))
    for z in range(3):
        torch.testing.assert_close(
            features[1, 5, 2, z], folded[1, 4 * z : 4 * z + 4, 5, 2]
        )


def test_logits_are_dot_products_with_the_class_embedding():
    vqvae = build()
    features = vqvae.decode(torch.randn(2, 7, 3, 2))
    logits = vqvae.logits(features)
    for label in range(6):
        expected = (features * vqvae.class_embeds.weight[label]).sum(-1)
        torch.testing.assert_close(logits[..., label], expected)
    assert torch.equal(vqvae.classify(features), logits.argmax(-1).byte())


def test_logits_at_equals_gathered_logits_and_their_gradient():
    vqvae = build()
    latent = torch.randn(2, 7, 3, 2, requires_grad=True)
    index = torch.tensor([0, 575, 300, 17, 300])
    features = vqvae.decode(latent)
    chosen = vqvae.logits_at(features, index)
    gathered = vqvae.logits(features).flatten(0, 3)[index]
    torch.testing.assert_close(chosen, gathered)
    upstream = torch.randn_like(chosen)
    (lean,) = torch.autograd.grad(chosen, latent, upstream, retain_graph=True)
    (full,) = torch.autograd.grad(gathered, latent, upstream)
    torch.testing.assert_close(lean, full)


def test_training_and_evaluation_mode_agree():
    vqvae = build()
    semantics = occupancy()
    training = reconstruct(vqvae.train(), semantics)
    assert torch.equal(training, reconstruct(vqvae.eval(), semantics))


def test_a_batch_of_two_equals_two_of_one():
    vqvae = build()
    semantics = occupancy()
    both = reconstruct(vqvae, semantics)
    for frame in range(2):
        alone = reconstruct(vqvae, semantics[frame : frame + 1])
        torch.testing.assert_close(both[frame], alone[0])


@pytest.mark.parametrize(
    ('shape', 'axis'), [((160, 8, 3), 1), ((8, 160, 3), 2)]
)
def test_a_change_at_one_end_moves_only_that_end_of_the_latent(shape, axis):
    """x and y of the grid are height and width of the map, not mirrored.

    Group norms and attention see the whole map, so the test cuts them out.
    """
    vqvae = build(grid_shape=shape, attention_levels=(), mid_attention=False)
    for module in vqvae.encoder.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.forward = lambda x: x
    before = torch.zeros(1, *shape, dtype=torch.uint8)
    after = before.clone()
    after.select(axis, 159)[:] = 5
    moved = (vqvae.encode(after) - vqvae.encode(before)).abs()
    along = moved.movedim(axis + 1, 0).flatten(1).amax(1)  # (40,)
    assert along[-1] > 1e-4
    assert along[:20].max() == 0


def test_gradient_crosses_the_decoder_to_the_latent():
    vqvae = build()
    latent = torch.randn(1, 7, 3, 2, requires_grad=True)
    vqvae.logits(vqvae.decode(latent)).square().mean().backward()
    assert latent.grad.abs().amin(1).min() > 0


def test_post_quant_conv_is_optional():
    vqvae = build()
    latent = torch.randn(1, 7, 3, 2)
    torch.testing.assert_close(
        vqvae.decode(latent),
        vqvae.decode(
            vqvae.vqvae.post_quant_conv(latent), post_quant_conv=False
        ),
    )


def test_odd_grids_are_restored():
    vqvae = build(grid_shape=(9, 13, 3))
    semantics = occupancy(batch=1)[:, :9].repeat(1, 1, 2, 1)[:, :, :13]
    assert vqvae.encode(semantics).shape == (1, 7, 3, 4)
    assert reconstruct(vqvae, semantics).shape == (1, 9, 13, 3, 4)


def test_a_part_of_the_grid_is_restored_to_its_own_size():
    vqvae = build()
    part = occupancy()[:, :7, 2:6]
    latent = vqvae.encode(part)
    assert latent.shape == (2, 7, 2, 1)
    alone = build(grid_shape=(7, 4, 3))
    assert torch.equal(vqvae.decode(latent, size=(7, 4)), alone.decode(latent))
    with pytest.raises(ValueError, match=r'expected \(B, 7, 3, 2\)'):
        vqvae.decode(latent)


def test_free_space_may_start_as_zero():
    table = build(zero_free_embed=True).class_embeds.weight
    assert table[-1].abs().max() == 0
    assert torch.equal(table[:-1], build().class_embeds.weight[:-1])
    assert table.requires_grad


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.int64])
def test_every_integer_type_of_labels_is_the_same(dtype):
    vqvae = build()
    semantics = occupancy()
    assert torch.equal(
        vqvae.encode(semantics.to(dtype)), vqvae.encode(semantics)
    )


def test_wrong_shapes_are_refused_by_config_key():
    vqvae = build()
    with pytest.raises(ValueError, match=r'\(2, 12, 8, 4\).*grid_shape'):
        vqvae.encode(torch.zeros(2, 12, 8, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r'\(12, 8, 3\).*B, X, Y, 3'):
        vqvae.encode(torch.zeros(12, 8, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r'\(1, 7, 4, 2\).*latent_channels'):
        vqvae.decode(torch.zeros(1, 7, 4, 2))
