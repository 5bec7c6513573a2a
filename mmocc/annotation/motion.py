"""Kinematics of a short stretch of poses."""

from dataclasses import dataclass

import numpy as np

from mmocc.infos.planar import to_local, wrap_angle


@dataclass(frozen=True)
class Motion:
    """The kinematics of a movement through N poses.

    Attributes:
        speeds (np.ndarray): (N - 1,) mean speed of each step, m/s.
        acceleration (float): Least-squares slope of the speeds, m/s^2.
        path (float): Length of the path, metres.
        turn (float): Change of heading, radians, + to the left, unwrapped.
        local (np.ndarray): (N, 3) poses in the frame of the first one.
        duration (float): Seconds from the first pose to the last.
    """

    speeds: np.ndarray
    acceleration: float
    path: float
    turn: float
    local: np.ndarray
    duration: float


def describe_motion(poses: np.ndarray, times: np.ndarray) -> Motion:
    """Compute speeds, acceleration, path and turn of a movement.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw in any fixed frame, N >= 3.
        times (np.ndarray): (N,) seconds, rising.

    Raises:
        ValueError: Fewer than three poses, or times that do not rise.
    """
    if len(poses) < 3 or len(poses) != len(times):
        raise ValueError(
            'a movement needs at least 3 poses and as many times, got '
            f'{len(poses)} poses and {len(times)} times'
        )
    steps = np.diff(times)
    if steps.min() <= 0:
        raise ValueError(f'the times of poses must rise, got {list(times)}')
    lengths = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    speeds = lengths / steps
    middles = (times[1:] + times[:-1]) / 2
    centred = middles - middles.mean()
    return Motion(
        speeds=speeds,
        acceleration=float(centred @ speeds / (centred @ centred)),
        path=float(lengths.sum()),
        turn=float(wrap_angle(np.diff(poses[:, 2])).sum()),
        local=to_local(poses, poses[0]),
        duration=float(times[-1] - times[0]),
    )
