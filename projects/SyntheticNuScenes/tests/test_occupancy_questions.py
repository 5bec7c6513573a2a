"""Answers worked out by hand on a few voxels.

The car's middle is at x = 1.26 m; its bumpers are 2.04 m before and behind
it, its doors 0.865 m to the sides. Voxels are 0.4 m wide, the ground is layer
2, centred at 0 m.
"""

from collections import Counter

import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.occupancy_questions import (
    KINDS,
    NOTHING,
    OccupancyQuestioner,
    band,
    candidates,
    distances,
    free_way,
    nearest_in,
    sides_with,
    visible_voxels,
)
from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid

GRID = OccGrid()


def grid(*things, ground='driveable_surface'):
    """Flat ground with things: (class, x, y, z) of single voxels."""
    semantics = np.full(GRID.shape, FREE, np.uint8)
    semantics[:, :, 2] = OCC3D_CLASSES.index(ground)
    for name, *place in things:
        index, inside = GRID.to_index(np.array(place))
        assert inside
        semantics[tuple(index)] = OCC3D_CLASSES.index(name)
    return semantics


def seen(*things, hidden=()):
    semantics = grid(*things)
    mask = np.ones(GRID.shape, np.uint8)
    for place in hidden:
        index, _ = GRID.to_index(np.array(place))
        mask[tuple(index)] = 0
    return visible_voxels(semantics, mask)


def test_free_way_ends_at_the_first_voxel_in_the_lane():
    car = ('car', 13.3, 0.5, 1.0)  # its voxel is centred at x = 13.4
    beside = ('truck', 8.0, 3.0, 1.0)
    voxels = seen(car, beside)
    assert free_way(voxels, 'ahead') == pytest.approx(13.4 - 1.26 - 2.04)
    assert free_way(voxels, 'behind') == np.inf
    left = free_way(voxels, 'ahead', 3.5)
    assert left == pytest.approx(8.2 - 1.26 - 2.04)
    assert free_way(voxels, 'ahead', -3.5) == np.inf
    right = seen(('barrier', 1.3, -4.1, 0.5))  # centred at y = -4.2
    gap = free_way(right, 'to the right')
    assert gap == pytest.approx(4.2 - 1.73 / 2)
    assert free_way(right, 'to the left') == np.inf


def test_what_hangs_above_or_is_flat_is_not_in_the_way():
    canopy = ('vegetation', 9.0, 0.0, 3.5)
    island = ('other_flat', 9.0, 0.0, 0.0)
    assert free_way(seen(canopy, island), 'ahead') == np.inf
    low = ('vegetation', 9.0, 0.0, 1.9)
    assert free_way(seen(low), 'ahead') < 10


def test_what_no_camera_sees_does_not_count():
    place = (9.0, 0.0, 1.0)
    assert free_way(seen(('car', *place)), 'ahead') < 10
    hidden = seen(('car', *place), hidden=[place])
    assert free_way(hidden, 'ahead') == np.inf


def test_distance_to_the_nearest_of_each_class():
    voxels = seen(('car', 13.3, 0.5, 1.0), ('car', 20.0, 9.0, 1.0))
    away = distances(voxels)
    assert set(away) == {'car'}
    assert away['car'] == pytest.approx(np.hypot(13.4 - 1.26, 0.6))
    asked = dict(candidates('distance', voxels))
    assert asked['How far away is the nearest car?'] == '10 to 20 m'
    assert asked['How far away is the nearest bus?'] == NOTHING


def test_the_nearest_thing_of_each_quarter():
    voxels = seen(
        ('pedestrian', 8.0, 3.0, 1.0),
        ('car', 6.0, 0.0, 1.0),
        ('manmade', -1.0, 9.0, 1.0),
    )
    assert nearest_in(voxels, 'ahead') == 'car'
    assert nearest_in(voxels, 'to the left') == 'manmade structure'
    assert nearest_in(voxels, 'behind') == NOTHING


def wall(y, columns=10, layers=7):
    """Manmade voxels along the car: ``columns`` x ``layers``."""
    return [
        ('manmade', 0.2 + 0.4 * i, y, 0.4 + 0.4 * k)
        for i in range(columns)
        for k in range(layers)
    ]


def test_sides_by_the_number_of_voxels():
    def side(*things, reach=14.0):
        return sides_with(seen(*things), 'manmade', 60, reach)

    assert side(*wall(9.0)) == 'left'
    assert side(*wall(-9.0)) == 'right'
    assert side(*wall(9.0), *wall(-9.0)) == 'both sides'
    assert side(*wall(9.0), reach=8.0) == 'neither side'
    # A post is no building.
    assert side(*wall(9.0, columns=1)) == 'neither side'


def test_ground_level_is_found_not_assumed():
    """Real labels have the road at layer 0."""
    semantics = grid(('car', 13.3, 0.5, 1.0))
    lowered = np.full_like(semantics, FREE)
    lowered[:, :, :-2] = semantics[:, :, 2:]
    mask = np.ones_like(semantics)
    ways = [
        free_way(visible_voxels(labels, mask), 'ahead')
        for labels in (semantics, lowered)
    ]
    assert ways[0] == ways[1] < 20


@pytest.mark.parametrize(
    ('metres', 'word'),
    [(0, 'less than 5 m'), (5, '5 to 10 m'), (np.inf, 'more than 20 m')],
)
def test_bands(metres, word):
    assert band(metres) == word


def test_answers_are_balanced_and_true():
    rng = np.random.default_rng(0)
    asker = OccupancyQuestioner(np.random.default_rng(1))
    mask = np.ones(GRID.shape, np.uint8)
    answers = {kind: Counter() for kind in KINDS}
    for _ in range(20):
        things = [
            (
                str(rng.choice(['car', 'pedestrian', 'manmade', 'truck'])),
                *rng.normal((1, 0, 1.0), (9, 9, 0.1)),
            )
            for _ in range(30)
        ]
        semantics = grid(*things)
        voxels = visible_voxels(semantics, mask)
        asked = asker.ask(semantics, mask)
        assert len({entry['question'] for entry in asked}) == len(asked)
        for entry in asked:
            kind = entry['template_type']
            pair = (entry['question'], entry['answer'])
            assert pair in candidates(kind, voxels)
            answers[kind][entry['answer']] += 1
    for kind in ('free_space', 'nearest', 'distance'):
        most = max(answers[kind].values())
        assert most <= 0.45 * answers[kind].total(), answers[kind]


def test_same_seed_same_questions():
    semantics = grid(('car', 13.3, 0.5, 1.0), *wall(9.0))
    mask = np.ones(GRID.shape, np.uint8)
    first, second = (
        OccupancyQuestioner(np.random.default_rng(7)).ask(semantics, mask)
        for _ in range(2)
    )
    assert first == second
