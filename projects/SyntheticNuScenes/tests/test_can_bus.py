import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.can_bus import (
    monitor_messages,
    pose_messages,
    steer_messages,
)

STAMP = 1_500_000_000_000_000


@pytest.fixture(scope='module')
def drive(stages):
    stage = stages['left_turn']
    return stage.cast, float(stage.times[0]), float(stage.times[-1])


def test_pose_messages_are_consistent_in_themselves(drive):
    messages = pose_messages(*drive, STAMP)
    assert list(messages[0]) == sorted(messages[0])
    times = np.array([m['utime'] for m in messages]) / 1e6
    np.testing.assert_allclose(np.diff(times), 0.02, atol=1e-6)
    place = np.array([m['pos'][:2] for m in messages])
    speed = np.array([m['vel'][0] for m in messages])
    moved = np.linalg.norm(np.diff(place, axis=0), axis=1) / 0.02
    np.testing.assert_allclose(moved, speed[1:], atol=0.15)
    quaternion = np.array([m['orientation'] for m in messages])
    yaw = np.unwrap(2 * np.arctan2(quaternion[:, 3], quaternion[:, 0]))
    rate = np.array([m['rotation_rate'][2] for m in messages])
    turned = np.gradient(yaw, 0.02)
    assert np.corrcoef(turned, rate)[0, 1] > 0.98
    assert yaw[-1] - yaw[0] > np.radians(60)


def test_first_key_frame_has_the_given_timestamp(drive):
    cast, first, _ = drive
    message = next(
        m for m in pose_messages(*drive, STAMP) if m['utime'] == STAMP
    )
    pose, _ = cast.simulation.state(cast.agents[0], first)
    np.testing.assert_allclose(message['pos'][:2], pose[:2], atol=1e-5)


def test_steering_is_positive_to_the_left(drive):
    values = np.array([m['value'] for m in steer_messages(*drive, STAMP)])
    assert 1.0 < values.max() < 8.0
    assert values.min() > -0.3


def test_monitor_reports_kilometres_and_the_indicator(drive):
    messages = monitor_messages(*drive, STAMP)
    assert 20 < messages[0]['vehicle_speed'] < 45
    assert any(m['left_signal'] for m in messages)
    assert not any(m['right_signal'] for m in messages)
