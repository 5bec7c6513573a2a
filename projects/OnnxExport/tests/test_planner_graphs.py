"""Both planners as graphs of tensors, and as ONNX."""

import numpy as np
import pytest
import torch

from mmocc.models.planners import AnchorDiffusionPlanner, MLPPlanner
from mmocc.projects.OnnxExport.onnx_export import (
    AnchorPlannerGraph,
    MLPPlannerGraph,
    differences,
    run_onnx,
    to_onnx,
)
from mmocc.structures.scene_features import SceneFeatures
from mmocc.structures.sparse_occ import SparseOccFeatures

DIMS, TOKENS, QUERIES, ANCHORS, STEPS = 8, 5, 6, 4, 6


def noisy(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return module.eval()


def mlp_graph():
    planner = MLPPlanner(embed_dims=DIMS, hidden_dims=8, num_heads=2)
    return MLPPlannerGraph(noisy(planner), DIMS).eval()


def anchor_planner(**options):
    planner = AnchorDiffusionPlanner(
        reasoning_dims=DIMS,
        occ_dims=DIMS,
        ego_dims=7,
        anchors=dict(type='AnchorBank', num_anchors=ANCHORS),
        embed_dims=8,
        num_heads=2,
        **options,
    )
    bank = planner.bank
    forward = torch.linspace(1, 4, ANCHORS)[:, None] * torch.arange(1, 7)
    state = bank.state_dict()
    state['anchors'] = torch.stack([forward, 0 * forward], dim=-1)
    state['normalizer.centre'] = torch.tensor([2.5, 0.0])
    state['normalizer.half_range'] = torch.tensor([2.5, 1.5])
    bank.load_state_dict(state)
    return noisy(planner)


def anchor_graph(**options):
    return AnchorPlannerGraph(anchor_planner(**options)).eval()


@torch.no_grad()
def test_mlp_graph_gives_what_the_planner_gives():
    graph = mlp_graph()
    inputs = graph.example(TOKENS)
    inputs['his_masks'][0, 0] = 0
    expected = graph.planner(*[inputs[name] for name in graph.inputs])
    assert torch.equal(graph(*inputs.values())[0], expected)


@torch.no_grad()
def test_anchor_graph_gives_what_the_planner_gives():
    planner = anchor_planner(
        denoise='all', scorer=dict(type='ReasoningScorer', with_ego=True)
    )
    graph = AnchorPlannerGraph(planner)
    inputs = graph.example(QUERIES, 0)
    assert graph.inputs == ('reasoning', 'features', 'centres', 'status')
    occ = SparseOccFeatures(
        inputs['features'], inputs['centres'], None, [], None
    )
    plan = planner(
        SceneFeatures(
            reasoning_token=inputs['reasoning'],
            occ_queries=occ,
            ego_status=inputs['status'],
        )
    )
    for name, got in zip(graph.outputs, graph(*inputs.values()), strict=True):
        assert torch.equal(got, getattr(plan, name))


@pytest.mark.parametrize(
    ('options', 'inputs'),
    [
        (
            dict(scorer=dict(type='SceneScorer')),
            ('features', 'centres', 'status'),
        ),
        (
            dict(
                condition=dict(
                    type='ConditionMemory',
                    occ=False,
                    ego=False,
                    reasoning=True,
                )
            ),
            ('reasoning',),
        ),
        (
            dict(
                condition=dict(
                    type='ConditionMemory', ego=False, global_tokens=True
                )
            ),
            ('reasoning', 'features', 'centres', 'global_tokens'),
        ),
        (
            dict(scorer=dict(type='AnchorTokenScorer')),
            ('reasoning', 'features', 'centres', 'status'),
        ),
    ],
)
@torch.no_grad()
def test_inputs_are_what_the_planner_reads(options, inputs):
    graph = anchor_graph(**options)
    assert graph.inputs == inputs
    trajectory = graph(*graph.example(QUERIES, 3).values())[0]
    assert trajectory.shape == (1, STEPS, 2)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(
                head=dict(
                    type='DenoisingHead',
                    denoiser=dict(type='AnchorDenoiser'),
                    schedule=dict(type='TruncatedDDIM', noise='random'),
                )
            ),
            "'fixed' or 'zero'",
        ),
        (
            dict(condition=dict(type='ConditionMemory', command='gt3s')),
            "command='gt3s'",
        ),
    ],
)
def test_what_a_graph_cannot_know_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        anchor_graph(**options)


@torch.no_grad()
def test_mlp_onnx_takes_any_number_of_tokens(onnx):
    graph = mlp_graph()
    content = to_onnx(graph, graph.example(TOKENS), {})
    for number in (TOKENS, 3):
        inputs = graph.example(number, seed=1)
        assert max(differences(graph, content, inputs).values()) < 1e-3
    moved = (
        run_onnx(content, inputs)['trajectory']
        - graph(*graph.example(number, seed=2).values())[0].numpy()
    )
    assert np.abs(moved).max() > 1e-2  # the comparison shows something


@pytest.mark.parametrize(
    'options',
    [
        pytest.param(dict(denoise='topk'), id='two DDIM steps'),
        pytest.param(dict(spatial_bias=True), id='spatial bias'),
    ],
)
@torch.no_grad()
def test_anchor_onnx_equals_pytorch(onnx, options):
    graph = anchor_graph(**options)
    assert graph.planner.head.ddim.timesteps == (8, 4)
    content = to_onnx(graph, graph.example(QUERIES, 0), {})
    plans = []
    for seed in (1, 2):
        inputs = graph.example(QUERIES, 0, seed)
        assert max(differences(graph, content, inputs).values()) < 1e-3
        plans.append(run_onnx(content, inputs)['trajectory'])
    assert np.abs(plans[0] - plans[1]).max() > 1e-2
