"""What a user says about the car, as an info file would say it."""

import numpy as np
import pytest

from mmocc.apis.ego_state import parse_ego_state, parse_past_actions
from mmocc.datasets import LoadEgoStatus, SampleError
from mmocc.structures import EGO_STATUS, MetaAction

POSES = [[-8, 0.4, 0.1], [-6, 0.2, 0.1], [-4, 0.1, 0], [-2, 0, 0]]


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ({'velocity': 5.0}, (5, 5, 0)),
        ({'velocity': [-3.0]}, (3, -3, 0)),
        ({'velocity': (3.0, 4.0)}, (5, 3, 4)),
        ({'vx': 3.0, 'vy': -4.0}, (5, 3, -4)),
        ({'vx': 3.0, 'speed': 3.5}, (3.5, 3, 0)),
    ],
)
def test_speed_and_velocity(given, expected):
    status = parse_ego_state('t', given)['status']
    assert tuple(status[k] for k in ('speed', 'vx', 'vy')) == expected
    unknown = [name for name in EGO_STATUS if np.isnan(status[name])]
    assert unknown == ['ax', 'ay', 'yaw_rate', 'steer']


def test_pipeline_reads_it():
    ego = parse_ego_state(
        't',
        {
            'velocity': 4.0,
            'yaw_rate': 0.1,
            'his_poses': [[np.nan] * 3, *POSES[1:]],
            'his_mask': [False, True, True, True],
        },
    )
    loaded = LoadEgoStatus(allow_missing=True)({'token': 't', 'ego': ego})
    loaded = loaded['gt_ego']
    np.testing.assert_allclose(loaded['status'], [4, 4, 0, 0, 0, 0.1, 0])
    np.testing.assert_allclose(loaded['his_trajs'][1:], POSES[1:], atol=1e-6)
    assert loaded['his_masks'].tolist() == [False, True, True, True]
    assert not loaded['his_trajs'][0].any() and not loaded['fut_masks'].any()


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({}, "no 'velocity'"),
        ({'yaw_rate': 0.1}, "no 'velocity' among .'yaw_rate'"),
        ({'velocity': 5, 'heading': 1}, "keys .'heading'.*his_poses"),
        ({'velocity': float('nan')}, 'velocity = nan'),
        ({'velocity': [1, 2, 3]}, r'finite numbers of shape'),
        ({'velocity': 'fast'}, "velocity = 'fast'"),
        ({'velocity': 1, 'steer': [1, 2]}, 'steer'),
        ({'velocity': 1, 'his_poses': POSES[1:]}, r'shape \(3, 3\)'),
        ({'velocity': 1, 'his_poses': np.full((4, 3), np.nan)}, '12 values'),
        (
            {'velocity': 1, 'his_poses': POSES, 'his_mask': [True]},
            r'his_mask of shape \(1,\)',
        ),
    ],
)
def test_malformed_state(given, message):
    with pytest.raises(SampleError, match=message) as error:
        parse_ego_state('mine', given)
    assert 'sample mine' in str(error.value)


def test_past_actions_in_three_spellings():
    parsed = parse_past_actions(
        't',
        [
            MetaAction('Accelerate', 'Stop'),
            ['Decelerate', 'Turn Left'],
            'maintain speed, go straight.',
        ],
    )
    assert [tuple(action.values()) for action in parsed] == [
        ('Accelerate', 'Stop'),
        ('Decelerate', 'Turn Left'),
        ('Maintain speed', 'Go Straight'),
    ]


@pytest.mark.parametrize(
    'action', ['fly', '', ('Accelerate', 'Fly'), ('Accelerate',)]
)
def test_malformed_past_action(action):
    with pytest.raises(SampleError, match='Change Lane Left'):
        parse_past_actions('t', [action])
