"""A CLIP that looks at whole images and never learns."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

from mmocc.registry import MODELS
from mmocc.utils.checkpoint import CheckpointError

PATCH = 8
VISION = dict(
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=3,
    num_attention_heads=2,
    image_size=32,
    patch_size=PATCH,
)
TEXT = dict(
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    vocab_size=50,
    bos_token_id=0,
    eos_token_id=1,
)


def build(**options):
    torch.manual_seed(0)
    cfg = dict(type='CLIPVisionTeacher', config=VISION)
    return MODELS.build({**cfg, **options})


def images(height=32, width=32, batch=1, views=2):
    generator = torch.Generator().manual_seed(1)
    shape = (batch, views, 3, height, width)
    return torch.randint(256, shape, generator=generator).float()


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A whole CLIP, texts and all."""
    folder = tmp_path_factory.mktemp('clip')
    CLIPModel(
        CLIPConfig(vision_config=VISION, text_config=TEXT)
    ).save_pretrained(folder)
    return folder


def test_patches_are_those_of_hugging_face():
    """At the trained size, row by row, and without the class token."""
    teacher, imgs = build(), images()
    # OpenAI's own numbers.
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = (imgs[0] / 255 - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        hidden = teacher.hf(pixels, output_hidden_states=True).hidden_states
    maps = teacher(imgs)
    assert maps.shape == (1, 2, 16, 4, 4)
    for row in range(4):
        for column in range(4):
            torch.testing.assert_close(
                maps[0, :, :, row, column],
                hidden[-2][:, 1 + 4 * row + column],
                rtol=0,
                atol=1e-5,
            )


@pytest.mark.parametrize('layer', [0, 1, 3, -1, -4])
def test_a_layer_is_chosen(layer):
    teacher, imgs = build(layer=layer), images()
    expected = build(layer=layer % 4)(imgs)
    assert torch.equal(teacher(imgs), expected)
    assert not torch.equal(expected, build(layer=(layer + 1) % 4)(imgs))


@pytest.mark.parametrize(
    ('size', 'grid'),
    [((32, 88), (4, 11)), ((36, 52), (4, 6)), ((37, 51), (5, 6))],
)
def test_images_are_resized_to_the_nearest_whole_patches(size, grid):
    maps = build()(images(*size))
    assert maps.shape[-2:] == grid
    assert torch.isfinite(maps).all()


def test_positions_reach_across_wide_images():
    """Of a grey image, patches differ by their interpolated position."""
    teacher = build(layer=0)
    grey = torch.full((1, 1, 3, 32, 64), 128.0)
    wide, square = teacher(grey)[0, 0], teacher(grey[..., :32])[0, 0]
    # The middle of the row is the middle of the trained row, twice as fine.
    middle = wide[:, :, 3:5].mean(dim=-1)
    torch.testing.assert_close(
        middle, square[:, :, 1:3].mean(dim=-1), rtol=0, atol=0.2
    )
    assert (wide[:, :, 0] - wide[:, :, -1]).abs().max() > 0.5


def test_it_never_learns():
    teacher = build().train()
    assert not any(part.training for part in teacher.modules())
    assert not any(weight.requires_grad for weight in teacher.parameters())
    assert not teacher(images().requires_grad_()).requires_grad


def test_the_type_of_its_arithmetic_is_its_own():
    imgs = images()
    exact, half = build(), build(dtype='bfloat16')
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(exact(imgs), build()(imgs))
    assert {w.dtype for w in half.parameters()} == {torch.bfloat16}
    assert half(imgs).dtype == torch.float32
    assert 0 < (half(imgs) - exact(imgs)).abs().max() < 0.2


def test_a_whole_clip_lends_its_image_tower(checkpoint):
    teacher = build(pretrained=str(checkpoint))
    saved = load_file(checkpoint / 'model.safetensors')
    weights = dict(teacher.hf.named_parameters())
    assert weights
    for name, weight in weights.items():
        assert torch.equal(weight, saved[f'vision_model.{name}']), name


def test_mmengine_does_not_draw_weights_anew():
    teacher = build()
    before = [weight.clone() for weight in teacher.parameters()]
    teacher.init_weights()
    assert all(map(torch.equal, before, teacher.parameters()))


def test_a_checkpoint_that_lacks_weights_is_refused(checkpoint, tmp_path):
    saved = load_file(checkpoint / 'model.safetensors')
    del saved['vision_model.pre_layrnorm.weight']
    save_file(saved, tmp_path / 'model.safetensors', {'format': 'pt'})
    config = (checkpoint / 'config.json').read_text()
    (tmp_path / 'config.json').write_text(config)
    with pytest.raises(CheckpointError, match=r'lacks 1 .*pre_layrnorm'):
        build(pretrained=str(tmp_path))


def test_errors_name_the_key(tmp_path):
    with pytest.raises(ValueError, match=r'teacher\.layer is 4'):
        build(layer=4)
    with pytest.raises(ValueError, match=r'pretrained nor teacher\.config'):
        build(config=None)
    with pytest.raises(FileNotFoundError, match='no_such_folder'):
        build(pretrained=str(tmp_path / 'no_such_folder'))
