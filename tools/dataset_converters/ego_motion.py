"""Where the ego car was, is and will be, in the canonical frame.

Canonical: the ego frame of the key frame, x forward, y left, metres, seconds,
yaw wrapped. Past and status come from times up to the frame only.
"""

import numpy as np

from dataset_converters.can_bus import CanBus, latest
from mmocc.infos.planar import to_local, wrap_angle
from mmocc.infos.rigid import quaternion_of
from mmocc.structures import EGO_STATUS
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY

NO_COMMAND = -1


def ego_history(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses of the four key frames before the last one.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw, global, up to now.

    Returns:
        tuple: (4, 3) in the canonical frame, oldest first, 0 where unknown,
        and (4,) bool, True where known.
    """
    past = poses[-NUM_HISTORY - 1 : -1]
    history = np.zeros((NUM_HISTORY, 3))
    mask = np.zeros(NUM_HISTORY, dtype=bool)
    if len(past):
        history[-len(past) :] = to_local(past, poses[-1])
        mask[-len(past) :] = True
    return history, mask


def ego_future(poses: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses of the six key frames behind frame ``index``.

    Returns:
        tuple: (6, 3) in the canonical frame, 0 where unknown, and (6,) bool.
    """
    after = poses[index + 1 : index + 1 + NUM_FUTURE]
    future = np.zeros((NUM_FUTURE, 3))
    mask = np.zeros(NUM_FUTURE, dtype=bool)
    future[: len(after)] = to_local(after, poses[index])
    mask[: len(after)] = True
    return future, mask


def status_from_poses(
    poses: np.ndarray, times: np.ndarray
) -> dict[str, float]:
    """Estimate the ego status from the last three poses.

    The mean velocity of the last step belongs to its middle; the change
    since the step before carries it on to now.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw, global, up to now.
        times (np.ndarray): (N,) seconds.

    Returns:
        dict: The keys of ``EGO_STATUS``; NaN where unknown.
    """
    status = dict.fromkeys(EGO_STATUS, float('nan'))
    if len(poses) < 2:
        return status
    poses, times = poses[-3:], times[-3:]
    steps = np.diff(times)
    change = np.diff(poses, axis=0)
    change[:, 2] = wrap_angle(change[:, 2])
    rates = change / steps[:, None]
    now = rates[-1]
    cos, sin = np.cos(poses[-1, 2]), np.sin(poses[-1, 2])
    to_ego = np.array([[cos, sin], [-sin, cos]])
    if len(rates) > 1:
        slope = (rates[1] - rates[0]) / (steps.sum() / 2)
        now = rates[1] + slope * steps[1] / 2
        status['ax'], status['ay'] = (to_ego @ slope[:2]).tolist()
    status['vx'], status['vy'] = (to_ego @ now[:2]).tolist()
    status['speed'] = float(np.hypot(*now[:2]))
    status['yaw_rate'] = float(now[2])
    return status


def ego_status(
    poses: np.ndarray, times: np.ndarray, can_bus: CanBus | None
) -> dict[str, float]:
    """The ego status now, from the CAN bus where it has a fresh message.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw, global, up to now.
        times (np.ndarray): (N,) seconds; the last one is now.
        can_bus (CanBus): Messages of the scene; later ones are not looked at.

    Returns:
        dict: speed, vx, vy in m/s, ax, ay in m/s^2, yaw_rate in rad/s, steer
        in rad; NaN where unknown.
    """
    status = status_from_poses(poses, times)
    if can_bus is None:
        return status
    index = latest(can_bus.pose_times, times[-1])
    if index is not None:
        velocity, accel = can_bus.velocity[index], can_bus.accel[index]
        status.update(
            speed=float(np.hypot(*velocity[:2])),
            vx=float(velocity[0]),
            vy=float(velocity[1]),
            ax=float(accel[0]),
            ay=float(accel[1]),
            yaw_rate=float(can_bus.rotation_rate[index, 2]),
        )
    index = latest(can_bus.steer_times, times[-1])
    if index is not None:
        status['steer'] = float(can_bus.steer[index])
    return status


def can_bus_vector(
    ego2global: np.ndarray,
    moment: float,
    status: dict[str, float],
    can_bus: CanBus | None,
) -> np.ndarray:
    """The vector of 18 numbers that BEV encoders after BEVFormer read.

    Args:
        ego2global (np.ndarray): (4, 4) ego pose.
        moment (float): Seconds.
        status (dict): Ego status now, for what the CAN bus does not tell.
        can_bus (CanBus): Messages of the scene.

    Returns:
        np.ndarray: Position (3), quaternion w, x, y, z (4), acceleration (3),
        rotation rate (3), velocity (3), heading in rad and in degrees, both
        in one turn from 0; 0 where unknown.
    """
    index = latest(can_bus.pose_times, moment) if can_bus else None
    if index is None:
        known = {k: 0.0 if np.isnan(v) else v for k, v in status.items()}
        accel = [known['ax'], known['ay'], 0.0]
        rate = [0.0, 0.0, known['yaw_rate']]
        velocity = [known['vx'], known['vy'], 0.0]
    else:
        accel = can_bus.accel[index]
        rate = can_bus.rotation_rate[index]
        velocity = can_bus.velocity[index]
    rotation = ego2global[:3, :3]
    heading = np.arctan2(rotation[1, 0], rotation[0, 0]) % (2 * np.pi)
    return np.concatenate(
        (
            ego2global[:3, 3],
            quaternion_of(rotation),
            accel,
            rate,
            velocity,
            (heading, np.rad2deg(heading)),
        )
    )
