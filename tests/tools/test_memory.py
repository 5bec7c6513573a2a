"""``tools/analysis_tools/memory.py``: bytes counted by hand."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

ROOT = Path(__file__).parents[2]
TINY = (
    ROOT / 'projects/OccVLA/configs/occvla/'
    'occvla_tiny_stage2-joint_synthetic.py'
)
FLOAT = 4


@pytest.fixture
def tool(load_tool, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/analysis_tools'))
    return load_tool('analysis_tools/memory.py')


@pytest.fixture
def estimates(load_tool, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/analysis_tools'))
    return load_tool('analysis_tools/cost/activation_memory.py')


def make_model(device='meta'):
    """A trained layer of 6 weights, a frozen one of 8 in two bytes."""
    with torch.device(device):
        model = nn.Sequential(
            nn.Linear(2, 3, bias=False),
            nn.Bilinear(2, 2, 2, bias=False, dtype=torch.bfloat16),
        )
    model[1].requires_grad_(False)
    return model


def make_config(**more):
    optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1.0))
    return Config(dict(optim_wrapper=optim_wrapper, **more))


def test_one_process_holds_two_states_for_each_trained_weight(tool):
    memory = tool.spread(make_config(), make_model(), 1)
    assert memory == (6 * FLOAT + 8 * 2, 6 * FLOAT, 2 * 6 * FLOAT, 0)


def test_ddp_adds_buckets_of_the_gradients(tool):
    alone = tool.spread(make_config(), make_model(), 1)
    several = tool.spread(make_config(), make_model(), 8)
    assert several == (*alone[:3], 6 * FLOAT)


def test_shards_divide_all_but_what_is_gathered(tool):
    strategy = dict(type='FSDP2Strategy', shard_modules=['Bilinear'])
    memory = tool.spread(make_config(strategy=strategy), make_model(), 4)
    # 40, 24 and 48 bytes in four; the trained layer with its gradients is
    # gathered, and twice the frozen one.
    assert memory == (10, 6, 12, 2 * 6 * FLOAT + 2 * 8 * 2)


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_autograd_keeps_inputs_of_layers(estimates, device):
    with torch.device(device):
        model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1))
        x = torch.ones(7, 2)
    # The input, and the output of the ReLU, once for both who need it.
    assert estimates.kept_bytes(model, [x]) == 7 * (2 + 5) * FLOAT


def test_recomputed_blocks_count_inputs_and_the_largest(estimates):
    from mmdet.models.backbones.resnet import Bottleneck

    blocks = [Bottleneck(8, 2, with_cp=True).train() for _ in range(3)]
    x = torch.ones(2, 8, 4, 4).requires_grad_()
    one = Bottleneck(8, 2).train()
    # Their inputs, and the output of the last, which its ReLU keeps.
    expected = 4 * x.nbytes + estimates.kept_bytes(one, [x])
    assert estimates.kept_bytes(nn.Sequential(*blocks), [x]) == expected
    assert all(block.with_cp for block in blocks)


def test_recomputed_layers_keep_their_inputs(estimates):
    one = estimates.layer_bytes(
        tokens=10, width=4, mlp=8, scores=100, element=2
    )
    # (16 + 10) * 4 and 8 * 8 bytes a token, 5 a score.
    assert one == 10 * (104 + 64) + 500
    kept = estimates.stack_bytes(6, 10, 4, one, recompute=True)
    assert kept == 6 * 10 * 4 * FLOAT + one
    assert estimates.stack_bytes(6, 10, 4, one, recompute=False) == 6 * one


def test_a_layer_of_llama_keeps_no_more_than_estimated(estimates):
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaModel

    config = LlamaConfig(
        vocab_size=8,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        attn_implementation='sdpa',
    )
    x = torch.randn(2, 32, 64).requires_grad_()
    kept = []
    for layers in (1, 2):
        model = LlamaModel(config)
        del model.layers[layers:]
        kept.append(
            estimates.autograd_keeps(
                lambda model=model: model(inputs_embeds=x), model.parameters()
            )
        )
    layer = kept[1] - kept[0]
    bound = estimates.layer_bytes(64, 64, 128, 0, element=FLOAT)
    assert 0.6 * bound < layer <= 1.1 * bound, layer / bound


def test_report_says_what_is_computed(tool, capsys):
    tool.report(TINY, Namespace(processes=[1, 2], batch_size=3))
    said = capsys.readouterr().out
    assert f'### {TINY.stem}' in said
    assert '3 frames a process. Computed, GiB a process' in said
    assert '| language model |' in said and '| occupancy decoder |' in said
