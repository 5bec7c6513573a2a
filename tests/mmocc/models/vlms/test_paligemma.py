"""The wrapper equals the Hugging Face model, and touches only its own."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file, save_file

from mmocc.models.layers.block_layout import BlockLayout
from mmocc.registry import MODELS
from mmocc.utils.checkpoint import CheckpointError

COMPONENTS = Path(__file__).parents[4] / 'configs/_base_/components'


def build(**options):
    torch.manual_seed(0)
    vlm = Config.fromfile(COMPONENTS / 'paligemma2-tiny.py').vlm
    text = vlm.config.text_config
    text.update(attn_logit_softcapping=50.0, final_logit_softcapping=30.0)
    vlm.update(options)
    return MODELS.build(vlm).eval()


@torch.no_grad()
def test_equals_hugging_face_with_its_own_mask():
    """One image-text pass against the unmodified model's eager attention."""
    vlm = build(adapter=None)
    text = torch.randint(5, 300, (1, 7))
    imgs = torch.randn(1, 1, 3, 96, 96)
    num_image = vlm.tokens_per_side**2
    ids = torch.cat([torch.full((1, num_image), 4), text], dim=1)

    eager = copy.deepcopy(vlm.hf)
    eager.set_attn_implementation('eager')
    # 0 marks the bidirectional prefix, 1 the causal rest.
    types = torch.cat([torch.zeros(1, num_image), torch.ones(1, 7)], dim=1)
    expected = eager(
        input_ids=ids,
        pixel_values=imgs[0],
        token_type_ids=types.long(),
        attention_mask=torch.ones_like(ids),
    ).logits[:, num_image:]

    scene = vlm.embed_images(imgs)
    embeds = torch.cat([scene, vlm.embed_text(text)], dim=1)
    positions = torch.arange(1, num_image + 8)[None]
    hidden = vlm(embeds, positions, BlockLayout(num_image, 1, 7))
    actual = vlm.logits(hidden[:, num_image:])
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_adapters_change_nothing_at_the_start():
    with_adapters, without = build(), build(adapter=None)
    without.hf.load_state_dict(with_adapters.hf.state_dict())
    embeds = torch.randn(1, 9, 128)
    args = (embeds, torch.arange(9)[None], BlockLayout(9))
    assert torch.equal(with_adapters(*args), without(*args))
    with_adapters.adapters.adapters[0].up.weight.fill_(0.1)
    assert not torch.equal(with_adapters(*args), without(*args))


def test_a_copy_uses_its_own_adapters():
    vlm = build()
    twin = copy.deepcopy(vlm)
    with torch.no_grad():
        for adapter in twin.adapters.adapters:
            adapter.up.weight.fill_(0.1)
    args = (torch.randn(1, 9, 128), torch.arange(9)[None], BlockLayout(9))
    assert not torch.equal(vlm(*args), twin(*args))


def test_lora_stays_in_the_language_model():
    lora = dict(r=4, target_modules=['q_proj', 'k_proj', 'v_proj'])
    vlm = build(adapter=None, lora=lora, frozen=['vision_tower'])
    adapted = [n for n, _ in vlm.named_parameters() if 'lora_' in n]
    assert len(adapted) == 4 * 3 * 2
    assert all('language_model' in name for name in adapted)


def test_frozen_parts_and_what_stays_trainable():
    vlm = build(frozen=['language_model', 'vision_tower'])
    trainable = {n for n, p in vlm.named_parameters() if p.requires_grad}
    assert trainable
    assert all(
        name.startswith(('adapters', 'hf.model.multi_modal_projector'))
        for name in trainable
    )
    with pytest.raises(ValueError, match=r'vlm\.frozen'):
        build(frozen=['lm_head'])


def test_trained_weights_stay_in_float32():
    vlm = build(dtype='bfloat16', frozen=['language_model'])
    dtypes = {(p.requires_grad, p.dtype) for p in vlm.parameters()}
    assert dtypes == {(True, torch.float32), (False, torch.bfloat16)}
    embeds = vlm.embed_images(torch.randn(1, 1, 3, 96, 96))
    hidden = vlm(embeds, torch.arange(144)[None], BlockLayout(144))
    assert vlm.logits(hidden).dtype == torch.float32


def test_mmengine_does_not_draw_weights_anew():
    vlm = build()
    before = copy.deepcopy(vlm.state_dict())
    vlm.init_weights()
    assert all(torch.equal(before[k], v) for k, v in vlm.state_dict().items())


def test_tied_queries_and_keys():
    layer = build(tied_qk_gain=1.7, tied_qk_heads=None)
    layer = layer.language_model.layers[0].self_attn
    assert torch.equal(layer.q_proj.weight, layer.k_proj.weight)


def test_some_heads_alone_can_start_tied():
    torch.manual_seed(0)
    plain = build(tied_qk_gain=None).language_model.layers[0].self_attn
    torch.manual_seed(0)
    layer = build(tied_qk_gain=2.0, tied_qk_heads=1)
    layer = layer.language_model.layers[0].self_attn
    rows = layer.head_dim
    tied = 2.0 * plain.q_proj.weight[:rows]
    torch.testing.assert_close(layer.q_proj.weight[:rows], tied)
    torch.testing.assert_close(layer.k_proj.weight[:rows], tied)
    for name in ('q_proj', 'k_proj'):
        torch.testing.assert_close(
            getattr(layer, name).weight[rows:],
            getattr(plain, name).weight[rows:],
        )


def test_only_asked_logits_are_computed():
    vlm, hidden = build(), torch.randn(2, 128)
    some = torch.tensor([3, 900, 17])
    torch.testing.assert_close(
        vlm.logits(hidden, some), vlm.logits(hidden)[:, some]
    )


def test_sequences_beyond_the_window_are_refused():
    vlm = build()
    with pytest.raises(ValueError, match='sliding window of 4096'):
        vlm(torch.randn(1, 2, 128), torch.tensor([[1, 4096]]), BlockLayout(2))


def test_a_missing_weight_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no_such_folder'):
        build(pretrained=str(tmp_path / 'no_such_folder'))
    with pytest.raises(ValueError, match=r'vlm\.pretrained nor vlm\.config'):
        build(config=None)


def test_a_checkpoint_without_vision_tower_is_refused(tmp_path):
    vlm = build(adapter=None)
    vlm.hf.save_pretrained(tmp_path)
    assert build(config=None, pretrained=str(tmp_path), adapter=None)
    path = tmp_path / 'model.safetensors'
    kept = {
        name: value
        for name, value in load_file(path).items()
        if 'vision_tower' not in name
    }
    save_file(kept, path, {'format': 'pt'})
    with pytest.raises(
        CheckpointError, match=r'vlm\.pretrained.*vision_tower'
    ):
        build(config=None, pretrained=str(tmp_path), adapter=None)
