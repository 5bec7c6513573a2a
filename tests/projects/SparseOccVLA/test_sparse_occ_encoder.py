"""The encoder as a whole: what depends on what, and what is refused."""

import math

import pytest
import torch
from torch import nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.voxel_refiner import (
    RefinedQueries,
)
from mmocc.registry import MODELS
from mmocc.structures import FREE

HEIGHT, WIDTH = 32, 64
FRAMES, VIEWS, QUERIES, DIMS = 2, 4, 12, 16
REFINES = (1, 2, 4)
CONFIG = dict(
    type='SparseOccEncoder',
    embed_dims=DIMS,
    num_queries=QUERIES,
    num_refines=REFINES,
    num_frames=FRAMES,
    num_views=VIEWS,
    num_points=2,
    num_groups=2,
    num_levels=2,
    num_classes=5,
    num_heads=2,
    ffn_dims=32,
    mixing_points=4,
)


def build(seed=0, **options):
    torch.manual_seed(seed)
    encoder = MODELS.build({**CONFIG, **options})
    # Zero at the start, and then blind to what depends on the query.
    for layer in encoder.layers:
        nn.init.normal_(layer.mixing.matrices.weight, std=0.1)
        nn.init.normal_(layer.sampling.sampling_offset.weight, std=0.1)
        nn.init.normal_(layer.attention.slope.weight, std=0.1)
    return encoder.eval()


def camera(yaw, behind=0.0):
    """Ego frame to pixels, 100 degrees wide, looking along yaw (radians)."""
    look = torch.tensor(
        [
            [math.sin(yaw), -math.cos(yaw), 0.0],
            [0.0, 0.0, -1.0],
            [math.cos(yaw), math.sin(yaw), 0.0],
        ]
    )
    focal = WIDTH / 2 / math.tan(math.radians(50))
    intrinsics = torch.tensor(
        [[focal, 0.0, WIDTH / 2], [0.0, focal, HEIGHT / 2], [0.0, 0.0, 1.0]]
    )
    matrix = torch.eye(4)
    matrix[:3, :3] = intrinsics @ look
    place = torch.tensor([-behind, 0.0, 1.5])
    matrix[:3, 3] = -matrix[:3, :3] @ place
    return matrix


def make_inputs(batch=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    features = [
        torch.randn(
            batch,
            FRAMES * VIEWS,
            DIMS,
            HEIGHT // stride,
            WIDTH // stride,
            generator=generator,
        )
        for stride in (4, 8)
    ]
    ring = [
        camera(view * math.pi / 2, behind=3.0 * frame)
        for frame in range(FRAMES)
        for view in range(VIEWS)
    ]
    return features, torch.stack(ring).expand(batch, -1, -1, -1)


def run(encoder, features, ego2img):
    return encoder(features, ego2img, (HEIGHT, WIDTH))


def tensors(out):
    """All tensors of an output."""
    layers = [t for layer in out.layers for t in (layer.points, layer.logits)]
    return [out.features, out.centres, out.spread, *layers]


def assert_same(first, second, atol):
    for a, b in zip(tensors(first), tensors(second), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=atol)


def differs(first, second):
    return any(
        (a - b).abs().max() > 1e-3
        for a, b in zip(tensors(first), tensors(second), strict=True)
    )


def double(encoder, features, ego2img):
    return (
        encoder.double(),
        [level.double() for level in features],
        ego2img.double(),
    )


def test_output_is_what_the_contract_says():
    out = run(build(), *make_inputs(batch=2))
    assert out.features.shape == (2, QUERIES, DIMS)
    assert out.initial_points.shape == (2, QUERIES, 1, 3)
    for layer, count in zip(out.layers, REFINES, strict=True):
        assert layer.points.shape == (2, QUERIES, count, 3)
        assert layer.logits.shape == (2, QUERIES, count, 5)
    last = out.layers[-1].points
    torch.testing.assert_close(out.centres, last.mean(dim=2))
    torch.testing.assert_close(out.spread, last.std(dim=2))


def test_queries_start_evenly_over_the_ground():
    encoder = build(num_queries=400, query_init='ground')
    points = encoder.range.to_metres(encoder.query_points)
    torch.testing.assert_close(
        points[:, 2], torch.zeros(400), atol=1e-5, rtol=0
    )
    counts = torch.histogramdd(
        points[:, :2].detach(), bins=[4, 4], range=[-40.0, 40.0, -40.0, 40.0]
    ).hist
    assert counts.sum() == 400  # 25 on average in each of 16 fields
    assert 20 <= counts.min() and counts.max() <= 30
    gaps = torch.cdist(points, points).fill_diagonal_(torch.inf).amin(dim=1)
    assert gaps.min() > 1.5  # a grid of 400 has gaps of 4 m


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="query_init is 'random'"):
        build(query_init='random')


def test_queries_start_uniformly_over_the_range():
    encoder = build(num_queries=4000)
    points = encoder.range.to_metres(encoder.query_points)
    low, high = torch.tensor([-40.0, -40, -1]), torch.tensor([40.0, 40, 5.4])
    assert (points >= low).all() and (points < high).all()
    torch.testing.assert_close(
        points.mean(dim=0), (low + high) / 2, rtol=0, atol=2.0
    )
    width = (high - low) / math.sqrt(12)
    torch.testing.assert_close(points.std(dim=0), width, rtol=0.05, atol=0)


def test_initial_points_are_metres_and_shared_by_the_batch():
    encoder = build(point_range=[0, -10, 0, 100, 10, 4])
    with torch.no_grad():
        encoder.query_points[0] = torch.tensor([0.5, 0.25, 1.0])
    out = run(encoder, *make_inputs(batch=2))
    assert out.initial_points[:, 0, 0].tolist() == [[50.0, -5.0, 4.0]] * 2


def test_new_points_surround_the_centre_of_the_old():
    """With offsets of nothing, points collapse where they began."""
    encoder = build()
    for layer in encoder.layers:
        nn.init.zeros_(layer.offset_branch[-1].weight)
        nn.init.zeros_(layer.offset_branch[-1].bias)
    features, ego2img = make_inputs()
    out = run(encoder, features, ego2img)
    for layer in out.layers:
        expected = out.initial_points.expand_as(layer.points)
        torch.testing.assert_close(layer.points, expected)
    # One unit along x of the second layer's second point: reg_scale metres,
    # of which the mean keeps half.
    with torch.no_grad():
        encoder.layers[1].offset_branch[-1].bias[3] = 1.0
    moved = run(encoder, features, ego2img)
    gap = moved.layers[1].points - out.layers[1].points
    expected = torch.zeros(2, 3)
    expected[1, 0] = 0.5
    torch.testing.assert_close(gap, expected.expand_as(gap), rtol=0, atol=1e-5)
    gap = moved.layers[2].points - out.layers[2].points
    expected = torch.tensor([0.25, 0.0, 0.0])
    torch.testing.assert_close(gap, expected.expand_as(gap), rtol=0, atol=1e-5)


def test_classes_start_at_their_prior():
    encoder = build(class_prior=0.02)
    for layer in encoder.layers:
        nn.init.zeros_(layer.class_branch[-1].weight)
    out = run(encoder, *make_inputs())
    for layer in out.layers:
        scores = layer.logits.sigmoid()
        torch.testing.assert_close(scores, torch.full_like(scores, 0.02))


def test_a_batch_of_two_equals_two_batches_of_one():
    features, ego2img = make_inputs(batch=2)
    ego2img = ego2img.clone()
    ego2img[1] = ego2img[1].roll(1, dims=0)
    encoder, features, ego2img = double(build(), features, ego2img)
    both = run(encoder, features, ego2img)
    assert differs_within_batch(both)
    for index in range(2):
        row = slice(index, index + 1)
        alone = run(encoder, [f[row] for f in features], ego2img[row])
        for a, b in zip(tensors(both), tensors(alone), strict=True):
            torch.testing.assert_close(a[row], b, rtol=0, atol=1e-10)


def differs_within_batch(out):
    return all((t[0] - t[1]).abs().max() > 1e-3 for t in tensors(out)[:2])


def test_cameras_in_another_order_change_nothing():
    encoder, features, ego2img = double(build(), *make_inputs())
    expected = run(encoder, features, ego2img)
    order = [2, 0, 3, 1, 6, 4, 7, 5]  # the same in both frames
    shuffled = [level[:, order] for level in features]
    assert_same(run(encoder, shuffled, ego2img[:, order]), expected, 1e-10)
    # With matrices in the old order the images lie about the world.
    assert differs(run(encoder, shuffled, ego2img), expected)
    # The order of frames is time.
    order = [4, 5, 6, 7, 0, 1, 2, 3]
    swapped = run(encoder, [f[:, order] for f in features], ego2img[:, order])
    assert differs(swapped, expected)


def test_every_image_matters_and_the_past_too():
    encoder = build(num_queries=200)
    features, ego2img = make_inputs()
    features = [level.requires_grad_() for level in features]
    run(encoder, features, ego2img).features.square().sum().backward()
    for level in features:
        assert (level.grad.abs().sum(dim=(0, 2, 3, 4)) > 0).all()


def test_gradients_reach_all_weights_and_the_first_points():
    encoder = build().train()
    out = run(encoder, *make_inputs(batch=2))
    sum(
        layer.points.square().mean() + layer.logits.square().mean()
        for layer in out.layers
    ).backward()
    still = []
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all(), name
        if parameter.grad.abs().sum() == 0:
            still.append(name)
    # One point has no spread, so its offsets lead nowhere.
    assert still == [
        f'layers.{index}.sampling.sampling_offset.{part}'
        for index in (0, 1)
        for part in ('weight', 'bias')
    ]


def test_points_pass_between_layers_without_a_gradient():
    encoder = build()
    out = run(encoder, *make_inputs())
    out.layers[1].points.sum().backward()
    assert encoder.layers[0].offset_branch[0].weight.grad is None
    assert encoder.layers[1].offset_branch[0].weight.grad.abs().sum() > 0
    assert encoder.layers[0].mixing.project.weight.grad.abs().sum() > 0


def test_classes_of_a_layer_train_it_and_those_before():
    encoder = build()
    out = run(encoder, *make_inputs())
    out.layers[1].logits.square().sum().backward()
    for index in (0, 1):
        assert encoder.layers[index].mixing.project.weight.grad.abs().sum() > 0
    assert encoder.layers[2].mixing.project.weight.grad is None


def test_the_first_layer_trains_the_first_points():
    encoder = build()
    out = run(encoder, *make_inputs())
    (out.layers[0].points[0, 3, 0, 0]).backward()
    assert encoder.query_points.grad[3].abs().sum() > 0


@pytest.mark.parametrize('training', (False, True))
def test_a_world_that_no_camera_sees(training):
    encoder = build().train(training)
    features, ego2img = make_inputs()
    features = [level.requires_grad_() for level in features]
    # 1 km above the ground, looking along it.
    above = torch.eye(4)
    above[2, 3] = -1000.0
    out = run(encoder, features, ego2img @ above)
    for tensor in tensors(out):
        assert tensor.isfinite().all()
    sum(t.square().sum() for t in tensors(out)).backward()
    assert all((level.grad == 0).all() for level in features)
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_the_callers_features_stay_as_they_were():
    features, ego2img = make_inputs()
    maps, copies = list(features), [level.clone() for level in features]
    run(build(), features, ego2img)
    assert all(a is b for a, b in zip(features, maps, strict=True))
    assert all(
        torch.equal(a, b) for a, b in zip(features, copies, strict=True)
    )


def test_autocast_gives_float32_and_nearly_the_same_points():
    encoder = build()
    features, ego2img = make_inputs()
    expected = run(encoder, features, ego2img)
    with torch.autocast('cpu', torch.bfloat16):
        halved = [level.bfloat16() for level in features]
        out = run(encoder, halved, ego2img)
    assert {t.dtype for t in tensors(out)} == {torch.float32}
    # bfloat16 resolves no better than 0.125 m at 40 m.
    for a, b in zip(out.layers, expected.layers, strict=True):
        assert (a.points - b.points).abs().max() < 0.05


def test_checkpointing_changes_no_gradient():
    gradients = []
    for with_cp in (False, True):
        encoder = build(with_cp=with_cp, dropout=0.2).train()
        features, ego2img = make_inputs()
        features = [level.requires_grad_() for level in features]
        torch.manual_seed(3)
        out = run(encoder, features, ego2img)
        sum(t.square().mean() for t in tensors(out)).backward()
        gradients.append(
            [p.grad for p in encoder.parameters()]
            + [level.grad for level in features]
        )
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


class Recorder(nn.Module):
    """A refiner that adds constants and remembers what it was given."""

    def __init__(self, shift=0.0, boost=0.0):
        super().__init__()
        self.shift, self.boost, self.seen = shift, boost, []
        self.initialised = False

    def init_weights(self):
        self.initialised = True

    def forward(self, features, points, scores):
        self.seen.append((features, points, scores))
        return RefinedQueries(features + self.boost, points + self.shift, None)


@pytest.fixture
def recorder():
    MODELS.register_module(name='TestRecorder', module=Recorder)
    yield dict(type='TestRecorder')
    MODELS.module_dict.pop('TestRecorder')


def test_a_refiner_that_changes_nothing_changes_nothing(recorder):
    plain = build()
    refined = build(refiner=recorder, refine_layers=(0, 2))
    refined.load_state_dict(plain.state_dict())
    inputs = make_inputs(batch=2)
    expected = run(plain, *inputs)
    assert_same(run(refined, *inputs), expected, atol=0)
    assert list(refined.refiners) == ['0', '2']
    for index, refiner in refined.refiners.items():
        layer = expected.layers[int(index)]
        ((features, points, scores),) = refiner.seen
        assert features.shape == (2, QUERIES, DIMS)
        assert features.requires_grad and points.requires_grad
        assert torch.equal(points, layer.points)
        highest = layer.logits.sigmoid().max(dim=-1).values
        assert torch.equal(scores, highest) and not scores.requires_grad


def test_refined_points_and_features_are_what_follows(recorder):
    plain = build()
    inputs = make_inputs()
    expected = run(plain, *inputs)
    moved = run(
        build(refiner=dict(recorder, shift=0.25), refine_layers=[1]), *inputs
    )
    torch.testing.assert_close(
        moved.layers[1].points, expected.layers[1].points + 0.25
    )
    assert torch.equal(moved.layers[0].points, expected.layers[0].points)
    assert not torch.equal(moved.layers[2].points, expected.layers[2].points)
    changed = run(
        build(refiner=dict(recorder, boost=1.0), refine_layers=[2]), *inputs
    )
    assert torch.equal(changed.features, expected.features + 1.0)
    assert torch.equal(changed.layers[2].points, expected.layers[2].points)
    # Classes are read from the refined features.
    assert torch.equal(
        changed.layers[2].logits, plain.layers[2].classify(changed.features)
    )


def test_voxel_heads_make_losses_of_their_layers():
    refiner = dict(
        type='SparseVoxelRefiner',
        embed_dims=DIMS,
        channels=(8, 8),
        voxel_head=dict(type='VoxelHead'),
    )
    encoder = build(refiner=refiner, refine_layers=(0, 2))
    inputs = make_inputs(batch=2)
    voxels = run(encoder, *inputs).voxels
    assert list(voxels) == ['0', '2']
    labels = torch.full((2, 200, 200, 16), FREE, dtype=torch.uint8)
    seen = torch.ones_like(labels, dtype=torch.bool)
    losses = encoder.voxel_losses(voxels, labels, seen)
    assert set(losses) == {'loss_voxel_ce_0', 'loss_voxel_ce_2'}
    sum(losses.values()).backward()
    for refiner in encoder.refiners.values():
        assert refiner.voxel_head.classify.weight.grad.abs().max() > 0
    assert run(build(), *inputs).voxels == {}
    assert encoder.voxel_losses({}, labels, seen) == {}


def test_each_layer_may_have_a_refiner_of_its_own(recorder):
    configs = [dict(recorder, shift=0.1), dict(recorder, shift=0.4)]
    encoder = build(refiner=configs, refine_layers=(2, 0))
    assert encoder.refiners['2'].shift == 0.1
    assert encoder.refiners['0'].shift == 0.4
    encoder.init_weights()
    assert all(r.initialised for r in encoder.refiners.values())


@pytest.mark.parametrize(
    ('num_queries', 'num_points', 'refines', 'millions'),
    (
        (600, 4, (1, 4, 16, 32, 64, 128), 50.9),
        (1200, 2, (1, 4, 8, 16, 32, 64), 46.9),
        (2400, 2, (1, 2, 4, 8, 16, 32), 46.6),
        (4800, 2, (1, 2, 4, 8, 16, 16), 46.5),
    ),
)
def test_paper_sizes_have_as_many_weights_as_opus(
    num_queries, num_points, refines, millions
):
    with torch.device('meta'):
        encoder = MODELS.build(
            dict(
                type='SparseOccEncoder',
                num_queries=num_queries,
                num_points=num_points,
                num_refines=refines,
            )
        )
    count = sum(p.numel() for p in encoder.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize(
    ('change', 'message'),
    (
        (dict(num_views=3), r'8, 16, 8, 16\).*num_views = 2 \* 3 = 6'),
        (dict(num_frames=4), r'num_frames \* encoder.num_views = 4 \* 4'),
        (dict(num_levels=3), r'got 2 feature maps.*num_levels = 3'),
        (dict(embed_dims=32), r'has 16 channels.*embed_dims = 32'),
    ),
)
def test_features_that_do_not_fit_the_config(change, message):
    encoder = build(**change)
    with pytest.raises(ValueError, match=message):
        run(encoder, *make_inputs())


def test_too_few_matrices():
    features, ego2img = make_inputs()
    with pytest.raises(ValueError, match=r'\(1, 4, 4, 4\), expected \(1, 8'):
        run(build(), features, ego2img[:, :4])


def test_maps_that_do_not_cover_the_image():
    features, ego2img = make_inputs()
    with pytest.raises(ValueError, match='pad_size_divisor'):
        build()(features, ego2img, (HEIGHT + 1, WIDTH))


@pytest.mark.parametrize(
    ('change', 'message'),
    (
        (dict(view_choice='best'), "view_choice is 'best'"),
        (dict(num_groups=3), 'num_groups = 3 does not divide'),
        (dict(num_refines=()), 'num_refines is'),
        (dict(num_refines=(1, 0)), 'num_refines is'),
        (dict(point_range=[0, 0, 0, 1, 1]), 'point_range is'),
        (dict(point_range=[0, 0, 0, 1, -1, 1]), 'point_range is'),
        (dict(refine_layers=(0,)), 'has 0 configs for the 1 layers'),
        (dict(refiner=dict(type='x')), 'has 1 configs for the 0 layers'),
        (dict(refine_layers=(3,)), 'layers from 0 to 2'),
        (dict(refine_layers=(1, 1)), 'different layers'),
    ),
)
def test_configs_that_contradict_themselves(change, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build({**CONFIG, **change})
