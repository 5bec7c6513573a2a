"""Paths that agents follow: dense, smooth polylines through the lane graph."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.roads import Lane, RoadNet

STEP = 0.25  # metres between points
_SMOOTH = 1.2  # metres, standard deviation of the smoothing kernel
_LATERAL_ACCELERATION = 2.8  # m/s^2, comfortable in a bend


@dataclass
class LaneChange:
    """Move to the lane ``index`` of the same section.

    Attributes:
        start (float): Metres from the start of the track's first leg.
        length (float): Metres of road that the change takes.
        index (int): Target lane.
    """

    start: float
    length: float
    index: int


@dataclass
class Track:
    """A path with its curvature, lanes and stops along it.

    Attributes:
        xy (np.ndarray): (N, 2) points, ``STEP`` metres apart.
        yaw (np.ndarray): (N,) unwrapped headings.
        curvature (np.ndarray): (N,) 1 / m.
        legs (list): (lane key, first metre, last metre), in order.
        bends (list): (first metre, last metre) of the lane connectors.
        changes (list): (first metre, last metre, sign) of lane changes;
            the sign is +1 to the left.
        stops (list): (metre, kind, name) where traffic may have to stop;
            kinds are ``signal`` and ``zebra``.
    """

    xy: np.ndarray
    yaw: np.ndarray
    curvature: np.ndarray
    legs: list[tuple[str, float, float]] = field(default_factory=list)
    bends: list[tuple[float, float]] = field(default_factory=list)
    changes: list[tuple[float, float, int]] = field(default_factory=list)
    stops: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def length(self) -> float:
        return (len(self.xy) - 1) * STEP

    def poses(self, s: np.ndarray) -> np.ndarray:
        """(N, 3) x, y, yaw at distances ``s``; held beyond the ends."""
        grid = np.arange(len(self.xy)) * STEP
        s = np.asarray(s, float)
        return np.stack(
            [np.interp(s, grid, line) for line in (*self.xy.T, self.yaw)],
            axis=-1,
        )

    def curvature_at(self, s: np.ndarray) -> np.ndarray:
        grid = np.arange(len(self.xy)) * STEP
        return np.interp(s, grid, self.curvature)

    def speed_limit(self, braking: float) -> np.ndarray:
        """(N,) m/s from which every bend ahead can be taken in comfort."""
        bend = np.abs(self.curvature) + 1e-6
        limit = np.sqrt(_LATERAL_ACCELERATION / bend)
        for i in range(len(limit) - 2, -1, -1):
            reach = np.sqrt(limit[i + 1] ** 2 + 2 * braking * STEP)
            limit[i] = min(limit[i], reach)
        return limit


def quintic(u: np.ndarray) -> np.ndarray:
    """0 to 1 with flat first and second derivatives at both ends."""
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _smooth(xy: np.ndarray) -> np.ndarray:
    reach = int(3 * _SMOOTH / STEP)
    taps = np.arange(-reach, reach + 1) * STEP
    kernel = np.exp(-0.5 * (taps / _SMOOTH) ** 2)
    kernel /= kernel.sum()
    head = 2 * xy[0] - xy[reach:0:-1]
    tail = 2 * xy[-1] - xy[-2 : -reach - 2 : -1]
    padded = np.concatenate([head, xy, tail])
    return np.stack(
        [np.convolve(axis, kernel, 'valid') for axis in padded.T], axis=-1
    )


def _resample(xy: np.ndarray) -> np.ndarray:
    seg = np.linalg.norm(np.diff(xy, axis=0), axis=1)
    keep = np.concatenate([[True], seg > 1e-6])
    xy = xy[keep]
    along = np.concatenate(
        [[0.0], np.linalg.norm(np.diff(xy, axis=0), axis=1).cumsum()]
    )
    grid = np.arange(0.0, along[-1], STEP)
    return np.stack([np.interp(grid, along, axis) for axis in xy.T], axis=-1)


def from_points(xy: np.ndarray, smooth: bool = True) -> Track:
    """A track along a polyline (N, 2)."""
    xy = _resample(np.asarray(xy, float))
    if smooth:
        xy = _resample(_smooth(xy))
    gradient = np.gradient(xy, STEP, axis=0)
    yaw = np.unwrap(np.arctan2(gradient[:, 1], gradient[:, 0]))
    return Track(xy, yaw, np.gradient(yaw, STEP))


def _leg_points(
    net: RoadNet,
    lane: Lane,
    start: float,
    travelled: float,
    changes: Sequence[LaneChange],
) -> tuple[np.ndarray, list[tuple[float, float, int]]]:
    """Points of a lane from ``start`` metres on, with lane changes."""
    road = net.roads[lane.road]
    first, last = lane.span if lane.along else lane.span[::-1]
    sign = 1.0 if lane.along else -1.0
    length = abs(last - first)
    run = np.arange(min(start, length - STEP), length + 1e-6, STEP)
    poses = road.curve.poses(first + sign * run)
    offset = np.full(len(run), road.lane_offset(lane.along, lane.index))
    index, marks = lane.index, []
    for change in changes:
        begin = start + change.start - travelled
        if not 0.0 <= begin < length:
            continue
        shift = road.lane_offset(lane.along, change.index) - road.lane_offset(
            lane.along, index
        )
        offset += shift * quintic((run - begin) / change.length)
        side = int(np.sign(shift * sign))
        marks.append(
            (
                travelled + begin - start,
                travelled + begin - start + change.length,
                side,
            )
        )
        index = change.index
    normal = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1)
    return poses[:, :2] + offset[:, None] * normal, marks


def follow(
    net: RoadNet,
    lane: Lane,
    start: float,
    turns: Sequence[str] = (),
    changes: Sequence[LaneChange] = (),
) -> Track:
    """Track from a place on a lane through the graph to its end.

    Args:
        net (RoadNet): The graph.
        lane (Lane): First lane.
        start (float): Metres from the lane's start.
        turns (Sequence[str]): Turn wanted at each junction; ``straight`` if
            there are none left, and any other turn if that one is missing.
        changes (Sequence[LaneChange]): Lane changes, counted from the start
            of the track.

    Returns:
        Track: With legs, changes and stops filled in.
    """
    points, legs, bends, marks, stops = [], [], [], [], []
    travelled, turns = 0.0, list(turns)
    while lane is not None:
        if lane.turn:
            piece = lane.curve.sample(STEP)[:, :2]
        else:
            piece, new = _leg_points(net, lane, start, travelled, changes)
            marks += new
            for mark in new:
                target = next(
                    c.index for c in changes if abs(c.start - mark[0]) < 1e-6
                )
                lane = _sibling(net, lane, target)
        points.append(piece)
        run = float(np.linalg.norm(np.diff(piece, axis=0), axis=1).sum())
        legs.append((lane.key, travelled, travelled + run))
        if lane.turn:
            bends.append((travelled, travelled + run))
        travelled += run
        if lane.arm:
            stops.append((travelled, 'signal', lane.arm))
        start = 0.0
        if lane.turn:
            lane = net.lanes[lane.outgoing[0]]
        elif lane.outgoing:
            wanted = turns.pop(0) if turns else 'straight'
            lane = net.connector(lane, wanted) or net.lanes[lane.outgoing[0]]
        else:
            lane = None
    track = from_points(np.concatenate(points))
    track.legs, track.bends = legs, bends
    track.changes, track.stops = marks, stops
    _add_zebras(net, track)
    return track


def _sibling(net: RoadNet, lane: Lane, index: int) -> Lane:
    for other in net.lanes.values():
        if (other.road, other.along, other.span, other.index) == (
            lane.road,
            lane.along,
            lane.span,
            index,
        ):
            return other
    raise KeyError(f'no lane {index} beside {lane.key}')


def _add_zebras(net: RoadNet, track: Track) -> None:
    """Where the track crosses zebras; the stop is before the stripes."""
    for road in net.roads.values():
        for number, station in enumerate(road.zebras):
            pose = road.curve.poses([station])[0]
            gap = track.xy - pose[:2]
            ahead = gap @ np.array([np.cos(pose[2]), np.sin(pose[2])])
            left = gap @ np.array([-np.sin(pose[2]), np.cos(pose[2])])
            on = (
                (np.abs(ahead) < 1.0)
                & (left < road.edge(True))
                & (left > -road.edge(False))
            )
            if on.any():
                metre = float(np.flatnonzero(on)[0] * STEP) - 2.4
                track.stops.append((metre, 'zebra', f'{road.name}{number}'))
