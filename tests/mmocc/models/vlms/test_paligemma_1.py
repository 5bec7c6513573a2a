"""PaliGemma 1: no soft caps, no windows, no norms behind sublayers."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmocc.models.layers.block_layout import BlockLayout
from mmocc.registry import MODELS

COMPONENTS = Path(__file__).parents[4] / 'configs/_base_/components'


def build(**options):
    torch.manual_seed(0)
    vlm = Config.fromfile(COMPONENTS / 'paligemma2-tiny.py').vlm
    vlm.update(adapter=None, tied_qk_gain=None, sublayer_gain=None)
    text = vlm.config.text_config
    for key in list(text):
        if key.endswith('softcapping') or key == 'sliding_window':
            del text[key]
    # Heads share keys, as in Gemma 2B.
    text.update(model_type='gemma', num_key_value_heads=1)
    vlm.update(options)
    return MODELS.build(vlm).eval()


@torch.no_grad()
def test_equals_hugging_face_with_its_own_mask():
    vlm = build()
    assert type(vlm.language_model).__name__ == 'GemmaModel'
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


def test_parts_for_gemma_2_are_refused():
    with pytest.raises(ValueError, match=r'vlm\.sublayer_gain .* Gemma 2'):
        build(sublayer_gain=0.3)
    sublayers = ['self_attn_norm']
    with pytest.raises(ValueError, match=r'adapter\.sublayers .*mlp'):
        build(adapter=dict(bottleneck_dims=4, sublayers=sublayers))
