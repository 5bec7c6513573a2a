"""Planning presets in worlds small enough to work out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mmocc.evaluation.functional import (
    PRESETS,
    SAMPLES_OF_VAL,
    SUBSETS,
    Agents,
    MapLines,
    PlanSample,
    PlanTallies,
    get_preset,
    planning_scores,
    planning_sums,
    preset_scores,
    published_columns,
    tally_plan,
)
from mmocc.evaluation.functional.plan_presets import (
    carried_point,
    counts_as_sample,
    subsets_of,
)

ALL = np.ones(6, dtype=bool)
# 8 m/s straight ahead.
DRIVE = np.stack([4.0 * np.arange(1, 7), np.zeros(6)], axis=-1)
PARKED = np.zeros((6, 2))
WITH_BOXES = [name for name in PRESETS if name != 'l2']


def parked_cars(*places, category='vehicle.car'):
    """Cars of 4 x 2 m that stand at places (ahead, left) all the time."""
    now = np.array([(x, y, 0.0) for x, y in places]).reshape(-1, 3)
    count = len(now)
    return Agents(
        category=np.full(count, category),
        size=np.tile([4.0, 2.0], (count, 1)),
        now=now,
        future=np.repeat(now[:, None], 6, axis=1),
        future_mask=np.ones((count, 6), dtype=bool),
        has_points=np.ones((count, 6), dtype=bool),
        recently_seen=np.ones(count, dtype=bool),
    )


def sample(plan=DRIVE, truth=DRIVE, **changes):
    values = {
        'mask': ALL,
        'truth_yaw': np.zeros(6),
        'agents': parked_cars(),
        'frame_idx': 10,
        'scene_length': 40,
    }
    return PlanSample(plan=plan, truth=truth, **(values | changes))


def scores(samples, name, subset='all'):
    preset = get_preset(name)
    total = tally_plan(samples[0], preset)
    for one in samples[1:]:
        total = total + tally_plan(one, preset)
    return preset_scores(total[subset], preset)


def columns(result, family):
    return [result[f'{family}_{second}s'] for second in (1, 2, 3)]


@pytest.mark.parametrize('name', list(PRESETS))
def test_truth_as_prediction_is_perfect(name):
    result = scores([sample(agents=parked_cars((10.0, 0.0)))], name)
    assert result['samples'] == 1
    for key, value in result.items():
        if key.startswith(('L2', 'collision', 'boundary')):
            assert value == 0, key


@pytest.mark.parametrize('name', list(PRESETS))
def test_l2_equals_the_plain_sums(name):
    rng = np.random.default_rng(0)
    samples, plans, truths = [], [], []
    for _ in range(5):
        plan, truth = rng.normal(size=(2, 6, 2))
        samples.append(sample(plan, truth))
        plans.append(plan)
        truths.append(truth)
    expected = planning_scores(
        planning_sums(np.stack(plans), np.stack(truths), np.tile(ALL, (5, 1)))
    )
    result = scores(samples, name)
    for key in expected:
        if key.startswith('L2'):
            assert result[key] == pytest.approx(expected[key], abs=1e-12)


@pytest.mark.parametrize('name', WITH_BOXES)
def test_driving_into_a_parked_car_is_a_collision(name):
    # The truth stops; the plan goes on to 4, 8, ... 24 m. The vehicle's
    # centre is 1.44 m ahead of its origin (0.5 m for ST-P3), so it meets a
    # car of 4 m at 19.4 m where it is 14 to 22 m on: at 16 and at 20 m.
    result = scores(
        [sample(truth=PARKED, agents=parked_cars((19.4, 0.0)))], name
    )
    assert columns(result, 'collision_at') == [0, 100, 0]
    assert columns(result, 'collision_mean') == [
        0,
        25,
        pytest.approx(100 * 2 / 6),
    ]
    assert columns(result, 'collision_any') == [0, 100, 100]
    assert result['collision_any_avg'] == pytest.approx(200 / 3)
    assert result['truth_collision_mean_3s'] == 0


@pytest.mark.parametrize('name', WITH_BOXES)
def test_steps_at_which_the_truth_collides_are_not_scored(name):
    result = scores([sample(agents=parked_cars((19.4, 0.0)))], name)
    assert result['collision_mean_3s'] == result['collision_any_3s'] == 0
    assert columns(result, 'truth_collision_at') == [0, 100, 0]
    assert columns(result, 'truth_collision_any') == [0, 100, 100]
    assert result['samples'] == 1


@pytest.mark.parametrize('name', WITH_BOXES)
def test_a_car_beside_is_no_collision(name):
    # 3.5 m to the left; half widths are 0.925 and 1 m.
    result = scores(
        [sample(truth=PARKED, agents=parked_cars((19.4, 3.5)))], name
    )
    assert result['collision_any_3s'] == 0


def test_published_read_outs():
    assert published_columns(PRESETS['uniad'])[:4] == (
        'L2_at_1s',
        'L2_at_2s',
        'L2_at_3s',
        'L2_at_avg',
    )
    assert 'collision_at_avg' in published_columns(PRESETS['uniad'])
    for name in ('vad', 'stp3_admlp', 'sparsedrive'):
        assert 'L2_mean_avg' in published_columns(PRESETS[name])
        assert 'collision_mean_3s' in published_columns(PRESETS[name])
    for name in ('omnidrive', 'bevplanner'):
        assert 'collision_any_3s' in published_columns(PRESETS[name])
        assert 'boundary_any_3s' in published_columns(PRESETS[name])
    assert published_columns(PRESETS['l2']) == (
        'L2_mean_1s',
        'L2_mean_2s',
        'L2_mean_3s',
        'L2_mean_avg',
    )


def short(steps=3, **changes):
    """A frame whose future ends early; the rest is NaN."""
    mask = np.arange(6) < steps
    truth = np.where(mask[:, None], DRIVE, np.nan)
    plan = DRIVE + np.array([0.0, 1.0])
    return sample(plan, truth, mask=mask, truth_yaw=None, **changes)


def test_uniad_counts_missing_steps_as_no_error_and_no_collision():
    # The plan runs into a car at its fifth step, which does not exist.
    ran_into = short(agents=parked_cars((20.0, 1.0)))
    result = scores([ran_into], 'uniad')
    assert (result['samples'], result['frames']) == (1, 1)
    assert columns(result, 'L2_at') == [1, 0, 0]
    assert columns(result, 'L2_mean') == [1, 0.75, 0.5]
    assert result['collision_any_3s'] == 0
    assert result['truth_collision_any_3s'] == 0
    # Were the truth there, it would be one.
    there = replace(ran_into, mask=ALL, truth=PARKED)
    assert scores([there], 'uniad')['collision_any_3s'] == 100


@pytest.mark.parametrize('name', [name for name in PRESETS if name != 'uniad'])
def test_other_presets_leave_short_futures_out(name):
    result = scores([short(), sample()], name)
    assert (result['samples'], result['frames']) == (1, 2)
    assert result['L2_mean_3s'] == 0
    assert set(scores([short()], name)) == {'samples', 'frames', 'skipped'}


def test_sample_rules_count_nuscenes_val():
    lengths = [40] * 131 + [41] * 19
    counted = dict.fromkeys(SAMPLES_OF_VAL, 0)
    for length in lengths:
        for frame in range(length):
            later = min(6, length - 1 - frame)
            one = sample(
                mask=np.arange(6) < later,
                frame_idx=frame,
                scene_length=length,
            )
            for rule in counted:
                counted[rule] += counts_as_sample(one, rule)
    assert counted == SAMPLES_OF_VAL
    assert SAMPLES_OF_VAL == {
        'all': 6019,
        'complete': 5119,
        'with_past': 4819,
        'window': 4219,
    }


@pytest.mark.filterwarnings('error')
def test_headings_of_missing_steps_are_not_read():
    ended = short(agents=parked_cars((20.0, 1.0)))
    yaw = np.where(ended.mask, 0.0, np.nan)
    turned = replace(ended, truth_yaw=yaw, plan_yaw=np.zeros(6))
    assert scores([turned], 'uniad') == scores([ended], 'uniad')


@pytest.mark.parametrize(
    ('name', 'changes', 'says'),
    [
        ('stp3_admlp', {'frame_idx': -1}, '"frame_idx"'),
        ('occworld', {'scene_length': -1}, '"scene_length"'),
        ('vad', {'agents': None}, 'needs the boxes of agents'),
        ('stp3_admlp', {'truth_yaw': None}, '"yaws"'),
        ('vad', {'plan': None}, 'there is no plan'),
        ('l2', {'plan': np.full((6, 2), np.nan)}, 'NaN or infinite'),
        ('l2', {'plan': np.zeros((5, 2))}, r'expected \(N, 6, 2\)'),
        ('l2', {'truth': np.full((6, 2), np.inf)}, 'mask declares valid'),
        ('l2', {'truth_yaw': np.full(6, np.nan)}, 'heading is not finite'),
    ],
)
def test_what_is_missing_or_broken_is_named(name, changes, says):
    with pytest.raises(ValueError, match=says):
        tally_plan(replace(sample(), **changes), get_preset(name))


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="'nuplan', expected one of"):
        get_preset('nuplan')


def test_omnidrive_leaves_unparsed_plans_out_of_both_sides():
    result = scores([sample(plan=None), sample()], 'omnidrive')
    assert (result['samples'], result['skipped']) == (1, 1)
    assert result['L2_mean_3s'] == 0


def test_stationary_ego_is_an_ordinary_sample():
    result = scores([sample(PARKED, PARKED)], 'sparsedrive')
    assert result['samples'] == 1
    assert result['L2_mean_avg'] == 0


def test_far_plans_are_scored_at_the_edge_of_the_grid():
    """A plan that leaves the grid meets what stands at its edge."""
    far = np.tile([1000.0, 0.0], (6, 1))
    wall = parked_cars((49.0, 0.0))
    for name in WITH_BOXES:
        if name == 'vad':
            continue  # which does not see that far
        result = scores([sample(far, PARKED, agents=wall)], name)
        assert result['L2_at_1s'] > 900
        on_grid = name != 'sparsedrive'
        assert result['collision_any_3s'] == (100 if on_grid else 0)


def test_obstacles_stand_where_the_preset_s_origin_sees_them():
    # The gap between the vehicle's front and the car is 0.2 m, measured from
    # the ego origin: the front is 0.9437 + 2.542 m ahead of it.
    gap = parked_cars((0.9437 + 2.542 + 0.2 + 2.0, 0.0))
    crash = parked_cars((0.9437 + 2.542 - 0.2 + 2.0, 0.0))
    near = np.tile([0.0, 0.0], (6, 1))
    for agents, hit in ((gap, 0), (crash, 100)):
        ego = sample(near, PARKED - [50, 0], agents=agents)
        assert scores([ego], 'sparsedrive')['collision_at_1s'] == hit
        lidar = replace(ego, frame='lidar', agents=agents.shifted(0.9437))
        assert scores([lidar], 'sparsedrive')['collision_at_1s'] == hit


def test_stp3_keeps_boxes_at_the_ego_origin():
    """Its vehicle stands 0.94 m too far back among its boxes."""
    front = 0.9437 + 2.542
    crash = sample(
        PARKED, PARKED - [50, 0], agents=parked_cars((front + 1.5, 0.0))
    )
    assert scores([crash], 'uniad')['collision_at_1s'] == 100
    assert scores([crash], 'stp3_admlp')['collision_at_1s'] == 0


def test_trajectories_of_the_other_origin_need_headings():
    # A quarter turn to the left on the spot of the ego origin: the LiDAR,
    # 0.9437 m ahead, moves back and to the left by as much.
    moved = carried_point(np.zeros((1, 2)), np.array([np.pi / 2]), 0.9437)
    assert moved[0] == pytest.approx([-0.9437, 0.9437])
    turn = sample(
        PARKED,
        PARKED,
        plan_yaw=np.full(6, np.pi / 2),
        truth_yaw=np.zeros(6),
    )
    apart = scores([turn], 'sparsedrive')['L2_at_1s']
    assert apart == pytest.approx(0.9437 * np.sqrt(2))
    assert scores([turn], 'omnidrive')['L2_at_1s'] == 0
    unknown = replace(turn, plan_yaw=None)
    assert scores([unknown], 'sparsedrive')['L2_at_1s'] == 0


def test_subsets_of_a_drive():
    left = DRIVE.copy()
    left[-1, 1] = 2.0
    assert subsets_of(left, ALL) == ('all', 'non_straight')
    left[-1, 1] = 1.99
    assert subsets_of(left, ALL) == ('all',)
    # 0.24 m in the first half second is 0.48 m/s: it starts.
    start = np.cumsum([[0.24, 0], [1, 0], [2, 0], [2, 0], [2, 0], [2, 0]], 0)
    assert subsets_of(start, ALL) == ('all', 'stop_start')
    assert subsets_of(start[::-1] * 0, ALL) == ('all',)
    stop = np.cumsum([[3, 0], [2, 0], [1, 0], [0.3, 0], [0.1, 0], [0, 0]], 0)
    assert subsets_of(stop, ALL) == ('all', 'stop_start')
    assert subsets_of(stop, np.arange(6) < 3) == ('all',)
    assert subsets_of(np.full((6, 2), np.nan), ~ALL) == ('all',)


def test_subsets_are_scored_with_their_own_count():
    turning = DRIVE + np.linspace(0, 3, 6)[:, None] * [0, 1]
    samples = [sample(), sample(turning + np.array([0, 1]), turning)]
    result = scores(samples, 'l2', 'non_straight')
    assert (result['samples'], result['L2_at_3s']) == (1, 1.0)
    assert scores(samples, 'l2')['L2_at_3s'] == 0.5
    assert scores(samples, 'l2', 'stop_start') == {
        'samples': 0,
        'frames': 0,
        'skipped': 0,
    }


STREET = MapLines(
    [np.array([[-20.0, -4], [60, -4], [60, 4], [-20, 4]])], [False]
)
KERB = MapLines([np.array([[-20.0, 4], [60, 4]])], [False])
OFF = DRIVE + np.array([[0, 0], [0, 0], [0, 0], [0, 4], [0, 4], [0, 4.0]])


def test_boundary_of_omnidrive_counts_any_step():
    result = scores([sample(OFF, drivable=STREET)], 'omnidrive')
    assert columns(result, 'boundary_any') == [0, 100, 100]
    assert columns(result, 'truth_boundary_any') == [0, 0, 0]
    # A frame that stands off the road already is never a hit.
    narrow = MapLines([STREET.lines[0] * [1, 0.1]], [False])
    result = scores([sample(OFF, drivable=narrow)], 'omnidrive')
    assert columns(result, 'boundary_any') == [0, 0, 0]
    assert result['samples'] == 1


def test_boundary_of_bevplanner_leaves_the_truth_s_steps_out():
    result = scores([sample(OFF, boundary=KERB)], 'bevplanner')
    assert columns(result, 'boundary_any') == [0, 100, 100]
    result = scores([sample(OFF, OFF, boundary=KERB)], 'bevplanner')
    assert columns(result, 'boundary_any') == [0, 0, 0]
    assert columns(result, 'truth_boundary_any') == [0, 100, 100]


def test_boundary_is_left_out_unless_every_sample_has_a_map():
    known = sample(drivable=STREET, boundary=KERB)
    for name in ('omnidrive', 'bevplanner'):
        assert 'boundary_any_3s' in scores([known, known], name)
        assert 'boundary_any_3s' not in scores([known, sample()], name)
    assert 'boundary_any_3s' not in scores([known], 'vad')


def random_samples(count=12):
    rng = np.random.default_rng(3)
    made = []
    for _ in range(count):
        mask = np.arange(6) < rng.integers(3, 8)
        truth = np.cumsum(rng.normal([3, 0], [2, 0.5], (6, 2)), axis=0)
        made.append(
            sample(
                truth + rng.normal(size=(6, 2)),
                np.where(mask[:, None], truth, np.nan),
                mask=mask,
                agents=parked_cars(*rng.uniform([0, -4], [30, 4], (20, 2))),
                drivable=STREET,
                boundary=KERB,
            )
        )
    return made


@pytest.mark.parametrize('name', list(PRESETS))
def test_order_and_grouping_do_not_matter(name):
    preset = get_preset(name)
    tallies = [tally_plan(one, preset) for one in random_samples()]
    forward, backward = tallies[0], tallies[-1]
    for one in tallies[1:]:
        forward = forward + one
    for one in tallies[-2::-1]:
        backward = backward + one
    halves = sum(tallies[1:6], tallies[0]) + sum(tallies[7:], tallies[6])
    assert isinstance(halves, PlanTallies)
    for subset in SUBSETS:
        expected = preset_scores(forward[subset], preset)
        for other in (backward, halves):
            assert preset_scores(other[subset], preset) == pytest.approx(
                expected, rel=1e-12
            )


def test_presets_disagree_on_the_same_plans():
    """Why rows of different presets must not be compared."""
    found = {
        name: scores(random_samples(), name)['collision_any_3s']
        for name in WITH_BOXES
    }
    assert len(set(found.values())) > 2
