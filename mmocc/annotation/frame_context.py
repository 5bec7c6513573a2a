"""The description of a frame that annotators get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mmocc.annotation.road_map import Surroundings
from mmocc.structures import MetaAction

# Six sectors around the car after NuScenes-QA, by the bearing in degrees (+
# to the left) up to which they reach: front within 30, back beyond 150.
_SECTORS = ((30.0, 'front'), (90.0, 'front {side}'), (150.0, 'back {side}'))
_BEHIND = 'back'
# A box counts as seen from this visibility token on (40 % of it), or with
# this many LiDAR points. Ours: what is hidden cannot be learnt from images.
_SEEN_VISIBILITY = '2'
_SEEN_POINTS = 5


def is_seen(visibility: str, num_lidar_pts: int) -> bool:
    """Return whether the cameras can see a box of nuScenes.

    Args:
        visibility (str): nuScenes' token, ``1`` (hidden) to ``4``; '' where
            nobody annotated it.
        num_lidar_pts (int): LiDAR points in the box.
    """
    return visibility >= _SEEN_VISIBILITY or num_lidar_pts >= _SEEN_POINTS


@dataclass(frozen=True)
class Agent:
    """A road user in the ego frame of the key frame.

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
        """Create a road user from a box in another coordinate frame.

        Args:
            name (str): Detection class.
            attribute (str): nuScenes' attribute.
            centre (ArrayLike): (3,) metres in the other frame.
            length (float): Length of the box in metres.
            velocity (ArrayLike): (3,) m/s in the other frame.
            transform (np.ndarray): (4, 4) from the other to the ego frame.
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
        """Distance of the centre from the ego origin in metres."""
        return float(np.hypot(self.x, self.y))

    @property
    def sector(self) -> str:
        """One of six sectors around the car, such as ``front left``."""
        bearing = np.degrees(np.arctan2(self.y, self.x))
        side = 'left' if bearing > 0 else 'right'
        for limit, words in _SECTORS:
            if abs(bearing) <= limit:
                return words.format(side=side)
        return _BEHIND


@dataclass(frozen=True)
class FrameContext:
    """The description of a frame that an annotator writes from.

    Attributes:
        agents (tuple[Agent]): Road users that the cameras can see.
        surroundings (Surroundings): The road ahead, in the ego frame.
        history (tuple[MetaAction]): Past actions, oldest first.
        speed (float): Of the ego car now, m/s.
        action (MetaAction): The label, which the text must lead to. It and
            ``path`` come from the future; nothing else does.
        token (str): The frame's sample token.
        path (np.ndarray): (T, 4) time in seconds, x, y, yaw of the recorded
            drive in the ego frame, from now up to 3 s.
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
