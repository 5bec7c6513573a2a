"""planning, from files to scores."""

import numpy as np
import pytest

from mmocc.evaluation.files import (
    ResultFileError,
    write_plan_truth,
    write_plans,
)
from mmocc.evaluation.functional import (
    PRESETS,
    Agents,
    MapLines,
    PlanSample,
    get_preset,
    preset_scores,
    tally_plan,
)
from mmocc.evaluation.tasks import TASKS, to_table

TOKENS = [f't{i}' for i in range(8)]
STREET = MapLines(
    [np.array([[-20.0, -6], [60, -6], [60, 6], [-20, 6]])], [False]
)


def make_samples(**changes):
    rng = np.random.default_rng(0)
    made = []
    for place, _ in enumerate(TOKENS):
        truth = np.cumsum(rng.normal([3, 0], [2, 0.4], (6, 2)), axis=0)
        now = np.column_stack(
            (rng.uniform([0, -5], [30, 5], (15, 2)), rng.uniform(-3, 3, 15))
        )
        agents = Agents(
            category=np.full(15, 'vehicle.car'),
            size=rng.uniform([3, 1.5], [5, 2.2], (15, 2)),
            now=now,
            future=np.repeat(now[:, None], 6, axis=1),
            future_mask=np.ones((15, 6), bool),
            has_points=np.ones((15, 6), bool),
            recently_seen=np.ones(15, bool),
        )
        values = {
            'mask': np.arange(6) < (6 if place else 3),
            'truth_yaw': np.zeros(6),
            'agents': agents,
            'drivable': STREET,
            'boundary': STREET,
            'frame_idx': 10 + place,
            'scene_length': 40,
        }
        plan = truth + rng.normal(size=(6, 2))
        made.append(PlanSample(plan, truth, **(values | changes)))
    return made


@pytest.fixture
def paths(tmp_path):
    return tmp_path / 'pred.npz', tmp_path / 'truth.npz'


def write(paths, samples, order=None, **settings):
    order = range(len(samples)) if order is None else order
    write_plans(
        paths[0],
        [TOKENS[i] for i in order],
        np.stack([samples[i].plan for i in order]),
        **settings,
    )
    write_plan_truth(paths[1], TOKENS, samples)


def test_every_preset_equals_the_functions(paths):
    samples = make_samples()
    write(paths, samples, [3, 1, 4, 0, 5, 2, 7, 6])
    result = TASKS['planning'].evaluate(*paths, ['all'])
    for name in PRESETS:
        preset = get_preset(name)
        total = tally_plan(samples[0], preset)
        for sample in samples[1:]:
            total = total + tally_plan(sample, preset)
        for subset in ('all', 'non_straight', 'stop_start'):
            column = name if subset == 'all' else f'{name}/{subset}'
            assert result.results[column] == pytest.approx(
                preset_scores(total[subset], preset), rel=1e-12
            )
        about = result.about[name]
        assert about['samples_of_nuscenes_val'] in (6019, 5119, 4819, 4219)
        assert set(about['published']) <= set(result.results[name])


def test_truth_as_prediction_is_perfect(paths):
    samples = [
        PlanSample(s.truth, s.truth, s.mask, agents=s.agents)
        for s in make_samples()
    ]
    write(paths, samples)
    scores = TASKS['planning'].evaluate(*paths, ['vad']).results['vad']
    assert scores['L2_mean_avg'] == scores['collision_mean_avg'] == 0
    assert (scores['samples'], scores['frames']) == (7, 8)


def test_l2_alone_needs_trajectories_only(paths):
    np.savez(paths[0], trajs=np.zeros((2, 6, 2)))
    np.savez(
        paths[1],
        trajs=np.tile([3.0, 4.0], (2, 6, 1)),
        mask=np.ones((2, 6), bool),
    )
    result = TASKS['planning'].evaluate(*paths)
    assert list(result.results) == ['l2', 'l2/non_straight', 'l2/stop_start']
    assert result.results['l2']['L2_at_1s'] == 5
    assert result.results['l2']['samples'] == 2


def test_ego_status_and_command_are_printed(paths):
    write(paths, make_samples(), ego_status='velocity', command='true future')
    table = to_table(TASKS['planning'].evaluate(*paths, ['uniad']))
    assert 'planner: velocity; navigation command: true future' in table
    assert 'published for the path of the lidar, measured on the' in table
    write(paths, make_samples())
    assert 'not stated' in to_table(TASKS['planning'].evaluate(*paths))


def test_published_read_outs_are_marked(paths):
    write(paths, make_samples())
    table = to_table(TASKS['planning'].evaluate(*paths, ['uniad', 'vad']))
    rows = {cells[0]: cells for cells in map(str.split, table.splitlines())}
    uniad, vad = rows['uniad'].index('uniad'), rows['uniad'].index('vad')
    for name, column in (('L2_at_3s', uniad), ('L2_mean_3s', vad)):
        marked = {i for i, c in enumerate(rows[name]) if c.endswith('*')}
        assert column + 1 in marked
        assert {uniad + 1, vad + 1} - marked != set()
    assert not any(c.endswith('*') for c in rows['L2_band_3s'])


@pytest.mark.parametrize(
    ('preset', 'missing', 'says'),
    [
        ('vad', 'agents', "truth.npz, sample t1: preset 'vad':.*agents"),
        ('stp3_admlp', 'truth_yaw', "sample t1: preset 'stp3_admlp'.*yaws"),
    ],
)
def test_what_a_preset_lacks_is_named(paths, preset, missing, says):
    write(paths, make_samples(**{missing: None}))
    with pytest.raises(ResultFileError, match=says):
        TASKS['planning'].evaluate(*paths, [preset])


def test_optional_agent_fields_are_asked_for_by_their_presets(paths):
    samples = make_samples()
    write(paths, samples)
    with np.load(paths[1]) as arrays:
        kept = {
            name: values
            for name, values in arrays.items()
            if name not in ('agent_has_points', 'agent_recently_seen')
        }
    np.savez(paths[1], **kept)
    TASKS['planning'].evaluate(*paths, ['uniad', 'vad', 'omnidrive'])
    for preset, field in (
        ('sparsedrive', 'agent_has_points'),
        ('stp3_admlp', 'agent_recently_seen'),
    ):
        with pytest.raises(ResultFileError, match=field):
            TASKS['planning'].evaluate(*paths, [preset])


def test_unparsed_plans_are_for_omnidrive_only(paths):
    valid = np.ones(len(TOKENS), bool)
    valid[2] = False
    write(paths, make_samples(), valid=valid)
    scores = TASKS['planning'].evaluate(*paths, ['omnidrive']).results
    assert scores['omnidrive']['skipped'] == 1
    assert scores['omnidrive']['samples'] == 6
    with pytest.raises(
        ResultFileError, match=r'pred\.npz, sample t2.*there is no plan'
    ):
        TASKS['planning'].evaluate(*paths, ['vad'])
