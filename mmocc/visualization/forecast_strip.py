"""Bird's-eye views of present and future occupancy, side by side."""

import numpy as np

from mmocc.structures.occ3d import STEP_SECONDS
from mmocc.visualization.bev_view import bev_view
from mmocc.visualization.drawing import (
    CLASS_LEGEND,
    GAP,
    below,
    beside,
    blank,
    enlarge,
    legend,
    with_caption,
)

SHOWN_SECONDS = (1.0, 2.0, 3.0)


def forecast_strip(
    present: np.ndarray | None, future: np.ndarray, width: int = 1500
) -> np.ndarray:
    """Draw the present occupancy and that of the next full seconds.

    Each grid is in the ego frame of its own time, so static objects come
    nearer while the car drives on.

    Args:
        present (np.ndarray, optional): (X, Y, Z) Occ3D ids of the current
            frame.
        future (np.ndarray): (T, X, Y, Z) Occ3D ids at steps of 0.5 s, T at
            least 2; full seconds beyond its end are left out.
        width (int): Width of the picture in pixels. Defaults to 1500.

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
        with_caption(enlarge(bev_view(grid), cell), name)
        for name, grid in grids
    ]
    picture = below([beside(views), legend(CLASS_LEGEND, width)])
    rest = blank(width - picture.shape[1], len(picture))
    return np.concatenate([picture, rest], axis=1)
