"""History, future, status and meta-actions of the ego car, from its poses.

All results are in the ego frame of the key frame: x forward, y left, metres,
seconds, yaw wrapped. History and status come from times up to the frame only.
"""

import numpy as np

from dataset_converters.can_bus import CanBus, latest
from mmocc.annotation import (
    LabelRules,
    LaneGraph,
    MetaActionLabel,
    label_scene,
    past_actions,
)
from mmocc.infos.planar import planar_pose, to_local, wrap_angle
from mmocc.infos.rigid import quaternion_of
from mmocc.structures import EGO_STATUS
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY

# Commands of other projects are taken from the future, so ours is unknown.
_NO_COMMAND = -1


def motion_fields(
    ego2global: np.ndarray,
    times: np.ndarray,
    can_bus: CanBus | None = None,
    lanes: LaneGraph | None = None,
) -> list[dict]:
    """Build the keys of info files that come from ego poses alone.

    Args:
        ego2global (np.ndarray): (N, 4, 4) of key frames 0.5 s apart.
        times (np.ndarray): (N,) seconds.
        can_bus (CanBus, optional): CAN bus messages. Defaults to None: the
            status comes from poses.
        lanes (LaneGraph, optional): Lanes of the map. Defaults to None:
            directions come from the path.

    Returns:
        list[dict]: For each frame ``ego``, ``can_bus``, ``his_meta_actions``
        and ``meta_action``.
    """
    rules = LabelRules()
    poses = planar_pose(ego2global)  # (N, 3)
    labels = label_scene(poses, times, lanes, rules)
    frames = []
    for k, label in enumerate(labels):
        # Poses up to now: no later pose may reach an input of the model.
        past, past_times = poses[: k + 1], times[: k + 1]
        his_poses, his_mask = _ego_history(past)
        fut_poses, fut_mask = _ego_future(poses, k)
        status = _ego_status(past, past_times, can_bus)
        frames.append(
            dict(
                ego=dict(
                    his_poses=his_poses,
                    his_mask=his_mask,
                    status=status,
                    command=_NO_COMMAND,
                    fut_poses=fut_poses,
                    fut_mask=fut_mask,
                ),
                can_bus=_can_bus_vector(
                    ego2global[k], times[k], status, can_bus
                ),
                his_meta_actions=[
                    dict(speed=action.speed, direction=action.direction)
                    for action in past_actions(past, past_times, lanes, rules)
                ],
                meta_action=_label_fields(label),
            )
        )
    return frames


def _label_fields(label: MetaActionLabel | None) -> dict | None:
    if label is None:
        return None
    return dict(
        speed=label.action.speed,
        direction=label.action.direction,
        source=label.source,
        confidence=label.confidence,
    )


def _ego_history(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the poses of the four key frames before the last one.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw, global, up to now.

    Returns:
        tuple: (4, 3), oldest first, 0 where unknown, and (4,) bool.
    """
    past = poses[-NUM_HISTORY - 1 : -1]
    history = np.zeros((NUM_HISTORY, 3))
    mask = np.zeros(NUM_HISTORY, dtype=bool)
    if len(past):
        history[-len(past) :] = to_local(past, poses[-1])
        mask[-len(past) :] = True
    return history, mask


def _ego_future(
    poses: np.ndarray, index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the poses of the six key frames after frame ``index``.

    Returns:
        tuple: (6, 3), 0 where unknown, and (6,) bool.
    """
    after = poses[index + 1 : index + 1 + NUM_FUTURE]
    future = np.zeros((NUM_FUTURE, 3))
    mask = np.zeros(NUM_FUTURE, dtype=bool)
    future[: len(after)] = to_local(after, poses[index])
    mask[: len(after)] = True
    return future, mask


def _status_from_poses(
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
    rates = change / steps[:, None]  # (1 or 2, 3) vx, vy, yaw rate, global
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


def measured_status(
    accel: np.ndarray, rotation_rate: np.ndarray, velocity: np.ndarray
) -> dict[str, float]:
    """Return the ego status of CAN bus numbers, without the steering angle.

    Args:
        accel (np.ndarray): (3,) m/s^2, ego frame.
        rotation_rate (np.ndarray): (3,) rad/s.
        velocity (np.ndarray): (3,) m/s, ego frame.
    """
    return dict(
        speed=float(np.hypot(*velocity[:2])),
        vx=float(velocity[0]),
        vy=float(velocity[1]),
        ax=float(accel[0]),
        ay=float(accel[1]),
        yaw_rate=float(rotation_rate[2]),
    )


def _ego_status(
    poses: np.ndarray, times: np.ndarray, can_bus: CanBus | None
) -> dict[str, float]:
    """Return the ego status now, from fresh CAN bus messages or poses.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw, global, up to now.
        times (np.ndarray): (N,) seconds; the last one is now.
        can_bus (CanBus): Messages of the scene; later ones are not read.

    Returns:
        dict: speed, vx, vy in m/s, ax, ay in m/s^2, yaw_rate in rad/s, steer
        in rad; NaN where unknown.
    """
    status = _status_from_poses(poses, times)
    if can_bus is None:
        return status
    index = latest(can_bus.pose_times, times[-1])
    if index is not None:
        status |= measured_status(
            can_bus.accel[index],
            can_bus.rotation_rate[index],
            can_bus.velocity[index],
        )
    index = latest(can_bus.steer_times, times[-1])
    if index is not None:
        status['steer'] = float(can_bus.steer[index])
    return status


def _can_bus_vector(
    ego2global: np.ndarray,
    moment: float,
    status: dict[str, float],
    can_bus: CanBus | None,
) -> np.ndarray:
    """Build the vector of 18 numbers that BEVFormer and its heirs read.

    Args:
        ego2global (np.ndarray): (4, 4) ego pose.
        moment (float): Time now, seconds.
        status (dict): Ego status now, where the CAN bus has no fresh message.
        can_bus (CanBus): Messages of the scene.

    Returns:
        np.ndarray: Position (3), quaternion w, x, y, z with w >= 0 (4),
        acceleration (3), rotation rate (3), velocity (3), heading in rad and
        in degrees, both from 0 to one turn; 0 where unknown.
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
