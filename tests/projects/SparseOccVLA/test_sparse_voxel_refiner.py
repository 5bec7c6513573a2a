import copy

import pytest
import torch

from mmocc.models.layers import sparse_conv
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.voxel_refiner import (
    weighted_mean,
)
from mmocc.registry import MODELS
from mmocc.structures import FREE

RANGE = (-4.0, -3.2, -1.0, 4.0, 3.2, 2.2)  # 20 x 16 x 8 voxels of 0.4 m
WIDTH = 12
BACKENDS = ['spconv', 'torch']


def build(backend='torch', seed=0, **changes):
    if backend == 'spconv':
        pytest.importorskip('spconv', reason='spconv is not installed')
    torch.manual_seed(seed)
    options = dict(
        type='SparseVoxelRefiner',
        embed_dims=WIDTH,
        channels=(4, 6, 8),
        num_blocks=1,
        point_cloud_range=RANGE,
        backend=backend,
    )
    return MODELS.build({**options, **changes})


def awaken(refiner, seed=1):
    """Give the ways back weights, as training would."""
    generator = torch.Generator().manual_seed(seed)
    for layer in (refiner.to_shift, refiner.to_query):
        layer.weight.data.normal_(generator=generator)
        layer.bias.data.normal_(generator=generator)
    return refiner


def draw(frames=2, queries=6, per_query=5, seed=0):
    """Features, points in and beyond the range, scores."""
    generator = torch.Generator().manual_seed(seed)
    shape = (frames, queries, per_query)
    points = torch.randn(*shape, 3, generator=generator) * 0.7
    points += torch.randn(*shape[:2], 1, 3, generator=generator) * 1.5
    return (
        torch.randn(*shape[:2], WIDTH, generator=generator),
        points,
        torch.rand(*shape, generator=generator),
    )


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('training', [True, False])
def test_at_initialisation_output_equals_input(backend, training):
    refiner = build(backend).train(training)
    refiner.init_weights()
    features, points, scores = draw()
    new_features, new_points, _ = refiner(features, points, scores)
    assert (new_features - features).abs().max() <= 1e-6
    assert (new_points - points).abs().max() <= 1e-6
    awaken(refiner)
    new_features, new_points, _ = refiner(features, points, scores)
    assert (new_features - features).abs().max() > 0.1
    assert (new_points - points).abs().max() > 0.1


def test_backends_agree_in_values_and_gradients():
    first = awaken(build('spconv'))
    second = build('torch', seed=5)
    second.load_state_dict(first.state_dict())
    results = []
    for refiner in (first, second):
        features, points, scores = draw(frames=3, queries=30)
        features.requires_grad_()
        points.requires_grad_()
        new_features, new_points, _ = refiner(features, points, scores)
        (new_features.square().sum() + new_points.square().sum()).backward()
        gradients = [p.grad for p in refiner.parameters()]
        assert all(g.abs().max() > 0 for g in gradients)
        results.append(
            [new_features, new_points, features.grad, points.grad, *gradients]
        )
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.abs().max().clamp(min=1)
        assert ((ours - theirs).abs() / scale).max() <= 1e-4


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_batch_of_two_equals_two_of_one(backend):
    refiner = awaken(build(backend))
    inputs = draw(frames=2)
    both = refiner(*inputs)[:2]
    alone = [refiner(*[x[i : i + 1] for x in inputs])[:2] for i in range(2)]
    for ours, theirs in zip(both, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(ours, torch.cat(theirs), atol=1e-5, rtol=0)


@pytest.mark.parametrize('backend', BACKENDS)
def test_without_a_point_inside_nothing_changes_and_gradients_are_zero(
    backend,
):
    refiner = awaken(build(backend))
    features, points, scores = draw()
    features.requires_grad_()
    new_features, new_points, _ = refiner(features, points + 100, scores)
    assert torch.equal(new_features, features)
    assert torch.equal(new_points, points + 100)
    (new_features.sum() + new_points.sum()).backward()
    assert (features.grad == 1).all()
    assert all((p.grad == 0).all() for p in refiner.parameters())


@pytest.mark.parametrize('backend', BACKENDS)
def test_an_empty_frame_beside_a_full_one(backend):
    refiner = awaken(build(backend))
    features, points, scores = draw(frames=2)
    points[0] += 100
    new_features, new_points, _ = refiner(features, points, scores)
    assert torch.equal(new_features[0], features[0])
    assert torch.equal(new_points[0], points[0])
    alone = refiner(features[1:], points[1:], scores[1:])
    torch.testing.assert_close(new_features[1:], alone[0])
    torch.testing.assert_close(new_points[1:], alone[1])
    assert not torch.equal(new_points[1], points[1])


def test_points_outside_stay_and_do_not_speak():
    refiner = awaken(build())
    features, points, scores = draw(frames=1)
    points[0, 0, 0] = torch.tensor([50.0, 0, 0])
    points[0, 0, 1] = torch.tensor([0, -3.3, 0])
    inside = refiner(features, points, scores)
    assert torch.equal(inside[1][0, 0, :2], points[0, 0, :2])
    scores[0, 0, :2] = 1 - scores[0, 0, :2]
    again = refiner(features, points, scores)
    assert torch.equal(inside[0], again[0])
    assert torch.equal(inside[1], again[1])


def test_shifts_are_bounded():
    refiner = awaken(build(max_shift=0.25))
    refiner.to_shift.weight.data *= 1000
    features, points, scores = draw()
    moved = refiner(features, points, scores).points
    shift = (moved - points).abs().max().item()
    assert shift == pytest.approx(0.25, abs=1e-5)


def test_duplicates_in_a_voxel_are_merged_by_their_scores():
    # Rows 0 and 2 share a voxel; (3 * 1 + 1 * 5) / 4 = 2, (0 + 8) / 4 = 2.
    x = torch.tensor([[1.0, 0], [7, 7], [5, 8]])
    weights = torch.tensor([0.75, 0.1, 0.25])
    merged = weighted_mean(x, weights, torch.tensor([1, 0, 1]), 2)
    torch.testing.assert_close(merged, torch.tensor([[7.0, 7], [2, 2]]))


def test_points_of_one_voxel_make_one_voxel():
    """Worked example through the module's own encoding."""
    refiner = build()
    refiner.from_point.weight.data.zero_()
    refiner.from_query.weight.data.zero_()
    refiner.from_query.weight.data[0, 0] = 1
    refiner.from_query.bias.data.zero_()
    features = torch.zeros(1, 3, WIDTH)
    features[0, :, 0] = torch.tensor([1.0, 7.0, 5.0])
    # Voxels (10, 8, 2), (11, 8, 2), (10, 8, 2); the last query has scored 0
    # in the first voxel too.
    points = torch.tensor(
        [[0.01, 0.01, 0.0], [0.41, 0.01, 0.0], [0.39, 0.39, 0.1]]
    )[None, :, None]
    scores = torch.tensor([0.75, 0.1, 0.25])[None, :, None]
    voxels = refiner._voxelise(points, scores)
    assert voxels.indices.tolist() == [[0, 10, 8, 2], [0, 11, 8, 2]]
    assert voxels.member.tolist() == [0, 1, 0]
    x = refiner._encode(features, points, scores.flatten(), voxels)
    torch.testing.assert_close(
        x[:, 0], torch.tensor([2.0, 7.0]), atol=1e-4, rtol=0
    )
    assert (x[:, 1:] == 0).all()
    # Where all scores are 0 the mean is the plain one.
    nothing = torch.zeros_like(scores).flatten()
    x = refiner._encode(features, points, nothing, voxels)
    torch.testing.assert_close(x[:, 0], torch.tensor([3.0, 7.0]))


def test_queries_in_one_voxel_see_each_other_and_far_ones_do_not():
    refiner = awaken(build(channels=(4,)))  # one scale: reach of two voxels
    features, points, scores = draw(frames=1, queries=3, per_query=1)
    points[0, :, 0] = torch.tensor(
        [[0.1, 0.1, 0.1], [0.3, 0.3, 0.3], [3.0, 0.1, 0.1]]
    )
    features.requires_grad_()
    new = refiner(features, points, scores).features
    (gradient,) = torch.autograd.grad(new[0, 0].square().sum(), features)
    assert gradient[0, 1].abs().max() > 0
    assert gradient[0, 2].abs().max() == 0


def test_the_best_voxels_of_each_frame_are_kept():
    refiner = awaken(build(max_voxels=2))
    features, points, scores = draw(frames=2, queries=4, per_query=1)
    places = torch.tensor([-2.9, -0.9, 1.1, 3.1])
    points[..., 0, :] = places[:, None] * torch.tensor([1.0, 0, 0])
    scores[0, :, 0] = torch.tensor([0.1, 0.9, 0.3, 0.2])
    scores[1, :, 0] = torch.tensor([0.5, 0.1, 0.2, 0.5])
    new_features, new_points, _ = refiner(features, points, scores)
    moved = (new_points != points).any(-1)[..., 0]
    assert moved.tolist() == [
        [False, True, True, False],
        [True, False, False, True],
    ]
    changed = (new_features != features).any(-1)
    assert torch.equal(changed, moved)
    # Frame 0 alone has no other choice.
    alone = refiner(features[:1], points[:1], scores[:1])
    torch.testing.assert_close(alone[1], new_points[:1])


def test_gradients_reach_every_weight_and_the_points_pass_straight():
    refiner = awaken(build(num_blocks=2))
    features, points, scores = draw()
    features.requires_grad_()
    points.requires_grad_()
    scores.requires_grad_()
    new_features, new_points, _ = refiner(features, points, scores)
    (new_points.sum() + new_features.square().sum()).backward()
    assert features.grad.abs().max() > 0
    assert (points.grad == 1).all()
    assert scores.grad is None
    for name, parameter in refiner.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize('backend', BACKENDS)
def test_under_autocast_it_computes_in_single_precision(backend):
    refiner = awaken(build(backend))
    features, points, scores = draw()
    half = features.bfloat16()
    expected = refiner(half.float(), points, scores)
    with torch.autocast('cpu', torch.bfloat16):
        ours = refiner(half, points, scores)
    assert ours[0].dtype == torch.bfloat16
    assert torch.equal(ours[1], expected[1])
    torch.testing.assert_close(
        ours[0].float(), expected[0], atol=0.05, rtol=0.02
    )


def test_it_learns_to_move_points():
    refiner = build(channels=(4, 6))
    features, points, scores = draw(frames=1)
    inside = (points.abs() < 0.9).all(-1)
    target = points + torch.tensor([0.1, -0.2, 0.05])
    optimizer = torch.optim.Adam(refiner.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        moved = refiner(features, points, scores)[1]
        loss = (moved - target)[inside].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


def test_missing_spconv_falls_back_or_says_so(monkeypatch):
    saved = awaken(build('auto')).state_dict()
    monkeypatch.setattr(sparse_conv, 'spconv', None)
    refiner = build('auto')
    refiner.load_state_dict(copy.deepcopy(saved))
    features, points, scores = draw()
    assert not torch.equal(refiner(features, points, scores)[1], points)
    torch.manual_seed(0)
    with pytest.raises(ImportError, match="backend='torch'"):
        MODELS.build(dict(type='SparseVoxelRefiner', backend='spconv'))


class TestVoxelHead:
    head = dict(
        type='VoxelHead',
        loss_ce=dict(type='OccCrossEntropyLoss', loss_weight=0.5),
        loss_lovasz=dict(type='OccLovaszLoss'),
    )

    def semantics(self, frames=2):
        labels = torch.full((frames, 20, 16, 8), FREE, dtype=torch.uint8)
        labels[:, :, :, :3] = 11
        return labels

    def test_losses_are_those_of_the_voxels_with_points(self):
        refiner = build(voxel_head=self.head)
        inputs = draw()
        refined = refiner(*inputs)
        labels = self.semantics()
        everywhere = torch.ones_like(labels, dtype=torch.bool)
        losses = refiner.voxel_loss(refined.voxels, labels, everywhere)
        where, logits = refined.voxels
        expected = torch.nn.functional.cross_entropy(
            logits, labels[tuple(where.T)].long()
        )
        torch.testing.assert_close(losses['loss_voxel_ce'], 0.5 * expected)
        assert losses['loss_voxel_lovasz'] > 0

    def test_the_mask_leaves_voxels_out(self):
        refiner = build(voxel_head=self.head)
        voxels = refiner(*draw()).voxels
        labels = self.semantics()
        mask = torch.rand(labels.shape) < 0.5
        kept = mask[tuple(voxels.indices.T)]
        assert 0 < kept.sum() < len(kept)
        expected = torch.nn.functional.cross_entropy(
            voxels.logits[kept],
            labels[tuple(voxels.indices.T)].long()[kept],
        )
        loss = refiner.voxel_head.loss(voxels, labels, mask)
        torch.testing.assert_close(loss['loss_voxel_ce'], 0.5 * expected)

    @pytest.mark.parametrize('away', [0, 100])
    def test_it_trains_the_network_also_without_voxels(self, away):
        refiner = build(voxel_head=self.head)
        features, points, scores = draw()
        voxels = refiner(features, points + away, scores).voxels
        losses = refiner.voxel_head.loss(voxels, self.semantics())
        sum(losses.values()).backward()
        for name, parameter in refiner.named_parameters():
            if name.startswith(('to_', 'norm.')):
                continue  # the ways back to points and queries
            assert parameter.grad.isfinite().all(), name
            assert (parameter.grad.abs().max() > 0) == (away == 0), name

    def test_labels_of_another_grid_are_refused(self):
        refiner = build(voxel_head=self.head)
        labels = self.semantics()[:, :10]
        with pytest.raises(ValueError, match=r'the grid \(10, 16, 8\)'):
            refiner.voxel_loss(refiner(*draw()).voxels, labels, labels == 0)

    def test_there_is_none_by_default(self):
        assert build()(*draw()).voxels is None
