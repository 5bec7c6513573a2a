"""Every ablation trains and predicts, on the small model."""

import ast

import pytest
import torch
from mmengine.config import Config
from sparseoccvla_samples import (
    ANCHORS,
    CONFIGS,
    GRID,
    QUERIES,
    STEPS,
    build_model,
    make_batch,
    write_anchors,
)
from test_sparse_occ_vla import STAGES

FOLDER = CONFIGS / 'sparseoccvla/ablations'
SMALLER = dict(encoder=dict(num_queries=QUERIES))
# The paper-size encoder has one, the tiny one does not.
REFINER = dict(
    encoder=dict(
        refiner=dict(
            type='SparseVoxelRefiner', embed_dims=32, channels=(8, 8)
        ),
        refine_layers=(1,),
    )
)
# In place of CLIP: small and random.
TEACHER = dict(
    distillation=dict(
        embed_dims=32,
        teacher=dict(
            pretrained=None,
            config=dict(
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
            ),
        ),
    )
)


def change_of(path):
    """What an ablation writes under ``model``; None if that is nothing."""
    values = {
        node.targets[0].id: eval(ast.unparse(node.value))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign)
        and node.targets[0].id in ('_base_', 'model')
    }
    base = values['_base_']
    if not base.startswith('./'):
        return values.get('model')
    # An ablation of an ablation.
    merged = Config(dict(model=change_of(path.parent / base)))
    merged.merge_from_dict(dict(model=values['model']))
    return merged.model.to_dict()


CHANGES = {
    path.stem.removeprefix('sparseoccvla_'): change
    for path in sorted(FOLDER.glob('*.py'))
    if (change := change_of(path)) is not None
}


@pytest.mark.parametrize('name', CHANGES)
def test_an_ablation_trains_and_predicts(tmp_path, name):
    change = CHANGES[name]
    anchors = (change.get('planner') or {}).get('anchors', {})
    path = write_anchors(
        tmp_path,
        count=anchors.get('num_anchors', ANCHORS),
        mode=anchors.get('mode', 'global'),
    )
    stage = STAGES[int(name[len('stage')])]
    refiner = (change.get('encoder') or {}).get('refiner')
    small = SMALLER | (TEACHER if 'distillation' in change else {})
    model = build_model(
        path, stage, REFINER if refiner else {}, change, small
    ).train()
    losses = model(*make_batch(1), 'loss')
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    missing = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert missing == []
    with torch.no_grad():
        [sample] = model.eval()(*make_batch(1), 'predict')
    assert sample.pred_occ.semantics.shape == GRID
    if model.planner is not None:
        assert sample.pred_ego.trajs.shape[1:] == (STEPS, 2)
        assert torch.isfinite(sample.pred_ego.trajs).all()


def test_every_ablation_names_what_it_changes():
    """No two of them are the same."""
    changes = [str(change) for change in CHANGES.values()]
    assert len(set(changes)) == len(changes) >= 45


def test_another_language_model_replaces_the_whole_config(anchors):
    """``_delete_`` leaves no key of the model that it replaces."""
    vlm = dict(
        _delete_=True,
        type='CausalLM',
        config=dict(
            model_type='gpt2', vocab_size=1024, n_embd=32, n_layer=1, n_head=2
        ),
    )
    model = build_model(anchors, dict(bridge=dict(vlm=vlm)))
    config = model.bridge.vlm.hf.config
    assert config.model_type == 'gpt2'
    assert not hasattr(config, 'num_key_value_heads')
    losses = model(*make_batch(1), 'loss')
    assert torch.isfinite(losses['loss_text'])
