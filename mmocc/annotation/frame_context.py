"""What an annotator is told about a frame."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mmocc.annotation.road_map import Surroundings
from mmocc.structures import MetaAction

# Six sectors around the car, by the bearing (degrees, + to the left) at which
# they begin on the left side: front within 30, back beyond 150 (after
# NuScenes-QA).
_SECTORS = ((30.0, 'front'), (90.0, 'front {side}'), (150.0, 'back {side}'))
_BEHIND = 'back'
# A box counts as seen from this visibility token on (40 % of it), or with
# this many LiDAR points. Ours: what is hidden cannot be learnt from images.
_SEEN_VISIBILITY = '2'
_SEEN_POINTS = 5


def is_seen(visibility: str, num_lidar_pts: int) -> bool:
    """Whether the cameras can see a box of nuScenes.

    Args:
        visibility (str): nuScenes' token, ``1`` (hidden) to ``4``; '' where
            nobody annotated it.
        num_lidar_pts (int): LiDAR points in the box.
    """
    return visibility >= _SEEN_VISIBILITY or num_lidar_pts >= _SEEN_POINTS


@dataclass(frozen=True)
class Agent:
    """A road user, in the canonical frame of its frame.

    Attributes:
        name (str): Detection class, such as ``car``.
        attribute (str): nuScenes' attribute, such as ``vehicle.parked``.
        x, y (float): Centre, metres.
        length (float): Metres.
        vx, vy (float): m/s; NaN where unknown.
    """

    name: str
    attribute: str
    x: float
    y: float
    length: float
    vx: float
    vy: float

    @classmethod
    def placed(
        cls,
        name: str,
        attribute: str,
        centre: ArrayLike,
        length: float,
        velocity: ArrayLike,
        transform: np.ndarray,
    ) -> 'Agent':
        """A road user that another frame knows.

        Args:
            name (str): Detection class.
            attribute (str): nuScenes' attribute.
            centre (ArrayLike): (3,) metres, in the other frame.
            length (float): Metres.
            velocity (ArrayLike): (3,) m/s, in the other frame.
            transform (np.ndarray): (4, 4) from there to the canonical frame.
        """
        turn, shift = transform[:3, :3], transform[:3, 3]
        x, y, _ = turn @ centre + shift
        vx, vy, _ = turn @ velocity
        return cls(
            name=name,
            attribute=attribute,
            x=float(x),
            y=float(y),
            length=float(length),
            vx=float(vx),
            vy=float(vy),
        )

    @property
    def distance(self) -> float:
        """Metres from the ego car's origin to the centre."""
        return float(np.hypot(self.x, self.y))

    @property
    def sector(self) -> str:
        """One of six directions, such as ``front left``."""
        bearing = np.degrees(np.arctan2(self.y, self.x))
        side = 'left' if bearing > 0 else 'right'
        for limit, words in _SECTORS:
            if abs(bearing) <= limit:
                return words.format(side=side)
        return _BEHIND


@dataclass(frozen=True)
class FrameContext:
    """All that an annotator may look at.

    Attributes:
        agents (tuple[Agent]): Road users that the cameras can see.
        surroundings (Surroundings): The road, its way in the canonical frame
            of the frame.
        history (tuple[MetaAction]): Past actions, oldest first.
        speed (float): Of the ego car now, m/s.
        action (MetaAction): The label, which the text must lead to. It knows
            the future, as ``path`` does; nothing else here does.
        token (str): The frame's sample token.
        path (np.ndarray): (T, 4) time in seconds, x, y, yaw of the recorded
            drive in the canonical frame, from now up to 3 s.
        images (Mapping[str, Path]): The image file of each camera.
    """

    agents: tuple[Agent, ...]
    surroundings: Surroundings
    history: tuple[MetaAction, ...]
    speed: float
    action: MetaAction
    token: str = ''
    path: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    images: Mapping[str, Path] = field(default_factory=dict)
