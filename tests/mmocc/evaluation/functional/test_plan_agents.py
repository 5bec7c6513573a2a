"""Which boxes each protocol counts."""

import numpy as np
import pytest

from mmocc.evaluation.functional import Agents
from mmocc.evaluation.functional.plan_agents import (
    detected_from_now,
    detected_vehicles,
    near_from_now,
    recently_seen,
    vehicles_from_now,
    with_points,
)

RULES = {
    'uniad': detected_vehicles,
    'omnidrive': vehicles_from_now,
    'occworld': detected_from_now,
    'vad': near_from_now,
    'stp3': recently_seen,
    'sparsedrive': with_points,
}


def agent(
    category='vehicle.car', now=(5.0, 0.0, 0.0), mask=None, points=True, seen=1
):
    mask = np.ones(6, dtype=bool) if mask is None else np.array(mask, bool)
    return Agents(
        category=np.array([category]),
        size=np.array([[4.0, 2.0]]),
        now=np.array([now], dtype=float),
        future=np.where(mask[:, None], [5.0, 0.0, 0.0], np.nan)[None],
        future_mask=mask[None],
        has_points=np.full((1, 6), points),
        recently_seen=np.array([seen], dtype=bool),
    )


def counted_by(agents):
    return {name for name, rule in RULES.items() if rule(agents).all()}


@pytest.mark.parametrize(
    ('category', 'rules'),
    [
        ('vehicle.car', set(RULES)),
        ('vehicle.bus.rigid', set(RULES)),
        ('vehicle.bicycle', set(RULES)),
        # No class of the detection task.
        ('vehicle.emergency.police', {'omnidrive', 'stp3', 'sparsedrive'}),
        (
            'human.pedestrian.adult',
            {'occworld', 'vad', 'stp3', 'sparsedrive'},
        ),
        ('human.pedestrian.stroller', {'stp3', 'sparsedrive'}),
        ('movable_object.barrier', {'sparsedrive'}),
        ('movable_object.trafficcone', {'sparsedrive'}),
        ('animal', {'sparsedrive'}),
    ],
)
def test_categories(category, rules):
    assert counted_by(agent(category)) == rules


def test_late_arrivals_count_only_where_nobody_asks_for_the_present():
    late = agent(now=[np.nan] * 3)
    assert counted_by(late) == {'uniad', 'stp3', 'sparsedrive'}


def test_rolling_forward_ends_at_the_first_gap():
    gap = agent(mask=[1, 1, 0, 1, 1, 1])
    assert vehicles_from_now(gap).tolist() == [[True, True] + [False] * 4]
    assert detected_vehicles(gap).tolist() == [
        [True, True, False, True, True, True]
    ]


@pytest.mark.parametrize(
    ('now', 'near'),
    [
        ((30.0, 15.0, 0.0), True),
        ((-30.0, -15.0, 0.0), True),
        ((30.1, 0.0, 0.0), False),
        ((0.0, 15.1, 0.0), False),
    ],
)
def test_vad_looks_30_m_along_and_15_m_across(now, near):
    assert near_from_now(agent(now=now)).all() == near


def test_points_and_visibility():
    assert 'sparsedrive' not in counted_by(agent(points=False))
    assert 'stp3' not in counted_by(agent(seen=0))


def test_nothing_around_is_a_set_too():
    nobody = Agents(
        np.array([], dtype=str),
        np.zeros((0, 2)),
        np.zeros((0, 3)),
        np.zeros((0, 6, 3)),
        np.zeros((0, 6), dtype=bool),
        np.zeros((0, 6), dtype=bool),
        np.zeros(0, dtype=bool),
    )
    for rule in RULES.values():
        assert rule(nobody).shape == (0, 6)


def test_shifting_the_origin_moves_every_box():
    moved = agent().shifted(0.9437)
    assert moved.now[0].tolist() == [5.0 - 0.9437, 0.0, 0.0]
    assert moved.future[0, 3].tolist() == [5.0 - 0.9437, 0.0, 0.0]


@pytest.mark.parametrize(
    ('changes', 'says'),
    [
        ({'category': np.array(['car'])}, "'car'.*no categories of nuScenes"),
        ({'category': np.array(['17'])}, 'no categories'),
        ({'size': np.zeros((1, 2))}, 'positive metres'),
        ({'size': np.ones((1, 3))}, r'size of 1 agents has shape \(1, 3\)'),
        ({'future': np.full((1, 6, 3), np.nan)}, 'not finite'),
    ],
)
def test_bad_agents_are_refused(changes, says):
    good = agent()
    values = {
        name: getattr(good, name)
        for name in ('category', 'size', 'now', 'future', 'future_mask')
    }
    with pytest.raises(ValueError, match=says):
        Agents(**(values | changes))


@pytest.mark.parametrize(
    ('rule', 'field'),
    [(recently_seen, 'recently_seen'), (with_points, 'has_points')],
)
def test_what_a_rule_needs_is_named(rule, field):
    good = agent()
    bare = Agents(
        good.category, good.size, good.now, good.future, good.future_mask
    )
    with pytest.raises(ValueError, match=f'agent_{field}'):
        rule(bare)
