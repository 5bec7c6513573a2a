"""What every ablation changes trains, on the small model."""

import ast

import pytest
import torch
from mmengine.config import Config
from occvla_samples import COMPONENTS, make_batch, model_config

from mmocc.registry import MODELS

FOLDER = COMPONENTS.parents[2] / 'projects/OccVLA/configs/occvla/ablations'


def change_of(path):
    """What an ablation writes under ``model``; None if that is nothing."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == 'model':
            return eval(ast.unparse(node.value))
    return None


CHANGES = {
    path.stem.removeprefix('occvla_'): change
    for path in sorted(FOLDER.glob('*.py'))
    if (change := change_of(path)) is not None
}


@pytest.mark.parametrize('name', CHANGES)
def test_an_ablation_trains_every_weight(name):
    """One without a gradient would stop distributed training."""
    config = model_config(planner=name.startswith('stage3'))
    config['occ_head']['vqvae']['num_codes'] = 16
    cfg = Config(dict(model=config))
    cfg.merge_from_dict(dict(model=CHANGES[name]))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    losses = model(*make_batch(1), 'loss')
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    idle = [
        key
        for key, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert idle == []
