"""Where metres are in a picture from above."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MARGIN_LEFT, MARGIN = 46, 8
# What is always in the picture: metres ahead, and the share behind.
MOST_AHEAD = 200.0  # metres, beyond what 3 s can reach
LEAST_AHEAD = 24.0
SHARE_BEHIND = 0.4
ROOM = 5.0


class BevAxes(NamedTuple):
    """Where metres are in a picture of the plane.

    Attributes:
        left (float): First column of the plane, in pixels.
        top (float): First row of the plane, in pixels.
        scale (float): Pixels per metre.
        front (float): x of the upper edge, in metres.
        leftmost (float): y of the left edge, in metres.
        side (int): Length of both edges, in pixels.
    """

    left: float
    top: float
    scale: float
    front: float
    leftmost: float
    side: int

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) as column, row, of ego positions (..., 2)."""
        column = self.left + (self.leftmost - points[..., 1]) * self.scale
        row = self.top + (self.front - points[..., 0]) * self.scale
        return np.stack([column, row], axis=-1)


def plan_axes(trajs: Sequence[np.ndarray], width: int) -> BevAxes:
    """Axes of a square around the ego that holds future trajectories.

    Args:
        trajs (Sequence[np.ndarray]): Each (..., 2) x, y in metres.
        width (int): Pixels of the picture, with its margins.
    """
    points = [np.zeros((1, 2)), *(traj.reshape(-1, 2) for traj in trajs)]
    points = np.concatenate(points)
    aside = np.abs(points[:, 1]).max()
    ahead = max(
        LEAST_AHEAD,
        points[:, 0].max() + ROOM,
        (ROOM - points[:, 0].min()) / SHARE_BEHIND,
        2 * (aside + ROOM) / (1 + SHARE_BEHIND),
    )
    # A plan that has gone astray must not make a street a pixel.
    ahead = min(ahead, MOST_AHEAD)
    extent = ahead * (1 + SHARE_BEHIND)
    side = width - MARGIN_LEFT - MARGIN
    return BevAxes(MARGIN_LEFT, MARGIN, side / extent, ahead, extent / 2, side)
