"""Plans as other projects store them, from and to the canonical frame.

Canonical plans are (6, 3): x, y and yaw of the ego origin at 0.5 s to 3 s, in
the ego frame of the key frame (x forward, y left), metres and radians.
Others follow the LiDAR, which is mounted off the ego origin and, in nuScenes,
looks to the right: a turn moves it differently.
"""

import numpy as np

from mmocc.structures.occ3d import NUM_FUTURE

# Driving commands in words; None where a project gives none.
LEFT, RIGHT, STRAIGHT = 'left', 'right', 'straight'
# The order of the one-hot vectors (VAD, OccWorld; BEV-Planner) and of the
# integers (OmniDrive). BEV-Planner calls its first entry right, but sets it
# for y >= 2 m in ego axes, which is left.
VAD_COMMANDS = (RIGHT, LEFT, STRAIGHT)
BEV_PLANNER_COMMANDS = (LEFT, RIGHT, STRAIGHT)
OMNIDRIVE_COMMANDS = (LEFT, RIGHT, STRAIGHT)


def command_of(code: object, order: tuple[str, ...]) -> str:
    """The word of a one-hot vector or of an integer.

    Raises:
        ValueError: The code is neither.
    """
    code = np.asarray(code).squeeze()
    if code.ndim == 0 and 0 <= int(code) < len(order):
        return order[int(code)]
    if code.shape == (len(order),) and np.count_nonzero(code) == 1:
        return order[int(np.argmax(code))]
    raise ValueError(
        f'the driving command is {code.tolist()}, expected a one-hot vector '
        f'or an integer for {order}'
    )


def _turns(yaws: np.ndarray) -> np.ndarray:
    """Rotations (N, 2, 2) by angles (N,)."""
    cos, sin = np.cos(yaws), np.sin(yaws)
    return np.stack((cos, -sin, sin, cos), axis=-1).reshape(-1, 2, 2)


def _rotated(vectors: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    return np.einsum('nij,nj->ni', _turns(yaws), vectors)


def _mount(lidar2ego: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position (2,) and axes (2, 2) of the LiDAR in the ego plane."""
    transform = np.asarray(lidar2ego)
    return transform[:2, 3], transform[:2, :2]


def _from_sensor(
    sensor: np.ndarray, yaws: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """Ego poses from sensor positions (6, 2), both in the ego frame."""
    mounts = _rotated(np.tile(position, (len(yaws), 1)), yaws)
    return np.column_stack((sensor - mounts, yaws))


def _to_sensor(plan: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Sensor positions (7, 2), now first, in the ego frame."""
    poses = np.concatenate((np.zeros((1, 3)), plan))
    mounts = _rotated(np.tile(position, (len(poses), 1)), poses[:, 2])
    return poses[:, :2] + mounts


def from_vad(
    offsets: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """VAD's ``gt_ego_fut_trajs``: steps of the LiDAR in its axes of now.

    Args:
        offsets (np.ndarray): (6, 2) metres, x right, y forward.
        yaws (np.ndarray): (6,) headings in the canonical frame; VAD stores
            none, poses tell them.
        lidar2ego (np.ndarray): (4, 4).

    Returns:
        np.ndarray: (6, 3) canonical.
    """
    position, axes = _mount(lidar2ego)
    steps = np.asarray(offsets, dtype=float) @ axes.T
    return _from_sensor(position + steps.cumsum(axis=0), yaws, position)


def to_vad(plan: np.ndarray, lidar2ego: np.ndarray) -> np.ndarray:
    """The inverse of :func:`from_vad`: (6, 2) offsets."""
    position, axes = _mount(lidar2ego)
    return np.diff(_to_sensor(plan, position), axis=0) @ axes


def from_bev_planner(
    offsets: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """BEV-Planner's offsets: as VAD's, but along the axes of the ego car."""
    position, _ = _mount(lidar2ego)
    steps = np.asarray(offsets, dtype=float)
    return _from_sensor(position + steps.cumsum(axis=0), yaws, position)


def to_bev_planner(plan: np.ndarray, lidar2ego: np.ndarray) -> np.ndarray:
    """The inverse of :func:`from_bev_planner`: (6, 2) offsets."""
    position, _ = _mount(lidar2ego)
    return np.diff(_to_sensor(plan, position), axis=0)


def from_occworld(
    rel_poses: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """OccWorld's ``rel_poses``: each step in the LiDAR axes of its start.

    Args:
        rel_poses (np.ndarray): (6, 2): the first step of VAD's offsets, of
            this frame and of the five behind it.
        yaws (np.ndarray): (6,) headings in the canonical frame.
        lidar2ego (np.ndarray): (4, 4).

    Returns:
        np.ndarray: (6, 3) canonical. OccWorld itself sums the steps without
        turning them, which bends curves open.
    """
    position, axes = _mount(lidar2ego)
    starts = np.concatenate(([0.0], yaws[:-1]))
    steps = _rotated(np.asarray(rel_poses, dtype=float) @ axes.T, starts)
    return _from_sensor(position + steps.cumsum(axis=0), yaws, position)


def to_occworld(plan: np.ndarray, lidar2ego: np.ndarray) -> np.ndarray:
    """The inverse of :func:`from_occworld`: (6, 2) steps."""
    position, axes = _mount(lidar2ego)
    steps = np.diff(_to_sensor(plan, position), axis=0)
    starts = np.concatenate(([0.0], plan[:-1, 2]))
    return _rotated(steps, -starts) @ axes


def from_omnidrive(planning: np.ndarray) -> np.ndarray:
    """OmniDrive's ``gt_planning`` (1, 6, 3): canonical but for its shape."""
    return np.asarray(planning, dtype=float).reshape(NUM_FUTURE, 3)


def to_omnidrive(plan: np.ndarray) -> np.ndarray:
    """The inverse of :func:`from_omnidrive`: (1, 6, 3)."""
    return plan[None].copy()
