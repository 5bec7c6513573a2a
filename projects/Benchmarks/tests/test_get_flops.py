"""``tools/analysis_tools/get_flops.py``: FLOPs counted by hand."""

import json
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmocc.projects.Benchmarks.benchmarks import (
    batch_size_of,
    build_on_meta,
    count_batch,
    count_flops,
    fill_anchors,
    set_forward_only,
    skip_value_modules,
)
from mmocc.registry import MODELS
from mmocc.utils.config import load_config

ROOT = Path(__file__).parents[3]
OCCVLA = ROOT / 'projects/OccVLA/configs/occvla'
SPARSE = ROOT / 'projects/SparseOccVLA/configs/sparseoccvla'
STAGE1 = OCCVLA / 'occvla_tiny_stage1-language_synthetic.py'
STAGE2 = OCCVLA / 'occvla_tiny_stage2-joint_synthetic.py'
STAGE3 = OCCVLA / 'occvla_tiny_stage3-planner_synthetic.py'
SPARSE_STAGE1 = SPARSE / 'sparseoccvla_tiny_stage1-encoder_synthetic.py'
SPARSE_PAPER = (
    SPARSE / 'sparseoccvla_r50-256x704_stage1-encoder_8xb1-36e_nus-occ3d.py'
)
SPARSE_STAGE3 = (
    SPARSE / 'sparseoccvla_tiny_stage3-forecast-planner_synthetic.py'
)


@pytest.fixture
def tool(load_tool):
    return load_tool('projects/Benchmarks/tools/get_flops.py')


def build(path):
    cfg = load_config(path)
    set_forward_only(cfg.model)
    return build_on_meta(cfg)


def child_config(folder, parent, text):
    path = folder / 'child.py'
    path.write_text(f'_base_ = {str(parent)!r}\n{text}\n')
    return path


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_a_linear_layer_multiplies_and_adds(device):
    with torch.device(device):
        model, x = nn.Sequential(nn.Linear(3, 5)), torch.ones(7, 3)
    counted = count_flops(model, lambda: model(x))
    # 7 rows, 3 x 5 multiply-adds of two FLOPs each, in the layer '0'.
    assert counted.by_module == {'': 2 * 7 * 3 * 5, '0': 2 * 7 * 3 * 5}
    assert not counted.assumed and not counted.not_counted


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_an_attention_layer(device):
    length, width, heads = 5, 8, 2
    with torch.device(device):
        model = nn.MultiheadAttention(width, heads, batch_first=True).eval()
        x = torch.ones(1, length, width)
    counted = count_flops(model, lambda: model(x, x, x, need_weights=False))
    projections = 2 * length * width * (3 * width + width)
    scores_and_values = 2 * (2 * length * length * width)
    assert counted.total == projections + scores_and_values


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_fused_attention_counts_as_matrix_products(device):
    query = torch.ones(2, 3, 4, 6, device=device)  # B, heads, L, d
    key = torch.ones(2, 3, 5, 6, device=device)
    counted = count_flops(
        nn.Identity(), lambda: F.scaled_dot_product_attention(query, key, key)
    )
    assert counted.total == 2 * (2 * 2 * 3 * 4 * 5 * 6)


def test_what_needs_values_is_assumed_and_said():
    x = torch.empty(4, 3, device='meta')
    layer = nn.Linear(3, 2, device='meta')

    def run():
        assert (x > 0).any()
        rows = x[x[:, 0] > 0]
        assert len(rows) == 4 and int(x.max()) == 0
        assert len(x[:, 0].unique()) == 4
        assert x[:, 0].tolist() == [0] * 4
        layer(rows)

    counted = count_flops(layer, run)
    assert counted.total == 2 * 4 * 3 * 2
    assert counted.assumed == {
        'flags are set': 1,
        'masks hold everywhere': 1,
        'numbers are 0': 2,
        'rows all differ': 1,
    }


def test_operators_without_known_flops_are_named():
    x = torch.ones(4, 3)
    counted = count_flops(
        nn.Identity(), lambda: torch.cdist(x, x).softmax(-1) + 1
    )
    assert set(counted.not_counted) == {'_euclidean_dist', '_softmax'} or (
        set(counted.not_counted) == {'_cdist_forward', '_softmax'}
    )


def test_fused_layers_come_back():
    fused = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError, match='mismatch'):
        count_flops(
            nn.Identity(),
            lambda: torch.ones(2, 3, device='meta') @ torch.ones(2),
        )
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_modules_add_up(tool):
    report = tool.analyse(STAGE1, answer_tokens=1)
    flops = report['flops']
    tops = [name for name in flops if name and '.' not in name]
    # The model itself computes a little.
    assert 0.999 < sum(flops[name] for name in tops) / flops[''] <= 1
    # The language model is called through its layers, never as a whole.
    layers = [name for name in flops if name.startswith('bridge.vlm.hf.')]
    assert flops['bridge.vlm.hf'] == sum(
        flops[n] for n in layers if n.count('.') == 3
    )


def test_a_language_model_takes_two_flops_a_weight_and_token(tool):
    model = build(STAGE1)
    language = model.bridge.vlm.language_model
    config = model.bridge.vlm.hf.config.text_config
    tokens = 96
    scene = torch.empty(1, tokens, config.hidden_size, device='meta')
    counted = count_flops(
        model.requires_grad_(False), lambda: model.bridge(scene)
    )
    weights = sum(p.numel() for p in language.layers.parameters())
    if model.bridge.vlm.adapters is not None:
        weights += sum(
            p.numel() for p in model.bridge.vlm.adapters.parameters()
        )
    # Scores and values of every head, all tokens seeing all.
    attention = (
        4
        * tokens**2
        * config.num_attention_heads
        * config.head_dim
        * config.num_hidden_layers
    )
    expected = 2 * weights * tokens + attention
    assert counted.total == pytest.approx(expected, rel=0.03)


def test_two_frames_take_twice_one(tool, tmp_path):
    # The position code of queries is the same for all frames of a batch.
    config = child_config(tmp_path, STAGE2, 'model = dict(position_code=None)')
    one, two = (
        tool.analyse(config, 'loss', frames=frames) for frames in (1, 2)
    )
    assert two['flops'][''] == 2 * one['flops'][''] > 0
    assert two['parameters'] == one['parameters']


@pytest.mark.parametrize(
    ('config', 'mode', 'change'),
    [
        (STAGE2, 'loss', ''),
        (STAGE3, 'predict', 'model = dict(chain_of_thought=False)'),
        (SPARSE_STAGE1, 'loss', ''),
        (SPARSE_STAGE3, 'loss', ''),
    ],
)
def test_no_values_count_as_values_do(tmp_path, config, mode, change):
    cfg = load_config(child_config(tmp_path, config, change))
    set_forward_only(cfg.model)
    cfg.model.max_new_tokens = 2
    without = build_on_meta(cfg)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with_values = MODELS.build(cfg.model)
    counts = []
    for model, device in ((without, 'meta'), (with_values, 'cpu')):
        skip_value_modules(model, mode)
        fill_anchors(model)
        size = batch_size_of(cfg, model, mode, 1)
        if size.texts:
            size = size._replace(texts=2, tokens=8)
        counts.append(count_batch(model, size, mode, device))
    assert counts[0].by_module == counts[1].by_module
    assert counts[0].total > 1e8
    assert not counts[1].assumed


def test_sizes_come_from_the_config():
    cfg = load_config(STAGE3)
    model = build_on_meta(cfg)
    size = batch_size_of(cfg, model, 'predict', 3)
    assert (size.frames, size.images, size.answered) == (3, 6, False)
    load = batch_size_of(cfg, model, 'loss', 1)
    assert load.texts == 1, 'stage 3 asks for the meta-action alone'
    assert (size.height, size.width) == (model.bridge.vlm.image_size,) * 2


def test_longer_answers_take_more(tool):
    few, more = (
        tool.analyse(STAGE1, answer_tokens=n)['flops'][''] for n in (1, 3)
    )
    assert more > few


def test_report_names_what_is_not_counted(tool):
    report = tool.analyse(SPARSE_PAPER, 'loss')
    skipped = report['skipped_modules']
    assert {'occ_head.loss_occ', 'encoder.refiners.3'} <= set(skipped)
    table = tool.to_markdown(report, depth=2)
    assert all(f'* `{name}`: ' in table for name in skipped)
    assert 'grid_sampler_2d' in table
    model = build(SPARSE_PAPER)
    weights = sum(p.numel() for p in model.parameters())
    assert f'| **sum** | {weights / 1e6:,.2f} |' in table


def test_smaller_images_take_less(tool):
    few, more = (
        tool.analyse(SPARSE_STAGE1, shape=shape)['flops']['']
        for shape in ((64, 112), None)
    )
    assert 0 < few < more


def test_the_command_writes_json(tool, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'flops.json'
    monkeypatch.setattr(
        sys, 'argv', ['get_flops.py', str(SPARSE_STAGE1), '--out', str(out)]
    )
    tool.main()
    (written,) = json.loads(out.read_text())
    assert written['mode'] == 'predict'
    assert written['flops'][''] > 0 and written['parameters'][''] > 0
    assert f'### {SPARSE_STAGE1.stem}' in capsys.readouterr().out
