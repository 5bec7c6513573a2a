"""Road users around a plan, and which of them each protocol counts.

Categories are nuScenes' own names ("vehicle.car"), never indices: the ids
that published evaluators use depend on whether lidarseg is installed, and a
wrong table silently selects barriers and animals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmocc.structures.occ3d import NUM_FUTURE

# nuScenes: the LiDAR stands this far ahead of the ego origin (mean, metres).
LIDAR_AHEAD = 0.9437

# Categories that nuScenes' detection task leaves out.
_NOT_DETECTED = (
    'vehicle.emergency',
    'human.pedestrian.personal_mobility',
    'human.pedestrian.stroller',
    'human.pedestrian.wheelchair',
)
_KINDS = ('vehicle', 'human', 'animal', 'movable_object', 'static_object')
# VAD filters its labels by the range of its bird's-eye view: metres to
# either side and to front and back of the LiDAR.
VAD_RANGE = (30.0, 15.0)


@dataclass(frozen=True)
class Agents:
    """The M annotated boxes around one frame.

    Positions are x forward, y left, in metres from the frame's origin (the
    ego's or the LiDAR's, as the trajectories beside them); yaw is
    counter-clockwise from x.

    Attributes:
        category (np.ndarray): (M,) names of nuScenes.
        size (np.ndarray): (M, 2) length along the heading, width.
        now (np.ndarray): (M, 3) x, y, yaw; NaN where the agent is not
            annotated in the frame itself.
        future (np.ndarray): (M, 6, 3) x, y, yaw at 0.5 .. 3.0 s, of every
            instance that is annotated in any of the seven frames.
        future_mask (np.ndarray): (M, 6) bool, True where it is annotated.
        has_points (np.ndarray, optional): (M, 6) bool, True where a LiDAR or
            radar point lies in the future box.
        recently_seen (np.ndarray, optional): (M,) bool, annotated with
            visibility above 40 % at -1.0, -0.5 or 0 s.
    """

    category: np.ndarray
    size: np.ndarray
    now: np.ndarray
    future: np.ndarray
    future_mask: np.ndarray
    has_points: np.ndarray | None = None
    recently_seen: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.category)
        shapes = {
            'size': (count, 2),
            'now': (count, 3),
            'future': (count, NUM_FUTURE, 3),
            'future_mask': (count, NUM_FUTURE),
            'has_points': (count, NUM_FUTURE),
            'recently_seen': (count,),
        }
        for name, expected in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != expected:
                raise ValueError(
                    f'{name} of {count} agents has shape {value.shape}, '
                    f'expected {expected}'
                )
        strange = np.unique(self.category[~self._starts_with(*_KINDS)])
        if len(strange):
            raise ValueError(
                f'{strange.tolist()} are no categories of nuScenes; expected '
                'names such as "vehicle.car" or "human.pedestrian.adult"'
            )
        if not np.isfinite(self.size).all() or (self.size <= 0).any():
            raise ValueError('sizes of agents must be positive metres')
        if not np.isfinite(self.future[self.future_mask]).all():
            raise ValueError(
                'a future box of an agent is not finite although its mask '
                'declares it valid'
            )

    def shifted(self, ahead: float) -> 'Agents':
        """Move the origin ``ahead`` metres forward; boxes stay in place."""
        offset = np.array([ahead, 0.0, 0.0])
        return Agents(
            self.category,
            self.size,
            self.now - offset,
            self.future - offset,
            self.future_mask,
            self.has_points,
            self.recently_seen,
        )

    @property
    def is_vehicle(self) -> np.ndarray:
        """(M,) bool, of any vehicle category."""
        return self._starts_with('vehicle')

    @property
    def is_human(self) -> np.ndarray:
        """(M,) bool, of any human category."""
        return self._starts_with('human')

    @property
    def is_detected(self) -> np.ndarray:
        """(M,) bool, vehicles and humans of nuScenes' detection classes."""
        return (self.is_vehicle | self.is_human) & ~self._starts_with(
            *_NOT_DETECTED
        )

    def _starts_with(self, *prefixes: str) -> np.ndarray:
        names, place = np.unique(self.category, return_inverse=True)
        known = [str(name).startswith(prefixes) for name in names]
        return np.array(known, dtype=bool)[place]

    def followed(self) -> np.ndarray:
        """Return (M, 6) bool: present now and annotated at each step since."""
        present = np.isfinite(self.now).all(axis=1)
        unbroken = np.logical_and.accumulate(self.future_mask, axis=1)
        return unbroken & present[:, None]


def detected_vehicles(agents: Agents) -> np.ndarray:
    """Count future boxes of the seven vehicle classes (UniAD, BEV-Planner).

    Agents that arrive later count, and nothing is asked about points or
    visibility.
    """
    counted = agents.is_detected & agents.is_vehicle
    return agents.future_mask & counted[:, None]


def vehicles_from_now(agents: Agents) -> np.ndarray:
    """Count the vehicles of the current frame, followed on (OmniDrive)."""
    return agents.followed() & agents.is_vehicle[:, None]


def detected_from_now(agents: Agents) -> np.ndarray:
    """Count detected vehicles and humans of the current frame (OccWorld)."""
    return agents.followed() & agents.is_detected[:, None]


def near_from_now(agents: Agents) -> np.ndarray:
    """Count as :func:`detected_from_now`, within VAD's range of the LiDAR."""
    near = (np.abs(agents.now[:, :2]) <= VAD_RANGE).all(axis=1)
    return detected_from_now(agents) & near[:, None]


def recently_seen(agents: Agents) -> np.ndarray:
    """Count vehicles and humans seen at -1.0, -0.5 or 0 s (ST-P3).

    Raises:
        ValueError: ``recently_seen`` is not known.
    """
    if agents.recently_seen is None:
        raise ValueError(
            'this preset counts agents that were visible in the last second; '
            'the ground truth needs "agent_recently_seen"'
        )
    counted = (agents.is_vehicle | agents.is_human) & agents.recently_seen
    return agents.future_mask & counted[:, None]


def with_points(agents: Agents) -> np.ndarray:
    """Count every box with a point in it, barriers too (SparseDrive).

    Raises:
        ValueError: ``has_points`` is not known.
    """
    if agents.has_points is None:
        raise ValueError(
            'this preset counts boxes with a LiDAR or radar point; the '
            'ground truth needs "agent_has_points"'
        )
    return agents.future_mask & agents.has_points


AgentRule = Callable[[Agents], np.ndarray]
