"""Status and past poses of the ego car as network input."""

import math

import torch
from torch import Tensor

from mmocc.structures import EGO_STATUS, OccDataSample
from mmocc.structures.occ3d import NUM_HISTORY, STEP_SECONDS

# Ours: keep inputs near 1. In the units of EGO_STATUS, then metres.
STATUS_SCALE = dict(
    speed=10.0,
    vx=10.0,
    vy=10.0,
    ax=3.0,
    ay=3.0,
    yaw_rate=0.5,
    steer=math.pi,
)
DISTANCE_SCALE = 10.0


def ego_state_dims(use_status: bool, use_history: bool) -> int:
    """Return the width of :func:`ego_state`."""
    # x, y, yaw and a flag for each past pose.
    return len(EGO_STATUS) * use_status + 4 * NUM_HISTORY * use_history


def ego_state(
    data_samples: list[OccDataSample], use_status: bool, use_history: bool
) -> Tensor:
    """Scale status and past poses to numbers near 1.

    Args:
        data_samples (list[OccDataSample]): B frames with ``gt_ego``.
        use_status (bool): Take velocity, acceleration, turn rate, steering.
        use_history (bool): Take the poses of the past 2 s, 0 where unknown.

    Returns:
        Tensor: (B, ego_state_dims).
    """
    return torch.stack(
        [_one_state(s, use_status, use_history) for s in data_samples]
    )


def driving_on(data_samples: list[OccDataSample]) -> Tensor:
    """Compute the motion of a step at constant velocity and turn rate.

    Returns:
        Tensor: (B, 3): metres forward, metres to the left, radians.
    """
    columns = [EGO_STATUS.index(name) for name in ('vx', 'vy', 'yaw_rate')]
    now = torch.stack([s.gt_ego.status[columns] for s in data_samples])
    return now * STEP_SECONDS


def _one_state(
    sample: OccDataSample, use_status: bool, use_history: bool
) -> Tensor:
    ego = sample.gt_ego
    parts = []
    if use_status:
        scale = [STATUS_SCALE[name] for name in EGO_STATUS]
        parts.append(ego.status / ego.status.new_tensor(scale))
    if use_history:
        known = ego.his_masks.to(ego.his_trajs)[:, None]
        place, yaw = ego.his_trajs.split([2, 1], dim=-1)
        poses = torch.cat([place / DISTANCE_SCALE, yaw], dim=-1)
        parts.append(torch.cat([poses * known, known], dim=-1).flatten())
    return torch.cat(parts)
