"""The axes of a bird's-eye picture: metres to pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MARGIN_LEFT, MARGIN = 46, 8  # pixels
# Metres ahead of the ego vehicle that a picture shows.
MOST_AHEAD = 200.0  # more than 3 s of driving reach
LEAST_AHEAD = 24.0
# Metres behind it, as a share of those ahead.
SHARE_BEHIND = 0.4
# Metres between a trajectory and the edge.
ROOM = 5.0


class BevAxes(NamedTuple):
    """A square of the ground plane in a picture; forward is up.

    Attributes:
        left (float): First column of the square, in pixels.
        top (float): First row of the square, in pixels.
        scale (float): Pixels per metre.
        front (float): x of the upper edge, in metres.
        leftmost (float): y of the left edge, in metres.
        side (int): Edge length of the square, in pixels.
    """

    left: float
    top: float
    scale: float
    front: float
    leftmost: float
    side: int

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Convert ego positions (..., 2) to pixels (..., 2), column, row."""
        column = self.left + (self.leftmost - points[..., 1]) * self.scale
        row = self.top + (self.front - points[..., 0]) * self.scale
        return np.stack([column, row], axis=-1)


def plan_axes(trajs: Sequence[np.ndarray], width: int) -> BevAxes:
    """Choose a square around the ego vehicle that holds trajectories.

    Args:
        trajs (Sequence[np.ndarray]): Arrays (..., 2) of x, y in metres.
        width (int): Width of the picture with its margins, in pixels.
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
    # A diverged plan must not shrink the street to a pixel.
    ahead = min(ahead, MOST_AHEAD)
    extent = ahead * (1 + SHARE_BEHIND)
    side = width - MARGIN_LEFT - MARGIN
    return BevAxes(MARGIN_LEFT, MARGIN, side / extent, ahead, extent / 2, side)
