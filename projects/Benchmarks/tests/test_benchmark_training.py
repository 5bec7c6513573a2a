"""The benchmark of training tells which weights moved; no times here."""

import pytest
import torch
from torch import nn


@pytest.fixture(scope='module')
def training(load_tool):
    return load_tool('projects/Benchmarks/tools/benchmark_training.py')


@pytest.fixture
def model():
    """A frozen layer, one that trains, and one that no loss reaches."""
    model = nn.ModuleDict(
        dict(
            vision=nn.ModuleDict(dict(tower=nn.Linear(2, 2, bias=False))),
            head=nn.ModuleDict(
                dict(used=nn.Linear(2, 3), unused=nn.Linear(2, 5))
            ),
        )
    )
    model.vision.requires_grad_(False)
    return model


def test_what_a_step_reaches_and_moves_is_told_apart(training, model):
    """Weight decay moves what no gradient reaches."""
    before = training.fingerprints(model)
    reached = training.watch_gradients(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    (
        model.head.used(torch.ones(1, 2)) + 0 * model.head.unused.bias[:3]
    ).sum().backward()
    optimizer.step()
    after = training.fingerprints(model)
    moved = {name for name in before if before[name] != after[name]}
    assert training.count_parts(model, reached, moved) == {
        'vision.tower': dict(weights=4, trainable=0, gradient=0, moved=0),
        'head.used': dict(weights=9, trainable=9, gradient=9, moved=9),
        'head.unused': dict(weights=15, trainable=15, gradient=0, moved=5),
    }
