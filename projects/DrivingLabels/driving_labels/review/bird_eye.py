"""A scene from above, as SVG: north is up, one unit is one metre.

The map's y points north and SVG's down, so y is mirrored here, once. A left
turn is a left turn on the screen.
"""

from dataclasses import dataclass

import numpy as np

from mmocc.projects.DrivingLabels.driving_labels.review.review_scene import (
    ReviewFrame,
    ReviewScene,
)
from mmocc.projects.DrivingLabels.driving_labels.review.roads import Roads
from mmocc.structures import DIRECTIONS

# Metres of map around the paths: what is ahead of the last frame.
MARGIN = 30.0
# Metres; a car that stands is not shown larger than this.
MIN_EXTENT = 60.0
# The future of a frame is as wide as a car at its start and narrow at its
# end, metres. Earlier frames lie on top, so that all six or so futures that
# pass one place can be seen there.
HEAD, TAIL = 2.4, 0.4
UNLABELLED = 'unlabelled'


@dataclass(frozen=True)
class Window:
    """The rectangle of the map that is drawn.

    Attributes:
        low (np.ndarray): (2,) its south-west corner, metres.
        high (np.ndarray): (2,) its north-east corner, metres.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def around(cls, scene: ReviewScene) -> 'Window':
        """The paths of a scene with a margin."""
        places = np.concatenate([f.path[:, :2] for f in scene.frames])
        low, high = places.min(axis=0), places.max(axis=0)
        half = np.maximum((high - low) / 2 + MARGIN, MIN_EXTENT / 2)
        return cls((low + high) / 2 - half, (low + high) / 2 + half)

    @property
    def size(self) -> np.ndarray:
        """(2,) width and height, metres."""
        return self.high - self.low

    def place(self, points: np.ndarray) -> np.ndarray:
        """Map points (N, 2) in SVG's axes: x right, y down."""
        x = points[:, 0] - self.low[0]
        y = self.high[1] - points[:, 1]
        return np.stack((x, y), axis=1)


def label_class(frame: ReviewFrame) -> str:
    """The CSS class that colours a frame: ``d0`` to ``d5``."""
    if frame.label is None:
        return UNLABELLED
    return f'd{DIRECTIONS.index(frame.label["direction"])}'


def draw_world(scene: ReviewScene, roads: Roads, window: Window) -> str:
    """Roads and paths as the inside of an ``svg`` element.

    Every part that belongs to a frame has its index in ``data-frame``.
    """
    roads = roads.within(window.low, window.high)
    lines = [*roads.lanes, *roads.connectors]
    return ''.join(
        (
            *(_line(line, window, 'road') for line in lines),
            *(_area(c, window, 'crosswalk') for c in roads.crosswalks),
            *(_area(s, window, 'stop-line') for s in roads.stop_lines),
            *(_line(line, window, 'lane') for line in roads.lanes),
            *(_line(line, window, 'connector') for line in roads.connectors),
            *(_future(f, window) for f in reversed(scene.frames)),
            *(_marker(f, window) for f in scene.frames),
        )
    )


def _points(points: np.ndarray) -> str:
    return ' '.join(f'{x:.2f},{y:.2f}' for x, y in points)


def _line(line: np.ndarray, window: Window, name: str) -> str:
    points = _points(window.place(line))
    return f'<polyline class="{name}" points="{points}"/>'


def _area(outline: np.ndarray, window: Window, name: str) -> str:
    points = _points(window.place(outline))
    return f'<polygon class="{name}" points="{points}"/>'


def _future(frame: ReviewFrame, window: Window) -> str:
    if len(frame.path) == 1:
        return ''
    return _of_frame(
        frame,
        f'<polygon class="comet" points="{_points(_comet(frame, window))}"/>'
        f'<polyline class="path" '
        f'points="{_points(window.place(frame.path[:, :2]))}"/>',
        'future',
    )


def _comet(frame: ReviewFrame, window: Window) -> np.ndarray:
    """Outline (2 K, 2) of the path, from wide to narrow."""
    yaw = frame.path[:, 2]
    left = np.stack((-np.sin(yaw), np.cos(yaw)), axis=1)
    half = np.linspace(HEAD, TAIL, len(yaw))[:, None] / 2 * left
    centre = frame.path[:, :2]
    return window.place(np.concatenate((centre + half, (centre - half)[::-1])))


def _marker(frame: ReviewFrame, window: Window) -> str:
    """An arrowhead that points where the car does."""
    (x, y), yaw = window.place(frame.path[:1, :2])[0], frame.path[0, 2]
    return _of_frame(
        frame,
        '<path class="marker" d="M1.5 0 -1 1.1 -.5 0 -1 -1.1Z" '
        f'transform="translate({x:.2f} {y:.2f}) '
        f'rotate({-np.degrees(yaw):.1f})"/>',
        'key-frame',
    )


def _of_frame(frame: ReviewFrame, parts: str, name: str) -> str:
    queued = ' queued' if frame.queue is not None else ''
    return (
        f'<g class="{name} {label_class(frame)}{queued}" '
        f'data-frame="{frame.frame_idx}">{parts}</g>'
    )
