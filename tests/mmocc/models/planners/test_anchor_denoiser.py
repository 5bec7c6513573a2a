"""The denoiser: where it starts, and what reaches what."""

from dataclasses import replace

import pytest
import torch
from planner_examples import make_occ, make_sizes, wake

from mmocc.models.planners import AnchorDenoiser, ConditionMemory
from mmocc.models.planners.trajectory_normalizer import TrajectoryNormalizer
from mmocc.structures.scene_features import SceneFeatures

ANCHORS = 4


def make(awake=True, **options):
    torch.manual_seed(0)
    denoiser = AnchorDenoiser(
        make_sizes(num_anchors=ANCHORS), ffn_ratio=2, **options
    )
    return wake(denoiser) if awake else denoiser


def condition(occ=None):
    torch.manual_seed(0)
    memory = ConditionMemory(make_sizes(), num_blocks=2)
    scene = SceneFeatures(
        occ_queries=occ or make_occ(2), ego_status=torch.ones(2, 7)
    )
    # Metres and normalised displacements are the same here.
    units = TrajectoryNormalizer(torch.zeros(2), torch.ones(2))
    return memory(scene, normalizer=units)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


def run(denoiser, x, t=4, where=None):
    t = torch.full(x.shape[:2], t)
    predictions, _ = denoiser(x, t, x.round(), where or condition())
    return predictions


def test_it_starts_with_the_noisy_anchor_itself():
    x = normal(2, ANCHORS, 6, 2)
    for prediction in run(make(awake=False), x):
        assert torch.equal(prediction, x)


@pytest.mark.parametrize('fusion', ['attention', 'mean'])
def test_an_anchor_does_not_see_the_others(fusion):
    denoiser, x = make(fusion=fusion).double(), normal(2, ANCHORS, 6, 2)
    x = x.double()
    where = condition()
    where = replace(
        where,
        keys=tuple(key.double() for key in where.keys),
        values=tuple(value.double() for value in where.values),
        ego=where.ego.double(),
        centres=where.centres.double(),
    )
    together = run(denoiser, x, where=where)[-1]
    for k in range(ANCHORS):
        alone = run(denoiser, x[:, k : k + 1], where=where)[-1]
        torch.testing.assert_close(
            alone[:, 0], together[:, k], atol=1e-12, rtol=0
        )


def test_self_attention_lets_anchors_see_each_other():
    denoiser, x = make(anchor_self_attn=True), normal(2, ANCHORS, 6, 2)
    before = run(denoiser, x)[-1]
    x = x.clone()
    x[:, 0] += 1
    assert (run(denoiser, x)[-1][:, 1:] - before[:, 1:]).abs().min() > 1e-6


def test_self_attention_stays_within_a_draw():
    denoiser, x = make(anchor_self_attn=True), normal(2, 2 * ANCHORS, 6, 2)
    together = run(denoiser, x)[-1]
    alone = run(denoiser, x[:, ANCHORS:])[-1]
    torch.testing.assert_close(together[:, ANCHORS:], alone)


@pytest.mark.parametrize('change', ['x', 't', 'occ', 'ego'])
def test_every_input_is_read(change):
    denoiser, x, where = make(), normal(2, ANCHORS, 6, 2), condition()
    before = run(denoiser, x, where=where)[-1]
    t = 4
    if change == 'x':
        x = x + 0.01
    elif change == 't':
        t = 5
    elif change == 'ego':
        where = replace(where, ego=where.ego + 1)
    else:
        occ = make_occ(2)
        where = condition(
            type(occ)(occ.features + 1, occ.centres, occ.spread, [], None)
        )
    after = run(denoiser, x, t, where)[-1]
    assert (after - before).abs().max() > 1e-4


def test_spatial_bias_prefers_queries_near_the_trajectory():
    denoiser = make(spatial_bias=True)
    for block in denoiser.blocks:
        block.slope.data.fill_(3.0)  # falls by e within a third of a metre
    x = torch.zeros(2, 1, 6, 2)
    occ = make_occ(2)
    centres = torch.full_like(occ.centres, 30.0)
    centres[:, 0] = 0  # the first query is on the trajectory

    def trajectory(features):
        return run(
            denoiser,
            x,
            where=condition(
                type(occ)(features, centres, occ.spread, [], None)
            ),
        )[-1]

    near, far = occ.features.clone(), occ.features.clone()
    near[:, 0] += 1
    far[:, 1:] += 1
    before = trajectory(occ.features)
    assert (trajectory(near) - before).abs().max() > 1e-3
    assert (trajectory(far) - before).abs().max() < 1e-6


def test_an_unknown_fusion_is_refused():
    with pytest.raises(ValueError, match="fusion is 'concat'"):
        make(fusion='concat')
