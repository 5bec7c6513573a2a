"""Draw a scene from above as SVG: north is up, one unit is one metre.

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
from mmocc.projects.DrivingLabels.driving_labels.review.templates import (
    TEMPLATES,
)
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
    """Rectangle of the map that a page draws.

    Attributes:
        low (np.ndarray): (2,) its south-west corner, metres.
        high (np.ndarray): (2,) its north-east corner, metres.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def around(cls, scene: ReviewScene) -> 'Window':
        """Enclose the paths of a scene with a margin."""
        places = np.concatenate([f.path[:, :2] for f in scene.frames])
        low, high = places.min(axis=0), places.max(axis=0)
        half = np.maximum((high - low) / 2 + MARGIN, MIN_EXTENT / 2)
        return cls((low + high) / 2 - half, (low + high) / 2 + half)

    @property
    def size(self) -> np.ndarray:
        """Width and height, (2,) in metres."""
        return self.high - self.low

    def to_svg(self, points: np.ndarray) -> np.ndarray:
        """Convert map points (N, 2) to SVG's axes: x right, y down."""
        x = points[:, 0] - self.low[0]
        y = self.high[1] - points[:, 1]
        return np.stack((x, y), axis=1)


@dataclass(frozen=True)
class FrameShape:
    """A key frame as it is drawn, in SVG's axes (x right, y down).

    Attributes:
        index (int): Place of the frame in its scene.
        label (str): CSS class of its direction word, see :func:`label_class`.
        queued (bool): Whether it is in the review queue.
        path (np.ndarray): (K, 2) positions now and in the future, metres.
        outline (np.ndarray): (2 K, 2) the future as a band that is as wide as
            a car at its start and narrow at its end, metres.
        degrees (float): Heading, clockwise.
    """

    index: int
    label: str
    queued: bool
    path: np.ndarray
    outline: np.ndarray
    degrees: float


def label_class(frame: ReviewFrame) -> str:
    """Return the CSS class that colours a frame: ``d0`` to ``d5``."""
    if frame.label is None:
        return UNLABELLED
    return f'd{DIRECTIONS.index(frame.label["direction"])}'


def draw_world(scene: ReviewScene, roads: Roads, window: Window) -> str:
    """Draw roads and paths of a scene as the inside of an ``svg`` element.

    Every element that belongs to a frame has its index in ``data-frame``.
    """
    return TEMPLATES.get_template('world.svg').render(
        roads=roads.within(window.low, window.high).moved(window.to_svg),
        shapes=[_frame_shape(frame, window) for frame in scene.frames],
    )


def _frame_shape(frame: ReviewFrame, window: Window) -> FrameShape:
    centre, yaw = frame.path[:, :2], frame.path[:, 2]
    left = np.stack((-np.sin(yaw), np.cos(yaw)), axis=1)  # (K, 2)
    half = np.linspace(HEAD, TAIL, len(yaw))[:, None] / 2 * left
    band = np.concatenate((centre + half, (centre - half)[::-1]))
    return FrameShape(
        index=frame.frame_idx,
        label=label_class(frame),
        queued=frame.queue is not None,
        path=window.to_svg(centre),
        outline=window.to_svg(band),
        degrees=float(-np.degrees(yaw[0])),
    )
