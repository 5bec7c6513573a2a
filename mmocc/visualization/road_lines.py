"""Road edges, dividers and crossings of the nuScenes map near the car."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmocc.infos import MapTables
from mmocc.visualization.drawing import Colour

EDGE, DIVIDER, CROSSING = 'road edge', 'lane divider', 'crossing'
ROAD_COLOURS: dict[str, Colour] = {
    EDGE: (73, 80, 87),
    DIVIDER: (222, 140, 20),
    CROSSING: (112, 72, 192),
}
# Kinds of lines by the layers of the map expansion.
_POLYGONS = {'drivable_area': EDGE, 'ped_crossing': CROSSING}
_LINES = {'lane_divider': DIVIDER, 'road_divider': DIVIDER}


class RoadLine(NamedTuple):
    """A line of the map on the ground.

    Attributes:
        kind (str): ``EDGE``, ``DIVIDER`` or ``CROSSING``.
        points (np.ndarray): (N, 2) metres; the last point of an outline is
            its first one.
    """

    kind: str
    points: np.ndarray


def road_lines(
    path: str | Path, ego2global: np.ndarray, reach: float = 80.0
) -> list[RoadLine]:
    """Read the lines of a map around a pose, in the ego frame.

    Args:
        path (str | Path): ``maps/expansion/<location>.json`` of nuScenes' map
            expansion 1.3.
        ego2global (np.ndarray): (4, 4) pose in metres.
        reach (float): Distance in metres beyond which lines are left out.
            Defaults to 80.0.

    Raises:
        ValueError: If the pose is not finite.
        MapError: If the file is no such map.
    """
    pose = np.asarray(ego2global, dtype=float)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise ValueError(
            f'ego2global is {pose.tolist()}, expected 4 x 4 finite numbers; '
            'correct the pose, or draw without the map'
        )
    turn, place = pose[:2, :2], pose[:2, 3]
    lines = []
    for kind, points in _read_map(str(path)):
        low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
        if ((place > low) & (place < high)).all():
            lines.append(RoadLine(kind, (points - place) @ turn))
    return lines


@lru_cache(maxsize=4)
def _read_map(path: str) -> list[RoadLine]:
    """Read all lines of a map in its own frame."""
    tables = MapTables.read(path)
    lines = [
        RoadLine(kind, points)
        for layer, kind in _POLYGONS.items()
        for points in tables.rings(layer)
    ]
    lines += [
        RoadLine(kind, points)
        for layer, kind in _LINES.items()
        for points in tables.lines(layer)
    ]
    return lines
