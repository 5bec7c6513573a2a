"""The converter, on made-up checkpoints with OccWorld's names and shapes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.runner import load_checkpoint

from mmocc.models.occ_heads import SceneVQVAE
from mmocc.utils.checkpoint import CheckpointError

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / 'tools/model_converters/occworld.py'
SHAPES = json.loads((ROOT / 'tests/data/occworld_vqvae_keys.json').read_text())


@pytest.fixture(scope='module')
def occworld(load_tool):
    return load_tool('model_converters/occworld.py')


@pytest.fixture(scope='module')
def weights():
    """Distinct values for each tensor, cheap in memory until copied."""
    return {
        name: torch.full((1,), float(i)).expand(shape)
        for i, (name, shape) in enumerate(SHAPES.items())
    }


def rest_of_the_world_model():
    return {
        'transformer.time_embed.weight': torch.zeros(3, 2),
        'pose_encoder.net.0.bias': torch.zeros(2),
        'pose_decoder.net.0.bias': torch.zeros(2),
    }


def envelope(state_dict):
    return {
        'state_dict': state_dict,
        'optimizer': {'state': {0: {'exp_avg': torch.zeros(2)}}},
        'scheduler': {'last_epoch': 3},
        'epoch': 200,
        'global_iter': 105600,
    }


def prefixed(prefix, state_dict):
    return {prefix + name: value for name, value in state_dict.items()}


LAYOUTS = {
    'bare': lambda w: w,
    'bare in an envelope': envelope,
    'bare from a wrapper': lambda w: prefixed('module.', w),
    'world model': lambda w: prefixed('vae.', w) | rest_of_the_world_model(),
    'published': lambda w: envelope(
        prefixed('vae.', w) | rest_of_the_world_model()
    ),
    'world model from a wrapper': lambda w: envelope(
        prefixed('module.', prefixed('vae.', w) | rest_of_the_world_model())
    ),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_every_layout_gives_the_same_clean_state_dict(
    layout, occworld, weights, tmp_path
):
    source, target = tmp_path / 'latest.pth', tmp_path / 'new' / 'vqvae.pth'
    torch.save(LAYOUTS[layout](weights), source)
    assert occworld.convert(source, target) == 222
    written = torch.load(target, weights_only=True)
    assert list(written) == list(SHAPES)
    for name, value in weights.items():
        assert torch.equal(written[name], value)
    assert [file.name for file in target.parent.iterdir()] == ['vqvae.pth']


def test_the_result_loads_strictly_through_mmengine(
    occworld, weights, tmp_path
):
    source, target = tmp_path / 'in.pth', tmp_path / 'out.pth'
    torch.save(LAYOUTS['published'](weights), source)
    occworld.convert(source, target)
    vqvae = SceneVQVAE()
    load_checkpoint(vqvae, str(target), strict=True)
    assert torch.equal(
        vqvae.vqvae.post_quant_conv.bias,
        weights['vqvae.post_quant_conv.bias'],
    )


def test_copies_share_no_storage_with_the_source(occworld, weights):
    whole = torch.zeros(100, 18, 8)
    state_dict = occworld.extract_vqvae(
        weights | {'class_embeds.weight': whole[3]}
    )
    storage = state_dict['class_embeds.weight'].untyped_storage()
    assert storage.nbytes() == 18 * 8 * 4


def test_half_precision_becomes_float32(occworld, weights):
    half = {name: value.bfloat16() for name, value in weights.items()}
    converted = occworld.extract_vqvae(half)
    assert {value.dtype for value in converted.values()} == {torch.float32}


@pytest.fixture
def refusal(occworld):
    def message_about(state_dict):
        with pytest.raises(CheckpointError) as error:
            occworld.extract_vqvae(state_dict)
        return str(error.value)

    return message_about


def test_missing_tensors_are_named(refusal, weights):
    partial = dict(weights)
    del partial['class_embeds.weight'], partial['decoder.conv_out.bias']
    message = refusal(partial)
    assert 'missing: decoder.conv_out.bias, class_embeds.weight' in message
    assert 'unexpected' not in message


def test_unknown_tensors_are_named(refusal, weights):
    extra = {'planner.head.weight': torch.zeros(2)}
    assert 'unexpected: planner.head.weight' in refusal(weights | extra)
    full = prefixed('vae.', weights)
    assert 'unexpected: planner.head.weight' in refusal(full | extra)
    stray = {'encoder.conv_in.bias': weights['encoder.conv_in.bias']}
    assert 'unexpected: encoder.conv_in.bias' in refusal(full | stray)


def test_wrong_shapes_are_named_with_both_shapes(refusal, weights):
    message = refusal(weights | {'class_embeds.weight': torch.zeros(17, 8)})
    assert 'class_embeds.weight (17, 8) instead of (18, 8)' in message


def test_numbers_that_are_not_finite_are_named(refusal, weights):
    broken = weights | {'encoder.norm_out.bias': torch.full((256,), torch.nan)}
    assert 'not finite: encoder.norm_out.bias' in refusal(broken)


def test_long_lists_are_cut_short_but_counted(refusal, weights):
    message = refusal(prefixed('teacher.', weights))
    assert 'missing: encoder.conv_in.weight' in message
    assert message.count('(222 in all)') == 2


class Foreign:
    """Something that only a full unpickler would rebuild."""


@pytest.mark.parametrize(
    ('content', 'complaint'),
    [
        ({'state_dict': {}, 'model': Foreign()}, 'objects of .*Foreign'),
        ([1, 2], 'holds a list'),
        ({'epoch': 3}, 'no state dict.*epoch'),
        ({'state_dict': [1]}, "holds a list under 'state_dict'"),
        ({'state_dict': {'epoch': 3}}, 'no state dict.*epoch'),
        ({'state_dict': {}}, 'missing: encoder.conv_in.weight'),
    ],
)
def test_other_content_is_refused_and_nothing_is_written(
    content, complaint, occworld, tmp_path
):
    source, target = tmp_path / 'in.pth', tmp_path / 'out.pth'
    torch.save(content, source)
    with pytest.raises(CheckpointError, match=complaint) as error:
        occworld.convert(source, target)
    assert str(source) in str(error.value)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize('kept', [0, 10, 5000])
def test_cut_off_files_are_refused(kept, occworld, weights, tmp_path):
    source = tmp_path / 'in.pth'
    torch.save(weights, source)
    source.write_bytes(source.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r'in\.pth'):
        occworld.convert(source, tmp_path / 'out.pth')


def test_a_failed_write_leaves_the_old_file(
    occworld, weights, tmp_path, monkeypatch
):
    source, target = tmp_path / 'in.pth', tmp_path / 'out.pth'
    torch.save(weights, source)
    target.write_text('old')

    def fail(state_dict, file):
        file.write(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(torch, 'save', fail)
    with pytest.raises(OSError, match='disk full'):
        occworld.convert(source, target)
    assert target.read_text() == 'old'
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_command_line_refuses_with_a_message_and_no_traceback(tmp_path):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / 'no.pth'), 'out.pth'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
    )
    assert result.returncode == 1
    assert 'no.pth does not exist' in result.stderr
    assert 'Traceback' not in result.stderr
    assert not list(tmp_path.iterdir())
