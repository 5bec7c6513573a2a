"""Where forecasts start, what they may know, and what trains them."""

import math

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmocc.projects.SparseOccVLA.sparseoccvla.forecast import OccForecaster
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast.ego_motion import (
    into_next_frame,
    rotate,
)
from mmocc.registry import MODELS
from mmocc.structures import EGO_STATUS, OccDataSample
from mmocc.structures.scene_features import SceneFeatures
from mmocc.structures.sparse_occ import PointSet, SparseOccFeatures
from mmocc.structures.tokens import TextBatch

BATCH, QUERIES, POINTS, CLASSES = 2, 9, 5, 17
WIDTH, LLM_WIDTH, STEPS = 16, 24, 6
CAR, ROAD, FREE_LOGIT = 4, 11, math.log(0.01 / 0.99)


@MODELS.register_module(force=True)
class MeanSquareSetLoss(torch.nn.Module):
    """Stands in for a set loss: squared distance to one place a frame."""

    def forward(self, layers, targets):
        (layer,) = layers
        assert len(layer.points) == len(targets)
        errors = [
            (points - target).square().mean()
            for points, target in zip(layer.points, targets, strict=True)
            if target is not None
        ]
        zero = layer.points[:0].sum() + layer.logits[:0].sum()
        return dict(
            loss_points_0=sum(errors, zero),
            loss_classes_0=layer.logits.square().mean(),
        )


def features(scene, hidden):
    """What the forecaster reads: queries, and the language model's states."""
    return SceneFeatures(occ_queries=scene, occ_hidden=hidden)


def build(**options):
    torch.manual_seed(0)
    cfg = dict(
        type='OccForecaster',
        embed_dims=WIDTH,
        llm_dims=LLM_WIDTH,
        num_points=POINTS,
        num_heads=4,
        set_loss=dict(type='MeanSquareSetLoss'),
    )
    return MODELS.build({**cfg, **options}).eval()


def shake(module):
    """Random weights everywhere, so that whatever may matter does."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in module.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator)
    return module


def make_scene(batch=BATCH, spread=0.5):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(batch, QUERIES, *shape, generator=generator)

    centres = 8 * draw(1, 3).clamp(-2, 2) * torch.tensor([1, 1, 0.1])
    points = centres + spread * draw(POINTS, 3)
    return SparseOccFeatures(
        features=draw(WIDTH),
        centres=points.mean(dim=2),
        spread=points.std(dim=2),
        layers=[PointSet(points, draw(POINTS, CLASSES))],
        initial_points=centres,
    )


def make_hidden(batch=BATCH):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(batch, QUERIES, LLM_WIDTH, generator=generator)


def make_samples(batch=BATCH, future=0.0, **status):
    samples = []
    for b in range(batch):
        values = torch.zeros(len(EGO_STATUS))
        for name, value in status.items():
            values[EGO_STATUS.index(name)] = value
        straight = torch.arange(1.0, STEPS + 1)[:, None] * torch.tensor(
            [2.0 + b, 0.5]
        )
        sample = OccDataSample(metainfo=dict(token=f'frame{b}'))
        sample.gt_ego = BaseDataElement(
            fut_trajs=straight + future,
            fut_masks=torch.ones(STEPS, dtype=torch.bool),
            his_trajs=torch.randn(4, 3, generator=torch.manual_seed(b)),
            his_masks=torch.tensor([False, True, True, True]),
            status=values,
            command=torch.tensor(-1),
        )
        sample.gt_occ = BaseDataElement(
            future_semantics=torch.full((STEPS, 2, 2, 2), int(future))
        )
        samples.append(sample)
    return samples


def rows(scene, keep):
    return SparseOccFeatures(
        features=scene.features[keep],
        centres=scene.centres[keep],
        spread=scene.spread[keep],
        layers=[
            PointSet(layer.points[keep], layer.logits[keep])
            for layer in scene.layers
        ],
        initial_points=scene.initial_points[keep],
    )


def assert_same(a, b, **tolerance):
    tolerance = tolerance or dict(atol=0, rtol=0)
    for ours, theirs in zip(a.point_sets, b.point_sets, strict=True):
        for name in ('points', 'logits'):
            torch.testing.assert_close(
                getattr(ours, name), getattr(theirs, name), **tolerance
            )
    for name in ('displacements', 'turns'):
        torch.testing.assert_close(
            getattr(a, name), getattr(b, name), **tolerance
        )


@torch.no_grad()
def test_starts_from_the_encoders_queries_exactly():
    forecaster, scene = build(), make_scene()
    fused = forecaster.fuse(scene.features, make_hidden())
    assert torch.equal(fused, scene.features)
    a = forecaster.predict(
        features(scene, make_hidden()), make_samples(vx=3.0)
    )
    b = forecaster.predict(
        features(scene, 9 * make_hidden()), make_samples(vx=3.0)
    )
    assert_same(a, b)


@torch.no_grad()
def test_a_standing_car_forecasts_the_present_at_the_start():
    scene = make_scene()
    forecast = build().predict(features(scene, make_hidden()), make_samples())
    assert len(forecast.point_sets) == STEPS
    for step in forecast.point_sets:
        assert torch.equal(step.points, scene.layers[-1].points)
        assert torch.equal(step.logits, scene.layers[-1].logits)
    assert not forecast.displacements.any() and not forecast.turns.any()


@torch.no_grad()
def test_a_driving_car_carries_the_present_at_the_start():
    """2 m a step straight on: everything comes 2 m closer."""
    scene = make_scene()
    present = scene.layers[-1].points
    forecast = build().predict(
        features(scene, make_hidden()), make_samples(vx=4.0)
    )
    for t, step in enumerate(forecast.point_sets, start=1):
        expected = present - torch.tensor([2.0 * t, 0, 0])
        torch.testing.assert_close(step.points, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        forecast.displacements,
        torch.tensor([2.0, 0]).expand(BATCH, STEPS, 2),
    )


@torch.no_grad()
def test_a_quarter_circle_brings_what_was_left_ahead():
    """Six steps of 15 degrees along a circle of known radius."""
    turn = math.pi / 12
    radius = 10.0
    chord = 2 * radius * math.sin(turn / 2)
    scene = make_scene()
    centre = torch.tensor([0.0, radius, 0])  # of the circle, to the left
    scene.layers[-1].points[:] = centre + torch.tensor([1.0, 0, 0])
    forecast = build().predict(
        features(scene, make_hidden()),
        make_samples(vx=2 * chord, yaw_rate=2 * turn),
    )
    # The centre stays 10 m to the left; what was ahead of it is now to its
    # right, which is towards the car.
    torch.testing.assert_close(
        forecast.point_sets[-1].points[0, 0, 0],
        torch.tensor([0.0, radius - 1.0, 0]),
        atol=1e-4,
        rtol=0,
    )
    torch.testing.assert_close(
        forecast.displacements.sum(dim=1),
        torch.tensor([[radius, radius]] * BATCH),
        atol=1e-4,
        rtol=0,
    )
    torch.testing.assert_close(
        forecast.turns.sum(dim=1), torch.full((BATCH,), math.pi / 2)
    )


def test_standing_points_seen_from_a_moved_car():
    points = torch.tensor([[[5.0, 1.0, 2.0]]])
    motion = torch.tensor([[1.0, 0.0, math.pi / 2]])
    # One metre along 45 degrees, then facing left.
    half = math.sqrt(0.5)
    expected = torch.tensor([[[1.0 - half, -(5.0 - half), 2.0]]])
    torch.testing.assert_close(into_next_frame(points, motion), expected)
    back = rotate(rotate(points, motion[:, 2]), -motion[:, 2])
    torch.testing.assert_close(back, points)


@torch.no_grad()
def test_queries_that_fall_behind_enter_again_in_front():
    scene = make_scene(spread=0.1)
    points = scene.layers[-1].points
    points[:, 0] += torch.tensor([-38.5, 0, 0]) - points[:, :1].mean(dim=2)
    points[:, 1] += torch.tensor([30.0, 0, 0]) - points[:, 1:2].mean(dim=2)
    forecast = build().predict(
        features(scene, make_hidden()), make_samples(vx=4.0)
    )
    first, later = forecast.point_sets[0], forecast.point_sets[2]
    torch.testing.assert_close(
        first.points[:, 0], points[:, 0] + torch.tensor([78.0, 0, 0])
    )
    # Shape is kept, knowledge is not.
    prior = torch.full((BATCH, POINTS, CLASSES), FREE_LOGIT)
    torch.testing.assert_close(first.logits[:, 0], prior)
    torch.testing.assert_close(later.logits[:, 0], prior)
    assert torch.equal(first.logits[:, 1:], scene.layers[-1].logits[:, 1:])
    torch.testing.assert_close(
        later.points[:, 1], points[:, 1] - torch.tensor([6.0, 0, 0])
    )


@torch.no_grad()
def test_only_movable_classes_have_a_velocity():
    forecaster, scene = build(), make_scene()
    forecaster.step.velocity[-2].bias.fill_(3.0)
    logits = scene.layers[-1].logits.zero_()
    logits[:, 0, :, CAR] = 5
    logits[:, 1:, :, ROAD] = 5
    forecast = forecaster.predict(
        features(scene, make_hidden()), make_samples()
    )
    moved = forecast.point_sets[0].points - scene.layers[-1].points
    torch.testing.assert_close(
        moved[:, 0], torch.tensor([1.5, 1.5, 0]).expand(BATCH, POINTS, 3)
    )
    assert not moved[:, 1:].any()


@torch.no_grad()
def test_respawn_sets_points_around_the_centre():
    forecaster, scene = build(step='respawn'), make_scene()
    for branch in (forecaster.step.offset, forecaster.step.velocity):
        branch[-2].weight.zero_()
        branch[-2].bias.zero_()
    forecast = forecaster.predict(
        features(scene, make_hidden()), make_samples(vx=4.0)
    )
    centres = scene.layers[-1].points.mean(dim=2, keepdim=True)
    torch.testing.assert_close(
        forecast.point_sets[0].points, centres.expand(-1, -1, POINTS, -1)
    )


@pytest.mark.parametrize('step', ['carry', 'respawn'])
@torch.no_grad()
def test_the_future_changes_no_prediction(step):
    forecaster = shake(build(step=step))
    scene, hidden = make_scene(), make_hidden()
    a = forecaster.predict(features(scene, hidden), make_samples(vx=4.0))
    changed = make_samples(vx=4.0, future=5.0)
    for sample in changed:
        sample.gt_ego.fut_masks[3:] = False
        sample.gt_ego.command += 2
    assert_same(a, forecaster.predict(features(scene, hidden), changed))


@pytest.mark.parametrize(
    ('use_status', 'use_history'),
    [(True, True), (True, False), (False, True), (False, False)],
)
@torch.no_grad()
def test_only_the_ego_inputs_that_are_asked_for_are_read(
    use_status, use_history
):
    forecaster = shake(build(use_status=use_status, use_history=use_history))
    scene, hidden = make_scene(), make_hidden()

    def differs(change):
        samples = make_samples(vx=4.0)
        for sample in samples:
            change(sample.gt_ego)
        a = forecaster.predict(features(scene, hidden), make_samples(vx=4.0))
        b = forecaster.predict(features(scene, hidden), samples)
        return not torch.equal(a.displacements, b.displacements)

    assert differs(lambda ego: ego.status.add_(1)) == use_status
    assert differs(lambda ego: ego.his_trajs[1:].add_(1)) == use_history
    # A pose that is not known is not read.
    assert not differs(lambda ego: ego.his_trajs[0].add_(1))


@pytest.mark.parametrize('step', ['carry', 'respawn'])
@torch.no_grad()
def test_a_batch_of_two_equals_two_of_one(step):
    forecaster = shake(build(step=step))
    scene, hidden = make_scene(), make_hidden()
    samples = make_samples(vx=4.0, yaw_rate=0.2)
    both = forecaster.predict(features(scene, hidden), samples)
    for b in range(BATCH):
        keep = slice(b, b + 1)
        one = forecaster.predict(
            features(rows(scene, keep), hidden[keep]), samples[keep]
        )
        for t in range(STEPS):
            for name in ('points', 'logits'):
                torch.testing.assert_close(
                    getattr(both.point_sets[t], name)[keep],
                    getattr(one.point_sets[t], name),
                    atol=1e-4,
                    rtol=1e-5,
                )


@torch.no_grad()
def test_the_fusions():
    scene, hidden = make_scene(), make_hidden()
    samples = make_samples()
    for mode, reads_features, reads_hidden in (
        ('residual', True, True),
        ('encoder', True, False),
        ('llm', False, True),
    ):
        fuse = shake(build(fusion=mode)).fuse
        f, h = scene.features, hidden
        out = fuse(f, h)
        assert torch.equal(out, fuse(f + 1, h)) != reads_features
        assert torch.equal(out, fuse(f, h.flip(-1))) != reads_hidden
    build(fusion='encoder').predict(features(scene, None), samples)


def targets_of(steps, missing=()):
    return [
        [None if (t, b) in missing else torch.zeros(3) for b in range(BATCH)]
        for t in range(steps)
    ]


def test_horizon_says_how_many_steps_are_trained():
    forecaster, scene = build(), make_scene()
    assert forecaster.horizon == STEPS
    for horizon in (1, 4):
        forecaster.horizon = horizon
        losses = forecaster.loss(
            features(scene, make_hidden()), make_samples(), targets_of(STEPS)
        )
        assert set(losses) == {
            'loss_ego_motion',
            *(f'step{t}.loss_points_0' for t in range(1, horizon + 1)),
            *(f'step{t}.loss_classes_0' for t in range(1, horizon + 1)),
        }
        forecast = forecaster.predict(
            features(scene, make_hidden()), make_samples()
        )
        assert len(forecast.point_sets) == STEPS
    with pytest.raises(ValueError, match='labels of 3 future frames'):
        forecaster.loss(
            features(scene, make_hidden()), make_samples(), targets_of(3)
        )


def test_each_step_meets_its_own_label():
    """Values worked by hand: nothing moves at the start."""
    forecaster, scene = build(occ_weight=0.5), make_scene()
    points = scene.layers[-1].points
    targets = [
        [torch.full((3,), float(t + b)) for b in range(BATCH)]
        for t in range(STEPS)
    ]
    targets[2][1] = None
    losses = forecaster.loss(
        features(scene, make_hidden()), make_samples(), targets
    )
    for t in range(STEPS):
        expected = sum(
            (points[b] - targets[t][b]).square().mean()
            for b in range(BATCH)
            if targets[t][b] is not None
        )
        torch.testing.assert_close(
            losses[f'step{t + 1}.loss_points_0'], expected / 2
        )


def test_ego_motion_is_compared_where_both_ends_are_known():
    forecaster = build(motion_weight=2.0)
    samples = make_samples(vx=4.0)  # 2 m a step; the truth has 2 + b and 0.5
    samples[1].gt_ego.fut_masks[:] = torch.tensor([1, 1, 0, 1, 1, 0]).bool()
    loss = forecaster.loss(
        features(make_scene(), make_hidden()), samples, targets_of(STEPS)
    )['loss_ego_motion']
    # Six steps of 0.5^2, and steps 1, 2 and 5 of 1^2 + 0.5^2.
    expected = 2 * (6 * 0.25 + 3 * 1.25) / 9
    torch.testing.assert_close(loss, torch.tensor(expected))


@pytest.mark.parametrize('step', ['carry', 'respawn'])
@pytest.mark.parametrize('fusion', ['residual', 'llm'])
def test_every_weight_is_trained_from_the_first_step(step, fusion):
    """Also where no frame of the batch has a label."""
    forecaster = shake(build(step=step, fusion=fusion))
    forecaster.horizon = 1
    hidden = make_hidden().requires_grad_()
    for missing in ((), [(0, b) for b in range(BATCH)]):
        forecaster.zero_grad()
        losses = forecaster.loss(
            features(make_scene(), hidden),
            make_samples(vx=4.0),
            targets_of(1, missing),
        )
        sum(losses.values()).backward()
        unused = [
            n for n, p in forecaster.named_parameters() if p.grad is None
        ]
        assert unused == []
    assert hidden.grad.abs().max() > 0


def test_a_forecast_learns():
    """A bend and a brake that the status does not tell.

    Positions are all that is known of the truth; the turn follows.
    """
    forecaster, scene = build(), make_scene()
    samples = make_samples(vx=6.0)
    turn, step = -0.1, 2.0
    headings = turn * (torch.arange(STEPS) + 0.5)
    steps = step * torch.stack([headings.cos(), headings.sin()], dim=1)
    for sample in samples:
        sample.gt_ego.fut_trajs = steps.cumsum(dim=0)
    targets = [[torch.tensor([4.0, 2, 0])] * BATCH for _ in range(STEPS)]
    optimiser = torch.optim.Adam(forecaster.parameters(), lr=3e-3)
    history = []
    for _ in range(150):
        losses = forecaster.loss(
            features(scene, make_hidden()), samples, targets
        )
        points = sum(v for k, v in losses.items() if 'points' in k)
        history.append((points.item(), losses['loss_ego_motion'].item()))
        optimiser.zero_grad()
        (points + losses['loss_ego_motion']).backward()
        optimiser.step()
    assert history[-1][0] < 0.5 * history[0][0]
    assert history[-1][1] < 0.02 * history[0][1]
    turns = forecaster.predict(features(scene, make_hidden()), samples).turns
    torch.testing.assert_close(
        turns.sum(dim=1), torch.full((BATCH,), turn * STEPS), atol=0.1, rtol=0
    )


def test_float32_under_autocast():
    forecaster, scene = build(), make_scene()
    plain = forecaster.predict(
        features(scene, make_hidden()), make_samples(vx=4.0)
    )
    with torch.autocast('cpu', torch.bfloat16):
        cast = forecaster.predict(
            features(scene, make_hidden().bfloat16()), make_samples(vx=4.0)
        )
    assert cast.point_sets[-1].points.dtype == torch.float32
    assert_same(plain, cast)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(step='jump'), r"forecaster\.step is 'jump'"),
        (dict(fusion='sum'), r"forecaster\.fusion is 'sum'"),
        (dict(num_steps=7), r'num_steps is 7, expected 1 to 6'),
        (dict(num_steps=0), r'num_steps is 0, expected 1 to 6'),
    ],
)
def test_unknown_choices_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_points_of_another_encoder_are_refused():
    with pytest.raises(ValueError, match='encoder gives 5 points'):
        build(num_points=8).predict(
            features(make_scene(), make_hidden()), make_samples()
        )


def test_training_needs_a_loss():
    with pytest.raises(ValueError, match='set_loss is None'):
        build(set_loss=None).loss(
            features(make_scene(), make_hidden()),
            make_samples(),
            targets_of(STEPS),
        )


def test_is_registered():
    assert MODELS.get('OccForecaster') is OccForecaster


@torch.no_grad()
def test_forecasts_do_not_depend_on_the_text():
    """From occupancy queries through a language model into the future."""
    torch.manual_seed(0)
    bridge = MODELS.build(
        dict(
            type='SparseQueryBridge',
            embed_dims=WIDTH,
            num_heads=4,
            vlm=dict(
                type='CausalLM',
                config=dict(
                    model_type='llama',
                    vocab_size=40,
                    hidden_size=LLM_WIDTH,
                    intermediate_size=32,
                    num_hidden_layers=2,
                    num_attention_heads=4,
                    initializer_range=0.2,
                ),
            ),
        )
    ).eval()
    forecaster, scene = build(), make_scene()
    forecaster.fuse.project[-1].weight.normal_()
    forecaster.step.offset[-2].weight.normal_(std=0.1)
    forecaster.step.classify[-2].weight.normal_(std=0.1)

    def forecast(ids):
        text = None
        if ids is not None:
            ids = ids.expand(BATCH, 2, -1)
            text = TextBatch(ids, ids, torch.ones_like(ids) > 0)
        hidden = bridge(scene, text).queries
        return forecaster.predict(
            features(scene, hidden), make_samples(vx=4.0)
        )

    asked = forecast(torch.tensor([3, 9, 20, 31]))
    other = forecast(torch.tensor([35, 2, 11, 5]))
    assert_same(asked, other)
    assert_same(asked, forecast(None), atol=1e-6, rtol=1e-6)
