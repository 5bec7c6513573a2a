"""Plane curves made of straight lines and circular arcs."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


def wrap(angle: np.ndarray | float) -> np.ndarray | float:
    """Angle in (-pi, pi]."""
    return -((-angle + np.pi) % (2 * np.pi) - np.pi)


@dataclass(frozen=True)
class Arc:
    """A piece of constant curvature.

    Attributes:
        x, y, yaw (float): Start, global metres and radians.
        curvature (float): 1 / m, positive to the left; 0 is a straight line.
        length (float): Metres.
    """

    x: float
    y: float
    yaw: float
    curvature: float
    length: float

    def poses(self, s: np.ndarray) -> np.ndarray:
        """(N, 3) x, y, yaw at ``s`` (N,) metres from the start."""
        s = np.asarray(s, float)
        yaw = self.yaw + self.curvature * s
        # sin(a) / a form: exact, and safe for straight lines.
        half = 0.5 * self.curvature * s
        chord = s * np.sinc(half / np.pi)
        x = self.x + chord * np.cos(self.yaw + half)
        y = self.y + chord * np.sin(self.yaw + half)
        return np.stack([x, y, yaw], axis=-1)

    def part(self, start: float, stop: float) -> 'Arc':
        """The piece between two distances."""
        x, y, yaw = self.poses(np.array([start]))[0]
        return Arc(x, y, yaw, self.curvature, stop - start)

    def offset(self, distance: float) -> 'Arc':
        """The parallel piece ``distance`` metres to the left."""
        stretch = 1.0 - self.curvature * distance
        return Arc(
            self.x - distance * np.sin(self.yaw),
            self.y + distance * np.cos(self.yaw),
            self.yaw,
            self.curvature / stretch,
            self.length * stretch,
        )

    def reversed(self) -> 'Arc':
        """The same piece, travelled the other way."""
        x, y, yaw = self.poses(np.array([self.length]))[0]
        return Arc(x, y, yaw + np.pi, -self.curvature, self.length)


class Curve:
    """Arcs joined end to end.

    Args:
        arcs (Iterable[Arc]): Pieces; each starts where the one before ends.
    """

    def __init__(self, arcs: Iterable[Arc]) -> None:
        self.arcs = tuple(arc for arc in arcs if arc.length > 1e-6)
        if not self.arcs:
            raise ValueError('a Curve needs one arc of positive length')
        self._ends = np.cumsum([arc.length for arc in self.arcs])
        self.length = float(self._ends[-1])

    @classmethod
    def from_pose(
        cls, pose: tuple[float, float, float], plan: Iterable[tuple]
    ) -> 'Curve':
        """Lay pieces of (length, curvature) from a pose x, y, yaw."""
        arcs = []
        for length, curvature in plan:
            arcs.append(Arc(*pose, curvature, length))
            pose = tuple(arcs[-1].poses(np.array([length]))[0])
        return cls(arcs)

    def _locate(self, s: np.ndarray) -> np.ndarray:
        return np.minimum(
            np.searchsorted(self._ends, s, side='right'), len(self.arcs) - 1
        )

    def poses(self, s: np.ndarray) -> np.ndarray:
        """(N, 3) x, y, yaw at ``s`` (N,) metres; goes on beyond the ends."""
        s = np.atleast_1d(np.asarray(s, float))
        index = self._locate(s)
        out = np.empty((len(s), 3))
        for i, arc in enumerate(self.arcs):
            mine = index == i
            if mine.any():
                start = self._ends[i] - arc.length
                out[mine] = arc.poses(s[mine] - start)
        return out

    def curvature(self, s: np.ndarray) -> np.ndarray:
        """(N,) curvature at ``s``."""
        bends = np.array([arc.curvature for arc in self.arcs])
        return bends[self._locate(np.atleast_1d(np.asarray(s, float)))]

    def sample(self, step: float) -> np.ndarray:
        """(N, 3) poses at most ``step`` metres apart, both ends included."""
        count = max(int(np.ceil(self.length / step)), 1) + 1
        return self.poses(np.linspace(0.0, self.length, count))

    def part(self, start: float, stop: float) -> 'Curve':
        """The curve between two distances."""
        pieces = []
        for arc, end in zip(self.arcs, self._ends, strict=True):
            begin = end - arc.length
            low, high = max(start, begin), min(stop, end)
            if high - low > 1e-6:
                pieces.append(arc.part(low - begin, high - begin))
        return Curve(pieces)

    def offset(self, distance: float) -> 'Curve':
        """The parallel curve ``distance`` metres to the left."""
        return Curve(arc.offset(distance) for arc in self.arcs)

    def reversed(self) -> 'Curve':
        """The same curve, travelled the other way."""
        return Curve(arc.reversed() for arc in reversed(self.arcs))

    def nearest(
        self, points: np.ndarray, step: float = 0.5
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distances along and signed distances left of the curve.

        Args:
            points (np.ndarray): (N, 2) metres.
            step (float): Sampling in metres; the answer is refined linearly.

        Returns:
            tuple: (N,) metres along, (N,) metres to the left.
        """
        poses = self.sample(step)
        stations = np.linspace(0.0, self.length, len(poses))
        gap = points[:, None] - poses[None, :, :2]
        index = (gap**2).sum(-1).argmin(1)
        delta = gap[np.arange(len(points)), index]
        yaw = poses[index, 2]
        ahead = delta[:, 0] * np.cos(yaw) + delta[:, 1] * np.sin(yaw)
        left = delta[:, 1] * np.cos(yaw) - delta[:, 0] * np.sin(yaw)
        return stations[index] + ahead, left


def fillet(
    start: np.ndarray, end: np.ndarray, max_radius: float = np.inf
) -> Curve:
    """Straight line, one arc, straight line from pose to pose.

    Args:
        start (np.ndarray): x, y, yaw.
        end (np.ndarray): x, y, yaw; its line must cross the start's line
            ahead of the start and behind the end.
        max_radius (float): Upper limit of the arc's radius, metres.

    Raises:
        ValueError: If the two lines do not meet that way.
    """
    turn = wrap(end[2] - start[2])
    forward = np.array([np.cos(start[2]), np.sin(start[2])])
    onward = np.array([np.cos(end[2]), np.sin(end[2])])
    matrix = np.stack([forward, onward], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-3:
        raise ValueError(f'no fillet joins {start} and {end}: parallel')
    first, last = np.linalg.solve(matrix, end[:2] - start[:2])
    slope = np.tan(abs(turn) / 2)
    tangent = min(first, last, max_radius * slope)
    if tangent <= 0:
        raise ValueError(f'no fillet joins {start} and {end}: they diverge')
    radius = tangent / slope
    return Curve.from_pose(
        tuple(start),
        [
            (first - tangent, 0.0),
            (radius * abs(turn), np.sign(turn) / radius),
            (last - tangent, 0.0),
        ],
    )
