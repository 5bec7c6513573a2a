"""Trajectory anchors as ``tools/fit_anchors.py`` would fit them."""

import numpy as np

from mmocc.models.planners.anchor_set import (
    NO_COMMAND,
    AnchorSet,
    gt3s_command,
)
from mmocc.structures.occ3d import STEP_SECONDS


def make_anchor_set(anchors: np.ndarray, mode: str = 'global') -> AnchorSet:
    """Anchors with made-up figures of a fit on train.

    Args:
        anchors (np.ndarray): (A, T, 2) metres, ego frame.
        mode (str): ``global`` or ``per_command``. Defaults to 'global'.
    """
    commands = np.full(len(anchors), NO_COMMAND)
    if mode == 'per_command':
        commands = gt3s_command(anchors[:, -1])
    return AnchorSet(
        anchors=anchors,
        commands=commands,
        step_centre=[2.5, 0.0],
        step_half_range=[2.5, 1.5],
        mode=mode,
        split='train',
        seed=0,
        step_seconds=STEP_SECONDS,
        num_trajectories=100,
        oracle_ade=0.7,
    )


def straight_anchors(count: int, steps: int) -> np.ndarray:
    """Drives (A, T, 2) straight ahead at 0, 1, 2, ... m/s."""
    ahead = np.arange(count)[:, None] * STEP_SECONDS * np.arange(1, steps + 1)
    return np.stack([ahead, np.zeros_like(ahead)], axis=-1)
