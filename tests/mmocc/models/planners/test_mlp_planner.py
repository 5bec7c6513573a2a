"""The MLP planner: what it reads, in which units, and its loss."""

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmocc.registry import MODELS
from mmocc.structures import DIRECTIONS, SPEEDS, OccDataSample
from mmocc.structures.scene_features import SceneFeatures


def build(**options):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='MLPPlanner',
            embed_dims=8,
            hidden_dims=16,
            num_heads=2,
            **options,
        )
    )


def make_sample(vx=5.0, vy=0.0):
    sample = OccDataSample()
    sample.gt_ego = BaseDataElement(
        status=torch.tensor([vx, vx, vy, 0, 0, 0, 0]),
        his_trajs=torch.tensor([[-2.5 * i, 0.1, 0.01] for i in (4, 3, 2, 1)]),
        his_masks=torch.tensor([False, True, True, True]),
        fut_trajs=torch.tensor([[2.5 * i, 0.0] for i in range(1, 7)]),
        fut_masks=torch.tensor([True] * 5 + [False]),
    )
    return sample


def inputs():
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(1, 12, 8, generator=generator)
    return tokens, torch.tensor([[0.2, 0.5, 0.3]]), torch.eye(6)[:1]


def ego(sample):
    """Ego status, past poses and which of them are known, of one frame."""
    known = sample.gt_ego
    return known.status[None], known.his_trajs[None], known.his_masks[None]


def scene(sample, meta_action=None):
    """What the planner reads of one frame."""
    status, history, mask = ego(sample)
    if meta_action is None:
        meta_action = torch.full((1, 18), 1 / 18)
    return SceneFeatures(
        visual_tokens=inputs()[0],
        meta_action=meta_action,
        ego_status=status,
        ego_history=history,
        ego_history_mask=mask,
    )


def silence(planner):
    """Make the MLP's last layer answer zero."""
    torch.nn.init.zeros_(planner.mlp[-1].weight)
    torch.nn.init.zeros_(planner.mlp[-1].bias)
    return planner


def test_residual_starts_from_constant_velocity():
    plan = silence(build(residual=True))(
        *inputs(), *ego(make_sample(4.0, 1.0))
    )
    # 4 m/s ahead and 1 m/s to the left, every half second.
    expected = torch.tensor([[2.0 * i, 0.5 * i] for i in range(1, 7)])
    torch.testing.assert_close(plan[0], expected)
    plan = silence(build())(*inputs(), *ego(make_sample(4.0, 1.0)))
    assert plan.abs().max() == 0


def test_loss_is_in_square_metres_over_existing_steps():
    planner = silence(build(residual=True))
    sample = make_sample(5.0)
    assert planner.loss(scene(sample), [sample])['loss_plan'] == 0
    sample.gt_ego.fut_trajs[2] += torch.tensor([3.0, 4.0])
    sample.gt_ego.fut_trajs[5] += 1000.0  # beyond the end of the scene
    loss = planner.loss(scene(sample), [sample])['loss_plan']
    torch.testing.assert_close(loss, torch.tensor(25.0 / 5))


def test_a_scene_that_ends_here_costs_nothing():
    sample = make_sample()
    sample.gt_ego.fut_masks[:] = False
    assert build().loss(scene(sample), [sample])['loss_plan'] == 0


@pytest.mark.parametrize(
    'off, change',
    [
        ('use_velocity', lambda s, i: s.gt_ego.status.add_(1)),
        ('use_ego_history', lambda s, i: s.gt_ego.his_trajs.add_(1)),
        ('use_visual_tokens', lambda s, i: i[0].add_(1)),
    ],
)
@torch.no_grad()
def test_an_input_that_is_off_is_not_read(off, change):
    for enabled in (True, False):
        planner = build(**{off: enabled}).eval()
        sample, args = make_sample(), inputs()
        before = planner(*args, *ego(sample))
        change(sample, args)
        # Tokens are normalised: shift them unevenly.
        args[0][..., 0] += 0.5 if off == 'use_visual_tokens' else 0.0
        after = planner(*args, *ego(sample))
        assert torch.equal(before, after) != enabled


@torch.no_grad()
def test_unknown_past_poses_are_not_read():
    planner, sample = build(), make_sample()
    before = planner(*inputs(), *ego(sample))
    sample.gt_ego.his_trajs[0] = 77.0  # masked out
    assert torch.equal(before, planner(*inputs(), *ego(sample)))


@pytest.mark.parametrize('embedding', ['hard', 'soft', 'none'])
@torch.no_grad()
def test_meta_action_embeddings(embedding):
    planner = build(meta_embedding=embedding)
    tokens, _, direction = inputs()

    def plan(*scores):
        return planner(
            tokens, torch.tensor([scores]), direction, *ego(make_sample())
        )

    surer = torch.equal(plan(0.1, 0.6, 0.3), plan(0.0, 1.0, 0.0))
    other = torch.equal(plan(0.1, 0.6, 0.3), plan(0.6, 0.1, 0.3))
    expected = dict(hard=(True, False), soft=(False, False), none=(True, True))
    assert (surer, other) == expected[embedding]


def test_unknown_embedding_is_refused():
    with pytest.raises(ValueError, match=r'planner\.meta_embedding'):
        build(meta_embedding='mean')


@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(meta_embedding='soft'),
        dict(meta_embedding='none'),
        dict(use_visual_tokens=False),
        dict(use_ego_history=False, use_velocity=False),
        dict(meta_embedding='none', use_visual_tokens=False),
    ],
)
def test_every_weight_gets_a_gradient(options):
    """One that is not read would stop distributed training."""
    planner = build(**options)
    planner.loss(scene(make_sample()), [make_sample()])['loss_plan'].backward()
    idle = [n for n, p in planner.named_parameters() if p.grad is None]
    assert idle == []


def test_a_planner_that_reads_nothing_is_refused():
    with pytest.raises(ValueError, match='nothing to read'):
        build(
            meta_embedding='none',
            use_velocity=False,
            use_ego_history=False,
            use_visual_tokens=False,
        )


@pytest.mark.parametrize('residual', [True, False])
def test_metres_are_float32_under_autocast(residual):
    """bfloat16 has steps of a quarter of a metre at 40 m."""
    planner, sample = build(residual=residual), make_sample(13.37, 0.21)
    with torch.autocast('cpu', torch.bfloat16):
        plan = planner(*inputs(), *ego(sample))
        loss = planner.loss(scene(sample), [sample])['loss_plan']
    assert loss.dtype == torch.float32
    assert torch.equal(plan, planner(*inputs(), *ego(sample)))


@pytest.mark.parametrize('embedding', ['hard', 'soft'])
@torch.no_grad()
def test_the_planner_reads_the_likeliest_pair(embedding, monkeypatch):
    """It need not hold the likeliest speed."""
    scores = torch.zeros(len(SPEEDS), len(DIRECTIONS))
    scores[SPEEDS.index('Accelerate'), 0] = 0.4
    scores[SPEEDS.index('Decelerate'), 1:3] = 0.3
    planner, seen = build(meta_embedding=embedding), []
    monkeypatch.setattr(
        planner, 'forward', lambda *args: seen.extend(args[1:3])
    )
    planner._plan(scene(make_sample(), scores.flatten()[None]))
    speeds, directions = seen
    expected = dict(hard=[[0.0, 1.0, 0.0]], soft=[[0.0, 0.4, 0.6]])[embedding]
    torch.testing.assert_close(speeds, torch.tensor(expected))
    torch.testing.assert_close(speeds.sum(), directions.sum())
    if embedding == 'hard':
        assert directions.argmax() == 0 and directions.max() == 1


@pytest.mark.parametrize(
    ('options', 'reads'),
    [
        ({}, 'visual_tokens meta_action ego_status ego_history'),
        (
            dict(meta_embedding='none', use_velocity=False),
            'visual_tokens ego_history',
        ),
        (
            dict(use_velocity=False, residual=True),
            'visual_tokens meta_action ego_status ego_history',
        ),
        (
            dict(use_visual_tokens=False, use_ego_history=False),
            'meta_action ego_status',
        ),
    ],
)
def test_it_says_what_it_reads(options, reads):
    assert [*build(**options).reads] == reads.split()
    lacking = SceneFeatures(ego_status=torch.zeros(1, 7))
    missing = next(n for n in reads.split() if n != 'ego_status')
    with pytest.raises(ValueError, match=f'planner reads {missing}, but'):
        build(**options).predict(lacking, [])
