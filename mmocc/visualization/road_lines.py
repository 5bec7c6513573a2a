"""Road edges, dividers and crossings of the nuScenes map near the car."""

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

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
        ValueError: If the pose is not finite, or the file is no such map.
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
    try:
        tables = json.loads(Path(path).read_text(encoding='utf-8'))
        nodes = {
            node['token']: (node['x'], node['y']) for node in tables['node']
        }
        lines = [
            RoadLine(kind, np.array([nodes[token] for token in ring]))
            for layer, kind in _POLYGONS.items()
            for ring in _rings(tables, layer)
        ]
        strokes = {
            line['token']: line['node_tokens'] for line in tables['line']
        }
        lines += [
            RoadLine(kind, np.array([nodes[token] for token in stroke]))
            for layer, kind in _LINES.items()
            for stroke in (strokes[row['line_token']] for row in tables[layer])
            if len(stroke) > 1
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'cannot read the map {path} ({error!r}); unpack the nuScenes '
            'map expansion v1.3 so that maps/expansion/*.json exist'
        ) from error
    return lines


def _rings(tables: dict, layer: str) -> list[list[str]]:
    """List the closed rings of a layer: outlines and holes, as node tokens."""
    polygons = {polygon['token']: polygon for polygon in tables['polygon']}
    rings = []
    for row in tables[layer]:
        tokens = row.get('polygon_tokens') or [row['polygon_token']]
        for polygon in (polygons[token] for token in tokens):
            rings.append(polygon['exterior_node_tokens'])
            rings += [hole['node_tokens'] for hole in polygon['holes']]
    return [[*ring, ring[0]] for ring in rings if ring]
