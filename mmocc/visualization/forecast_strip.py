"""Occupancy of the seconds to come, from above."""

import cv2
import numpy as np

from mmocc.structures.occ3d import STEP_SECONDS
from mmocc.visualization.bev_view import bev_view
from mmocc.visualization.drawing import (
    GAP,
    below,
    beside,
    blank,
    legend,
    with_caption,
)
from mmocc.visualization.occupancy_comparison import CLASS_LEGEND

SHOWN_SECONDS = (1.0, 2.0, 3.0)


def forecast_strip(
    present: np.ndarray | None, future: np.ndarray, width: int = 1500
) -> np.ndarray:
    """Draw now and the full seconds after it, side by side.

    Each grid stays in the ego frame of its own moment, so what stands still
    comes nearer where the car drives on.

    Args:
        present (np.ndarray, optional): (X, Y, Z) Occ3D ids of now.
        future (np.ndarray): (T, X, Y, Z) ids, 0.5 s apart. Seconds beyond
            its end are left out; one second at least.
        width (int): Pixels of the whole picture. Defaults to 1500.

    Returns:
        np.ndarray: (H, width, 3) uint8 RGB.
    """
    grids = [] if present is None else [('Now', present)]
    for seconds in SHOWN_SECONDS:
        step = round(seconds / STEP_SECONDS)
        if step <= len(future):
            grids.append((f'In {seconds:g} s', future[step - 1]))
    places = len(SHOWN_SECONDS) + 1
    cell = (width - (places - 1) * GAP) // places
    views = [
        with_caption(
            cv2.resize(
                bev_view(grid),
                (cell, round(cell * grid.shape[0] / grid.shape[1])),
                interpolation=cv2.INTER_NEAREST,
            ),
            name,
        )
        for name, grid in grids
    ]
    picture = below([beside(views), legend(CLASS_LEGEND, width)])
    rest = blank(width - picture.shape[1], len(picture))
    return np.concatenate([picture, rest], axis=1)
