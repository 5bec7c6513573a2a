"""``tools/analysis_tools/memory.py``: bytes counted by hand."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn

ROOT = Path(__file__).parents[3]
TINY = (
    ROOT / 'projects/OccVLA/configs/occvla/'
    'occvla_tiny_stage2-joint_synthetic.py'
)
FLOAT = 4


@pytest.fixture
def tool(load_tool):
    return load_tool('projects/Benchmarks/tools/memory.py')


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
    memory = tool.split_memory(make_config(), make_model(), 1)
    assert memory == (6 * FLOAT + 8 * 2, 6 * FLOAT, 2 * 6 * FLOAT, 0)


def test_ddp_adds_buckets_of_the_gradients(tool):
    alone = tool.split_memory(make_config(), make_model(), 1)
    several = tool.split_memory(make_config(), make_model(), 8)
    assert several == (*alone[:3], 6 * FLOAT)


def test_shards_divide_all_but_what_is_gathered(tool):
    strategy = dict(type='FSDP2Strategy', shard_modules=['Bilinear'])
    memory = tool.split_memory(make_config(strategy=strategy), make_model(), 4)
    # 40, 24 and 48 bytes in four; the trained layer with its gradients is
    # gathered, and twice the frozen one.
    assert memory == (10, 6, 12, 2 * 6 * FLOAT + 2 * 8 * 2)


def test_the_table_names_the_weights_that_train(tool, capsys):
    tool.print_count(tool.load_config(TINY), TINY.stem, [1, 2])
    printed = capsys.readouterr().out
    assert f'### {TINY.stem}' in printed
    assert 'M weights train' in printed and 'without activations' in printed
    assert '| 1 | ' in printed and '| 2 | ' in printed
