import pytest
import torch

from mmocc.registry import MODELS
from mmocc.structures import FREE, OccGrid
from mmocc.structures.sparse_occ import PointSet

RANGE = (-4.0, -4.0, -1.0, 4.0, 4.0, 5.4)
GRID = OccGrid(RANGE, (0.4, 0.4, 0.4))  # 20 x 20 x 16


def build(**changes):
    options = dict(point_cloud_range=RANGE, closing=False)
    options.update(changes)
    return MODELS.build(dict(type='PointSetDecoder', **options))


def logit(probability):
    return torch.logit(torch.tensor(probability)).item()


def make_set(*queries):
    """One frame from queries of (voxel, {class: probability}) points.

    All queries need as many points; other classes are at 0.01.
    """
    points, logits = [], []
    for query in queries:
        for voxel, scores in query:
            points.append(torch.from_numpy(GRID.to_metres(voxel)))
            row = torch.full((17,), logit(0.01))
            for label, probability in scores.items():
                row[label] = logit(probability)
            logits.append(row)
    shape = (1, len(queries), -1)
    return PointSet(
        torch.stack(points).float().view(*shape, 3),
        torch.stack(logits).view(*shape, 17),
    )


def occupied(grid):
    """{voxel: class} of the first frame."""
    index = (grid[0] != FREE).nonzero()
    return {tuple(i.tolist()): int(grid[0][tuple(i)]) for i in index}


def random_set(frames=2, queries=40, per_query=16, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(frames, queries, *shape, generator=generator)

    return PointSet(
        points=2.5 * normal(1, 3) + normal(per_query, 3),
        logits=2 * normal(per_query, 17) - 3,
    )


def test_a_point_marks_its_voxel_with_its_class():
    points = make_set(
        [((0, 0, 0), {4: 0.9})], [((19, 7, 15), {0: 0.6, 16: 0.8})]
    )
    grid = build()(points)
    assert grid.shape == (1, 20, 20, 16)
    assert grid.dtype == torch.uint8
    assert occupied(grid) == {(0, 0, 0): 4, (19, 7, 15): 16}


def test_scores_of_a_voxel_are_averaged_or_maxed():
    voxel = (3, 4, 5)
    points = make_set(
        [(voxel, {2: 0.9}), (voxel, {7: 0.7}), (voxel, {7: 0.7, 2: 0.2})]
    )
    # Mean: class 2 (0.9 + 0.01 + 0.2) / 3, class 7 (0.01 + 0.7 + 0.7) / 3.
    assert occupied(build(score_thr=0.4)(points)) == {voxel: 7}
    assert occupied(build(score_thr=0.5)(points)) == {}
    assert occupied(build(reduce='max')(points)) == {voxel: 2}


def test_points_without_a_class_do_not_take_part_in_the_mean():
    voxel = (3, 4, 5)
    points = make_set([(voxel, {2: 0.6}), (voxel, {2: 0.4})])
    assert occupied(build()(points)) == {voxel: 2}


def test_thresholds_by_class():
    thresholds = [0.35] * 15 + [0.25, 0.3]
    points = make_set(
        [((0, 0, 0), {4: 0.34, 15: 0.3})],
        [((1, 0, 0), {4: 0.34})],
        [((2, 0, 0), {4: 0.36, 15: 0.3})],
        [((3, 0, 0), {16: 0.29})],
    )
    assert occupied(build(score_thr=thresholds)(points)) == {
        (0, 0, 0): 15,  # class 4 is more probable, and not present
        (2, 0, 0): 4,
    }


def test_ties_go_to_the_first_class():
    points = make_set([((0, 0, 0), {9: 0.8, 3: 0.8, 12: 0.8})])
    for reduce in ('mean', 'max'):
        assert occupied(build(reduce=reduce)(points)) == {(0, 0, 0): 3}


def test_points_far_from_their_query_are_dropped():
    # Mean of x: voxel 5 = 2.0 m to three points, 6.0 m to the fourth.
    near, far = (0, 0, 0), (15, 0, 0)
    points = make_set(
        [(near, {4: 0.9})] * 3 + [(far, {4: 0.9})],
    )
    mean = (3 * 0 + 15 * 0.4) / 4  # metres from the first voxel
    assert 15 * 0.4 - mean > 3 > mean
    assert occupied(build()(points)) == {near: 4}
    assert occupied(build(ctr_dist_thr=5.0)(points)) == {near: 4, far: 4}
    assert occupied(build(ctr_dist_thr=1.0)(points)) == {}


def test_points_outside_the_range_are_dropped():
    points = make_set(
        [((-1, 0, 0), {4: 0.9})],
        [((0, 20, 0), {4: 0.9})],
        [((0, 0, 16), {4: 0.9})],
        [((7, 0, 0), {4: 0.9})],
    )
    assert occupied(build()(points)) == {(7, 0, 0): 4}


def test_points_that_are_no_numbers_are_dropped():
    points = make_set(*[[((x, 0, 0), {4: 0.9})] for x in range(3)])
    points.points[0, 0] = float('nan')
    points.logits[0, 1] = float('nan')
    for closing in (False, True):
        assert occupied(build(closing=closing)(points)) == {(2, 0, 0): 4}


@pytest.mark.parametrize('closing', [False, True])
@pytest.mark.parametrize('reduce', ['mean', 'max'])
def test_nothing_above_the_threshold_is_a_free_grid(closing, reduce):
    points = random_set()
    low = PointSet(points.points, points.logits.clamp(max=-0.1))
    away = PointSet(points.points + 1000, points.logits)
    for empty in (low, away):
        grid = build(closing=closing, reduce=reduce)(empty)
        assert grid.shape == (2, 20, 20, 16)
        assert grid.dtype == torch.uint8
        assert (grid == FREE).all()


@pytest.mark.parametrize('closing', [False, True])
def test_a_batch_of_two_equals_two_of_one(closing):
    points = random_set()
    decoder = build(closing=closing)
    both = decoder(points)
    alone = [
        decoder(PointSet(points.points[i : i + 1], points.logits[i : i + 1]))
        for i in range(2)
    ]
    assert torch.equal(both, torch.cat(alone))
    assert not torch.equal(both[0], both[1])


@pytest.mark.parametrize('reduce', ['mean', 'max'])
def test_the_order_of_points_does_not_matter(reduce):
    points = random_set(per_query=64)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    shuffled = PointSet(points.points[:, :, order], points.logits[:, :, order])
    # Centres are summed in another order: no point may be at the threshold.
    decoder = build(reduce=reduce, closing=True, ctr_dist_thr=100.0)
    grid = decoder(points)
    assert (grid != FREE).sum() > 100
    assert torch.equal(grid, decoder(points))
    assert torch.equal(grid, decoder(shuffled))


def test_means_are_the_same_to_the_last_bit_in_any_order():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(5000, 17, generator=generator)
    member = torch.randint(3, (5000,), generator=generator)
    order = torch.randperm(5000, generator=generator)
    merge = build()._merge
    mean = merge(scores, member, 3)
    assert torch.equal(mean, merge(scores[order], member[order], 3))
    for voxel in range(3):
        expected = scores[member == voxel].double().mean(0).float()
        torch.testing.assert_close(mean[voxel], expected)


def test_labels_equal_a_loop_over_points():
    points = random_set(frames=1)
    members = {}
    for query, logits in zip(points.points[0], points.logits[0], strict=True):
        centre = query.double().mean(0)
        for point, row in zip(query.double(), logits.sigmoid(), strict=True):
            index, inside = GRID.to_index(point.numpy())
            if inside and (point - centre).norm() <= 3 and (row > 0.5).any():
                members.setdefault(tuple(index.tolist()), []).append(row)
    expected = {}
    for voxel, rows in members.items():
        mean = torch.stack(rows).double().mean(0)
        if (mean > 0.5).any():
            expected[voxel] = int(mean.argmax())
    assert max(map(len, members.values())) > 1
    assert occupied(build()(points)) == expected


class TestClosing:
    def test_a_hole_is_filled_and_a_surface_does_not_grow(self):
        wall = [(x, y, 4) for x in range(5, 12) for y in range(5, 12)]
        wall.remove((8, 8, 4))
        points = make_set(*[[(voxel, {15: 0.9})] for voxel in wall])
        assert set(occupied(build()(points))) == set(wall)
        closed = occupied(build(closing=True)(points))
        assert closed == dict.fromkeys([*wall, (8, 8, 4)], 15)

    def test_it_frees_and_relabels_nothing_and_ends_after_one_pass(self):
        points = random_set(frames=1, queries=150)
        before = occupied(build()(points))
        after = occupied(build(closing=True)(points))
        assert before.items() < after.items()
        surface = make_set(
            *[[(voxel, {label: 0.9})] for voxel, label in after.items()]
        )
        assert occupied(build(closing=True)(surface)) == after

    def test_at_the_border_it_behaves_as_inside(self):
        # A gap between two voxels of one row at the edge of the range.
        points = make_set([((0, 0, 0), {4: 0.9})], [((2, 0, 0), {4: 0.9})])
        inner = make_set([((5, 5, 5), {4: 0.9})], [((7, 5, 5), {4: 0.9})])
        assert (1, 0, 0) in occupied(build(closing=True)(points))
        assert set(occupied(build(closing=True)(inner))) == {
            (5, 5, 5),
            (6, 5, 5),
            (7, 5, 5),
        }

    def test_classes_close_on_their_own(self):
        points = make_set([((5, 5, 5), {4: 0.9})], [((7, 5, 5), {10: 0.9})])
        assert set(occupied(build(closing=True)(points))) == {
            (5, 5, 5),
            (7, 5, 5),
        }


def test_the_default_grid_is_occ3ds():
    decoder = MODELS.build(dict(type='PointSetDecoder'))
    points = PointSet(torch.zeros(1, 1, 1, 3), torch.full((1, 1, 1, 17), -9.0))
    points.logits[..., 11] = 9
    assert occupied(decoder(points)) == {(100, 100, 2): 11}
    assert not decoder.state_dict()


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="reduce='median'"):
        build(reduce='median')
    with pytest.raises(ValueError, match='3 values in score_thr'):
        build(score_thr=[0.5] * 3)(random_set())
