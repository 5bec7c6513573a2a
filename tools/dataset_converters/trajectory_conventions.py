"""Convert plans of other projects to the canonical frame.

Canonical plans are (6, 3): x, y and yaw of the ego origin at 0.5 s to 3 s, in
the ego frame of the key frame (x forward, y left), metres and radians.
Others follow the LiDAR, which is mounted off the ego origin and, in nuScenes,
looks to the right, so that it moves differently in a turn.

Each function takes what the project stores, the headings (6,) of the ego car
in the canonical frame, which no project but OmniDrive stores, and lidar2ego
(4, 4). Commands are not converted: the first entry of a one-hot vector means
right in VAD and OccWorld. In BEV-Planner it means left: its code calls the
entry right, but sets it for y >= 2 m along ego axes.
"""

import numpy as np

from mmocc.structures.occ3d import NUM_FUTURE


def from_vad(
    offsets: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """Convert VAD's ``gt_ego_fut_trajs``: LiDAR steps along its axes of now.

    Args:
        offsets (np.ndarray): (6, 2) metres, x right, y forward.
        yaws (np.ndarray): (6,) headings.
        lidar2ego (np.ndarray): (4, 4).

    Returns:
        np.ndarray: (6, 3) canonical plan.
    """
    steps = np.asarray(offsets, dtype=float) @ lidar2ego[:2, :2].T
    return _from_lidar_steps(steps, yaws, lidar2ego)


def from_bev_planner(
    offsets: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """Convert BEV-Planner's offsets: as VAD's, but along the ego axes."""
    steps = np.asarray(offsets, dtype=float)
    return _from_lidar_steps(steps, yaws, lidar2ego)


def from_occworld(
    rel_poses: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """Convert OccWorld's ``rel_poses``: each step in its own LiDAR axes.

    OccWorld itself sums the steps without rotating them, which straightens
    curves.

    Args:
        rel_poses (np.ndarray): (6, 2) first step of VAD's offsets, of this
            frame and of the five after it.
        yaws (np.ndarray): (6,) headings.
        lidar2ego (np.ndarray): (4, 4).

    Returns:
        np.ndarray: (6, 3) canonical plan.
    """
    steps = np.asarray(rel_poses, dtype=float) @ lidar2ego[:2, :2].T
    starts = np.concatenate(([0.0], yaws[:-1]))
    return _from_lidar_steps(_rotated(steps, starts), yaws, lidar2ego)


def from_omnidrive(
    planning: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """Convert OmniDrive's ``gt_planning`` (1, 6, 3), canonical otherwise."""
    return np.asarray(planning, dtype=float).reshape(NUM_FUTURE, 3)


def _from_lidar_steps(
    steps: np.ndarray, yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray:
    """Convert LiDAR steps (6, 2) along ego axes of now to ego poses (6, 3)."""
    mount = lidar2ego[:2, 3]
    lidar = mount + steps.cumsum(axis=0)
    mounts = _rotated(np.tile(mount, (len(yaws), 1)), yaws)
    return np.column_stack((lidar - mounts, yaws))


def _rotated(vectors: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """Rotate vectors (N, 2) by angles (N,) to the left."""
    cos, sin = np.cos(yaws), np.sin(yaws)
    x, y = vectors.T
    return np.column_stack((cos * x - sin * y, sin * x + cos * y))
