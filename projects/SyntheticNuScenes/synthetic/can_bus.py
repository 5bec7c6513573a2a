"""CAN bus messages of the ego car, in nuScenes' files."""

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    pose_matrix,
    quaternion,
)
from mmocc.projects.SyntheticNuScenes.synthetic.population import Cast

POSE_HZ, STEER_HZ, MONITOR_HZ = 50, 50, 2
WHEELBASE = 2.588  # metres
STEERING_RATIO = 14.0  # steering wheel turns for each turn of the wheels
_GRAVITY = 9.81
_MARGIN = 0.3  # s before the first and after the last key frame
_SIGNAL_AHEAD = 3.0  # s that an indicator shines before a manoeuvre
_MICRO = 1_000_000
_DIGITS = 6


def _rounded(message: dict) -> dict:
    """Round the floats of a message to ``_DIGITS``; keys keep their order."""

    def cut(value: object) -> object:
        if isinstance(value, list):
            return [cut(item) for item in value]
        return round(value, _DIGITS) if isinstance(value, float) else value

    return {key: cut(value) for key, value in message.items()}


def _motion(cast: Cast, times: np.ndarray) -> tuple[np.ndarray, ...]:
    ego = cast.agents[0]
    s = cast.simulation.progress(ego, times)
    poses = ego.track.poses(s)
    speed = np.interp(times, cast.simulation.times, ego.v)
    accel = np.interp(times, cast.simulation.times, ego.a)
    return s, poses, speed, accel, ego.track.curvature_at(s)


def _clock(first: float, last: float, rate: int) -> np.ndarray:
    count = round((last - first + 2 * _MARGIN) * rate) + 1
    return first - _MARGIN + np.arange(count) / rate


def _stamps(times: np.ndarray, first: float, stamp: int) -> list[int]:
    return [stamp + round((t - first) * _MICRO) for t in times]


def pose_messages(
    cast: Cast, first: float, last: float, stamp: int
) -> list[dict]:
    """``pose`` at 50 Hz; keys are sorted, as readers rely on their order.

    Args:
        cast (Cast): Simulated agents.
        first, last (float): Clock of the first and the last key frame, s.
        stamp (int): Timestamp of the first key frame, microseconds.
    """
    times = _clock(first, last, POSE_HZ)
    _, poses, speed, accel, bend = _motion(cast, times)
    messages = []
    for i, utime in enumerate(_stamps(times, first, stamp)):
        x, y, yaw = poses[i]
        messages.append(
            {
                'accel': [
                    float(accel[i]),
                    float(speed[i] ** 2 * bend[i]),
                    _GRAVITY,
                ],
                'orientation': quaternion(pose_matrix(x, y, yaw)[:3, :3]),
                'pos': [float(x), float(y), 0.0],
                'rotation_rate': [0.0, 0.0, float(speed[i] * bend[i])],
                'utime': utime,
                'vel': [float(speed[i]), 0.0, 0.0],
            }
        )
    return [_rounded(message) for message in messages]


def steer_messages(
    cast: Cast, first: float, last: float, stamp: int
) -> list[dict]:
    """``steeranglefeedback``: angle of the steering wheel, rad, + left."""
    times = _clock(first, last, STEER_HZ)
    bend = _motion(cast, times)[4]
    angle = STEERING_RATIO * np.arctan(WHEELBASE * bend)
    return [
        _rounded({'utime': utime, 'value': float(angle[i])})
        for i, utime in enumerate(_stamps(times, first, stamp))
    ]


def monitor_messages(
    cast: Cast, first: float, last: float, stamp: int
) -> list[dict]:
    """``vehicle_monitor`` at 2 Hz: speed, pedals, indicators."""
    times = _clock(first, last, MONITOR_HZ)
    s, _, speed, accel, bend = _motion(cast, times)
    angle = np.degrees(STEERING_RATIO * np.arctan(WHEELBASE * bend))
    messages = []
    for i, utime in enumerate(_stamps(times, first, stamp)):
        left, right = _indicators(cast, float(s[i]), float(speed[i]))
        messages.append(
            {
                'available_distance': 200,
                'battery_level': 80,
                'brake': int(np.clip(-accel[i] * 12, 0, 126)),
                'brake_switch': 2 if accel[i] < -0.3 else 1,
                'gear_position': 7,
                'left_signal': int(left),
                'rear_left_rpm': float(speed[i] * 30.0),
                'rear_right_rpm': float(speed[i] * 30.0),
                'right_signal': int(right),
                'steering': float(angle[i]),
                'steering_speed': 0.0,
                'throttle': int(np.clip(accel[i] * 60, 0, 1000)),
                'utime': utime,
                'vehicle_speed': float(speed[i] * 3.6),
                'yaw_rate': float(np.degrees(speed[i] * bend[i])),
            }
        )
    return [_rounded(message) for message in messages]


def _indicators(cast: Cast, s: float, speed: float) -> tuple[bool, bool]:
    track = cast.agents[0].track
    reach = s + max(speed * _SIGNAL_AHEAD, 8.0)
    left = right = False
    for start, stop, side in track.changes:
        if start < reach and s < stop:
            left, right = left or side > 0, right or side < 0
    for start, stop in track.bends:
        if start < reach and s < stop:
            begin, end = track.poses(np.array([start, stop]))[:, 2]
            turn = end - begin
            left, right = left or turn > 0.5, right or turn < -0.5
    return left, right
