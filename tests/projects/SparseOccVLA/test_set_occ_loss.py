import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head import (
    OccupiedVoxels,
    occupied_voxels,
    set_occ_loss,
)
from mmocc.registry import MODELS
from mmocc.structures import FREE, OccGrid
from mmocc.structures.sparse_occ import PointSet

DEFAULTS = dict(
    class_weights=(10, 5, 10, 5, 5, 10, 10, 5, 10, 5, 5, 1, 5, 1, 1, 2, 1),
    rare_classes=(0, 2, 5, 8),
    rare_weight=10.0,
    empty_distance=0.2,
    empty_weight=5.0,
    distance_weight=1.0,
    beta=0.2,
    focal_gamma=2.0,
    focal_alpha=0.25,
    points_weight=0.5,
    classes_weight=2.0,
)
OTHERS = dict(
    class_weights=tuple(1 + 0.5 * k for k in range(17)),
    rare_classes=(4, 11),
    rare_weight=3.0,
    empty_distance=1.0,
    empty_weight=4.0,
    distance_weight=0.3,
    beta=0.7,
    focal_gamma=1.5,
    focal_alpha=0.6,
    points_weight=1.3,
    classes_weight=0.7,
)


def build(**changes):
    return MODELS.build(dict(type='SetOccLoss', **changes))


def make_points(frames, queries, per_query, seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shape = (frames, queries, per_query)
    return PointSet(
        points=torch.rand(*shape, 3, generator=generator, dtype=dtype) * 12,
        logits=torch.randn(*shape, 17, generator=generator, dtype=dtype),
    )


def make_target(number, seed):
    """Voxels of mixed classes, two of three of them visible."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(number, 3, generator=generator) * 12
    return OccupiedVoxels(
        centres=centres,
        classes=torch.randint(17, (number,), generator=generator),
        visible=torch.rand(number, generator=generator) < 0.67,
    )


def one_layer(points, logits):
    """A layer of one frame and one query from nested lists."""
    return PointSet(
        torch.tensor(points)[None, None], torch.tensor(logits)[None, None]
    )


def by_hand(points, logits, targets, options):
    """The loss of one layer from SciPy's tree, voxel by voxel.

    Args:
        points (np.ndarray): (B, N, 3).
        logits (np.ndarray): (B, N, 17).
        targets (list[OccupiedVoxels]): None of them empty.
        options (dict): The loss's.

    Returns:
        tuple[float, float]: Points' and classes' loss.
    """

    def rho(difference):
        size = np.abs(difference)
        beta = options['beta']
        small = 0.5 * size**2 / beta
        return np.where(size < beta, small, size - 0.5 * beta).sum()

    to_point = to_voxel = focal = 0.0
    for own, scores, target in zip(points, logits, targets, strict=True):
        centres = target.centres.double().numpy()
        gaps, to = cKDTree(own).query(centres)
        for g, (gap, p) in enumerate(zip(gaps, to, strict=True)):
            weight = 1.0
            if target.visible[g]:
                if gap > options['empty_distance']:
                    weight = options['empty_weight']
                if int(target.classes[g]) in options['rare_classes']:
                    weight = max(weight, options['rare_weight'])
            to_point += weight * rho(centres[g] - own[p])
        _, to = cKDTree(centres).query(own)
        for p, g in enumerate(to):
            to_voxel += rho(own[p] - centres[g])
            # Occ3D's range is 80 m by 80 m around the ego.
            delta = 1 + options['distance_weight'] * math.hypot(
                *centres[g, :2]
            ) / math.hypot(80, 80)
            for k in range(17):
                probability = 1 / (1 + math.exp(-scores[p, k]))
                if k == int(target.classes[g]):
                    alpha = options['focal_alpha']
                else:
                    alpha = 1 - options['focal_alpha']
                    probability = 1 - probability
                focal -= (
                    options['class_weights'][k]
                    * delta
                    * alpha
                    * (1 - probability) ** options['focal_gamma']
                    * math.log(probability)
                )
    voxels = sum(len(target.centres) for target in targets)
    count = points.shape[0] * points.shape[1]
    return (
        options['points_weight'] * (to_point / voxels + to_voxel / count),
        options['classes_weight'] * focal / count,
    )


@pytest.mark.parametrize('options', [DEFAULTS, OTHERS])
@pytest.mark.parametrize('method', ['kdtree', 'chunked'])
def test_it_equals_a_computation_with_scipys_tree(options, method):
    layers = [make_points(2, 5, r, seed=r) for r in (1, 4, 16)]
    targets = [make_target(30, 1), make_target(50, 2)]
    initial = make_points(2, 5, 1, seed=9).points
    loss = build(
        nearest=dict(type='NearestNeighbour', method=method), **options
    )
    losses = loss(layers, targets, initial)
    expected = {}
    for index, layer in enumerate(layers):
        expected[f'loss_points_{index}'], expected[f'loss_classes_{index}'] = (
            by_hand(
                layer.points.flatten(1, 2).numpy(),
                layer.logits.flatten(1, 2).numpy(),
                targets,
                options,
            )
        )
    expected['loss_points_initial'], _ = by_hand(
        initial.flatten(1, 2).numpy(), np.zeros((2, 5, 17)), targets, options
    )
    assert set(losses) == set(expected)
    for name, value in expected.items():
        assert float(losses[name]) == pytest.approx(value, rel=1e-6), name


def test_defaults_are_those_of_the_sheet_of_options():
    layer, targets = make_points(1, 4, 8, 0), [make_target(40, 1)]
    assert build()([layer], targets) == build(**DEFAULTS)([layer], targets)


def test_worked_example():
    """One point, two voxels; every weight by hand."""
    # 0.1 m from a visible bus, 1 m from a hidden cone.
    layer = one_layer([[30.0, 0, 0]], [[0.0] * 17])
    target = OccupiedVoxels(
        centres=torch.tensor([[30.1, 0, 0], [30, 0, 1.0]]),
        classes=torch.tensor([3, 8]),
        visible=torch.tensor([True, False]),
    )
    losses = build()([layer], [target])
    near = 0.5 * 0.1**2 / 0.2
    far = 1 - 0.1
    assert float(losses['loss_points_0']) == pytest.approx(
        0.5 * ((near + far) / 2 + near), rel=1e-4
    )
    # Focal loss at p = 0.5: 0.25 log 2 times alpha of the column.
    columns = 0.75 * (sum(DEFAULTS['class_weights']) - 5) + 0.25 * 5
    delta = 1 + 30.1 / math.hypot(80, 80)
    assert float(losses['loss_classes_0']) == pytest.approx(
        2 * delta * columns * 0.25 * math.log(2), rel=1e-4
    )


def test_far_points_learn_that_they_are_free():
    """Two points beside one bus; the far one may have no class at all."""
    layer = one_layer([[30.0, 0, 0], [30.0, 1, 0]], [[0.0] * 17] * 2)
    target = OccupiedVoxels(
        centres=torch.tensor([[30.0, 0, 0]]),
        classes=torch.tensor([3]),
        visible=torch.tensor([True]),
    )
    columns = sum(DEFAULTS['class_weights'])
    near, far = 0.75 * (columns - 5) + 0.25 * 5, 0.75 * columns
    scale = 2 * (1 + 30 / math.hypot(80, 80)) * 0.25 * math.log(2)
    for distance, expected in (
        (None, near),
        (1.5, near),
        (0.5, (near + far) / 2),
    ):
        losses = build(free_distance=distance)([layer], [target])
        assert float(losses['loss_classes_0']) == pytest.approx(
            scale * expected, rel=1e-4
        )
    whole = build()([layer], [target])['loss_points_0']
    assert losses['loss_points_0'] == whole  # places do not care


@pytest.mark.parametrize(
    ('label', 'visible', 'gap', 'weight'),
    [
        (4, True, 0.1, 1),
        (4, True, 0.3, 5),
        (4, False, 0.3, 1),
        (8, True, 0.1, 10),
        (8, True, 0.3, 10),
        (8, False, 0.3, 1),
    ],
)
def test_weights_of_missed_and_rare_voxels(label, visible, gap, weight):
    layer = one_layer([[0.0, 0, gap]], [[0.0] * 17])
    target = OccupiedVoxels(
        centres=torch.zeros(1, 3),
        classes=torch.tensor([label]),
        visible=torch.tensor([visible]),
    )
    rho = gap - 0.1 if gap > 0.2 else gap**2 / 0.4
    loss = build()([layer], [target])['loss_points_0']
    assert float(loss) == pytest.approx(0.5 * (weight + 1) * rho, rel=1e-5)


def test_gradients_equal_finite_differences():
    layer = make_points(2, 2, 3, seed=4)
    initial = make_points(2, 2, 1, seed=5).points
    targets = [make_target(7, 1), make_target(4, 2)]
    loss = build()

    def total(points, logits, start):
        losses = loss([PointSet(points, logits)], targets, start)
        return sum(losses.values())

    inputs = [
        x.clone().requires_grad_()
        for x in (layer.points, layer.logits, initial)
    ]
    total(*inputs).backward()
    step = 1e-6
    for x in inputs:
        assert x.grad.abs().max() > 1e-3
        flat = x.data.view(-1)
        for i in range(0, len(flat), 3):
            value = flat[i].item()
            ends = []
            for sign in (1, -1):
                flat[i] = value + sign * step
                ends.append(float(total(*inputs).detach()))
            flat[i] = value
            slope = (ends[0] - ends[1]) / (2 * step)
            assert x.grad.view(-1)[i].item() == pytest.approx(
                slope, rel=1e-5, abs=1e-8
            )


@pytest.mark.parametrize('number', [0, 1])
def test_zero_and_one_voxel_are_finite(number):
    for frames in (1, 2):
        layer = make_points(frames, 3, 4, 0, torch.float32)
        layer.points.requires_grad_()
        layer.logits.requires_grad_()
        initial = torch.zeros(frames, 3, 1, 3, requires_grad=True)
        targets = [make_target(number, 1), make_target(20, 2)][:frames]
        losses = build()([layer], targets, initial)
        sum(losses.values()).backward()
        for x in (*losses.values(), layer.points.grad, layer.logits.grad):
            assert x.isfinite().all()
        assert initial.grad.isfinite().all()
        if number == 0:
            assert layer.points.grad[0].abs().max() == 0
            assert (layer.logits.grad[0] > 0).all()
        else:
            assert layer.points.grad[0].abs().max() > 0


def test_an_empty_frame_counts_for_classes_and_not_for_points():
    layer = make_points(2, 3, 4, 0)
    targets = [make_target(20, 2), make_target(0, 1)]
    both = build()([layer], targets)
    first, second = (
        build()([PointSet(layer.points[i : i + 1], layer.logits[i : i + 1])],
                targets[i : i + 1])
        for i in range(2)
    )  # fmt: skip
    torch.testing.assert_close(both['loss_points_0'], first['loss_points_0'])
    torch.testing.assert_close(
        both['loss_classes_0'],
        (first['loss_classes_0'] + second['loss_classes_0']) / 2,
    )


def test_a_frame_without_label_counts_for_nothing():
    layer = make_points(2, 3, 4, 0)
    layer.points.requires_grad_()
    layer.logits.requires_grad_()
    target = make_target(20, 2)
    alone = PointSet(layer.points[:1], layer.logits[:1])
    both = build()([layer], [target, None])
    for name, value in build()([alone], [target]).items():
        torch.testing.assert_close(both[name], value)
    for targets in ([None, target], [None, None]):
        losses = build()([layer], targets)
        layer.points.grad = layer.logits.grad = None
        sum(losses.values()).backward()
        assert layer.points.grad[0].abs().max() == 0
        assert layer.logits.grad[0].abs().max() == 0
    assert sum(losses.values()) == 0


def test_normalisers_are_those_of_the_batch_not_of_the_frame():
    """Voxels count alike, whether their frame has many or few."""
    layer = make_points(2, 3, 4, 0)
    few, many = make_target(2, 1), make_target(60, 2)
    parts = [
        build()([PointSet(layer.points[i : i + 1], layer.logits[i : i + 1])],
                [target])['loss_classes_0']
        for i, target in enumerate((few, many))
    ]  # fmt: skip
    both = build()([layer], [few, many])
    torch.testing.assert_close(both['loss_classes_0'], sum(parts) / 2)
    points, _ = by_hand(
        layer.points.flatten(1, 2).numpy(),
        layer.logits.flatten(1, 2).numpy(),
        [few, many],
        DEFAULTS,
    )
    assert float(both['loss_points_0']) == pytest.approx(points, rel=1e-6)


def test_mean_over_processes_is_the_loss_of_one_process(monkeypatch):
    layer = make_points(3, 3, 4, 0)
    targets = [make_target(n, n) for n in (5, 40, 0)]
    ranks = [slice(0, 1), slice(1, 3)]
    totals = []
    monkeypatch.setattr(
        set_occ_loss, 'reduce_mean', lambda x: totals.append(x) or x
    )
    expected = build()([layer], targets)
    totals.clear()

    def run():
        return [
            build()(
                [PointSet(layer.points[rank], layer.logits[rank])],
                targets[rank],
            )
            for rank in ranks
        ]

    run()  # what each process would send
    mean = torch.stack(totals).mean(0)
    monkeypatch.setattr(set_occ_loss, 'reduce_mean', lambda x: mean)
    first, second = run()
    for name, value in expected.items():
        torch.testing.assert_close((first[name] + second[name]) / 2, value)


def test_points_walk_to_the_voxels_and_learn_their_classes():
    target = make_target(12, 3)
    layer = make_points(1, 2, 12, 0)
    points, logits = layer.points.requires_grad_(), layer.logits
    logits = torch.zeros_like(logits).requires_grad_()
    optimizer = torch.optim.Adam([points, logits], lr=0.1)
    losses = []
    for _ in range(150):
        loss = sum(build()([PointSet(points, logits)], [target]).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]
    assert all(b < a for a, b in pairwise(losses[:20]))
    distance, nearest = cKDTree(target.centres.numpy()).query(
        points.detach().flatten(0, 2).numpy()
    )
    assert distance.max() < 0.2
    assert (logits.flatten(0, 2).argmax(1) == target.classes[nearest]).all()


def test_half_precision_logits_are_computed_in_single():
    layer = make_points(1, 3, 4, 0, torch.float32)
    half = PointSet(layer.points, layer.logits.bfloat16())
    targets = [make_target(20, 2)]
    rounded = PointSet(layer.points, half.logits.float())
    with torch.autocast('cpu', torch.bfloat16):
        losses = build()([half], targets)
    for name, value in build()([rounded], targets).items():
        assert losses[name].dtype == torch.float32
        assert torch.equal(losses[name], value)


def test_options_stay_out_of_checkpoints():
    assert not build().state_dict()


@pytest.mark.parametrize(
    ('targets', 'classes', 'message'),
    [(1, 17, '2 frames and 1 targets'), (2, 18, 'logits of 18 classes')],
)
def test_wrong_input_is_refused(targets, classes, message):
    layer = PointSet(torch.zeros(2, 1, 1, 3), torch.zeros(2, 1, 1, classes))
    with pytest.raises(ValueError, match=message):
        build()([layer], [make_target(3, 0)] * targets)


def test_rare_class_without_a_weight_is_refused():
    with pytest.raises(ValueError, match=r'rare_classes=\(17,\)'):
        build(rare_classes=(17,))


class TestOccupiedVoxels:
    grid = OccGrid((-2, -1, 0, 2, 1, 1.5), (0.5, 0.5, 0.5))

    def test_worked_example(self):
        semantics = torch.full(self.grid.shape, FREE, dtype=torch.uint8)
        semantics[0, 0, 0] = 4
        semantics[7, 3, 2] = 11
        semantics[1, 1, 1] = 255  # a label to ignore
        mask = torch.zeros(self.grid.shape, dtype=torch.bool)
        mask[7, 3, 2] = True
        target = occupied_voxels(semantics, self.grid, mask)
        assert target.classes.tolist() == [4, 11]
        assert target.visible.tolist() == [False, True]
        torch.testing.assert_close(
            target.centres,
            torch.tensor([[-1.75, -0.75, 0.25], [1.75, 0.75, 1.25]]),
        )

    def test_centres_index_back_into_the_label(self):
        torch.manual_seed(0)
        semantics = torch.randint(18, self.grid.shape)
        target = occupied_voxels(semantics, self.grid)
        index, inside = self.grid.to_index(target.centres.numpy())
        assert inside.all()
        found = semantics[tuple(torch.from_numpy(index).T)]
        assert torch.equal(found, target.classes)
        assert len(found) == (semantics != FREE).sum()
        assert target.visible.all()

    def test_a_free_grid_gives_an_empty_set(self):
        target = occupied_voxels(torch.full(self.grid.shape, FREE), self.grid)
        assert target.centres.shape == (0, 3)
        assert target.classes.shape == target.visible.shape == (0,)

    def test_another_shape_is_refused(self):
        semantics = torch.zeros(8, 4, 2)
        with pytest.raises(ValueError, match=r'\(8, 4, 2\).*\(8, 4, 3\)'):
            occupied_voxels(semantics, self.grid)
        with pytest.raises(ValueError, match='visible has shape'):
            occupied_voxels(
                torch.zeros(8, 4, 3), self.grid, torch.zeros(8, 4, 2)
            )
