"""``tools/analysis_tools/get_flops.py``: FLOPs counted by hand."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmocc.registry import MODELS

ROOT = Path(__file__).parents[2]
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
def tool(load_tool, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/analysis_tools'))
    return load_tool('analysis_tools/get_flops.py')


@pytest.fixture
def count(tool):
    return tool.count_flops


@pytest.fixture
def split(tool):
    return tool.split_parts


def total(counted):
    return sum(counted.flops.values())


def child_config(folder, parent, text):
    path = folder / 'child.py'
    path.write_text(f'_base_ = {str(parent)!r}\n{text}\n')
    return path


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_a_linear_layer_multiplies_and_adds(count, device):
    with torch.device(device):
        model, x = nn.Sequential(nn.Linear(3, 5)), torch.ones(7, 3)
    counted = count(model, lambda: model(x))
    # 7 rows, 3 x 5 multiply-adds of two FLOPs each, in the layer '0'.
    assert counted.flops == {'0': 2 * 7 * 3 * 5}
    assert not counted.answers and not counted.uncounted


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_an_attention_layer(count, device):
    length, width, heads = 5, 8, 2
    with torch.device(device):
        model = nn.MultiheadAttention(width, heads, batch_first=True).eval()
        x = torch.ones(1, length, width)
    counted = count(model, lambda: model(x, x, x, need_weights=False))
    projections = 2 * length * width * (3 * width + width)
    scores_and_values = 2 * (2 * length * length * width)
    assert total(counted) == projections + scores_and_values


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_fused_attention_counts_as_matrix_products(count, device):
    query = torch.ones(2, 3, 4, 6, device=device)  # B, heads, L, d
    key = torch.ones(2, 3, 5, 6, device=device)
    counted = count(
        nn.Identity(), lambda: F.scaled_dot_product_attention(query, key, key)
    )
    assert total(counted) == 2 * (2 * 2 * 3 * 4 * 5 * 6)


def test_what_needs_values_is_answered_and_said(count):
    x = torch.empty(4, 3, device='meta')
    layer = nn.Linear(3, 2, device='meta')

    def run():
        assert (x > 0).any()
        rows = x[x[:, 0] > 0]
        assert len(rows) == 4 and int(x.max()) == 0
        assert len(x[:, 0].unique()) == 4
        assert x[:, 0].tolist() == [0] * 4
        layer(rows)

    counted = count(layer, run)
    assert total(counted) == 2 * 4 * 3 * 2
    assert counted.answers == {
        ('', 'flags are set'): 1,
        ('', 'masks hold everywhere'): 1,
        ('', 'numbers are 0'): 2,
        ('', 'rows all differ'): 1,
    }


def test_operators_without_known_flops_are_named(count):
    x = torch.ones(4, 3)
    counted = count(nn.Identity(), lambda: torch.cdist(x, x).softmax(-1) + 1)
    assert set(counted.uncounted) == {'_euclidean_dist', '_softmax'} or (
        set(counted.uncounted) == {'_cdist_forward', '_softmax'}
    )


def test_fused_layers_come_back(count):
    fused = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError, match='mismatch'):
        count(
            nn.Identity(),
            lambda: torch.ones(2, 3, device='meta') @ torch.ones(2),
        )
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_parts_add_up_and_layers_are_one(split):
    parameters = {'a': 1, 'a.0': 10, 'a.1': 10, 'b.c': 500}
    flops = {'': 5, 'a.0.x': 400, 'a.1.x': 400, 'b.c': 30}
    parts = split(parameters, flops)
    assert sum(p.parameters for p in parts) == 521
    assert sum(p.flops for p in parts) == 835
    names = [part.name for part in parts]
    assert 'a.*.x' in names and 'b.c' in names
    assert ('the model, itself', 0, 5) in parts
    assert parts[-1] == ('small parts', 1, 0)


def test_a_language_model_takes_two_flops_a_weight_and_token(tool):
    cfg = tool.load_config(STAGE1)
    model = tool.build(cfg)
    language = model.bridge.vlm.language_model
    config = model.bridge.vlm.hf.config.text_config
    tokens = 96
    scene = torch.empty(1, tokens, config.hidden_size, device='meta')
    counted = tool.count_flops(
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
    assert total(counted) == pytest.approx(expected, rel=0.03)


def test_two_frames_take_twice_one(tool, tmp_path):
    # The position code of queries is the same for all frames of a batch.
    config = child_config(tmp_path, STAGE2, 'model = dict(position_code=None)')
    one, two = (
        tool.analyse(config, 'loss', frames=frames) for frames in (1, 2)
    )
    assert total(two.count) == 2 * total(one.count) > 0
    assert two.parts[0].parameters == one.parts[0].parameters


@pytest.mark.parametrize(
    ('config', 'mode', 'change'),
    [
        (STAGE2, 'loss', ''),
        (STAGE3, 'predict', 'model = dict(chain_of_thought=False)'),
        (SPARSE_STAGE1, 'loss', ''),
        (SPARSE_STAGE3, 'loss', ''),
    ],
)
def test_no_values_count_as_values_do(tool, tmp_path, config, mode, change):
    cfg = tool.load_config(child_config(tmp_path, config, change))
    without = tool.build(cfg, answer_tokens=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with_values = MODELS.build(cfg.model)
    counts = []
    for model, device in ((without, 'meta'), (with_values, 'cpu')):
        tool.leave_out(model, mode)
        tool.fill_anchors(model)
        model.requires_grad_(False).train(mode == 'loss')
        size = tool.batch_size_of(cfg, model, mode, 1)
        if size.texts:
            size = size._replace(texts=2, tokens=8)
        inputs, samples = tool.blank_batch(size, device)
        counts.append(
            tool.count_flops(
                model,
                lambda: model(inputs, samples, mode=mode),  # noqa: B023
            )
        )
    assert counts[0].flops == counts[1].flops
    assert total(counts[0]) > 1e8
    assert not counts[1].answers


def test_sizes_come_from_the_config(tool):
    cfg = tool.load_config(STAGE3)
    model = tool.build(cfg)
    size = tool.batch_size_of(cfg, model, 'predict', 3)
    assert (size.frames, size.images, size.answered) == (3, 6, False)
    load = tool.batch_size_of(cfg, model, 'loss', 1)
    assert load.texts == 1, 'stage 3 asks for the meta-action alone'
    assert (size.height, size.width) == (model.bridge.vlm.image_size,) * 2


def test_longer_answers_take_more(tool):
    few, more = (
        total(tool.analyse(STAGE1, answer_tokens=n).count) for n in (1, 3)
    )
    assert more > few


def test_report_names_what_is_not_counted(tool):
    report = tool.analyse(SPARSE_PAPER, 'loss')
    assert {'loss_occ', 'encoder.refiners.3'} <= set(report.left_out)
    said = tool.to_markdown(report)
    assert all(f'* `{name}`: ' in said for name in report.left_out)
    assert 'grid_sampler_2d' in said
    weights = sum(part.parameters for part in report.parts)
    assert f'| **sum** | {weights / 1e6:,.2f} |' in said
    model = tool.build(tool.load_config(SPARSE_PAPER))
    assert weights == sum(p.numel() for p in model.parameters())
    assert sum(part.flops for part in report.parts) == total(report.count)


def test_the_command_writes_json(tool, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'flops.json'
    monkeypatch.setattr(
        sys, 'argv', ['get_flops.py', str(SPARSE_STAGE1), '--out', str(out)]
    )
    tool.main()
    (written,) = json.loads(out.read_text())
    assert written['mode'] == 'predict'
    assert written['flops'] == sum(written['modules'].values())
    assert math.isclose(
        written['flops'], sum(part['flops'] for part in written['parts'])
    )
    assert f'### {SPARSE_STAGE1.stem}' in capsys.readouterr().out
