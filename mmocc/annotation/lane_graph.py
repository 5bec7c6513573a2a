"""The lanes of a nuScenes map as arrays: centrelines and their links.

Built from the map expansion directly, so that neither the devkit nor shapely
is needed. A *lane* here is a lane or a lane connector (the guide line
through an intersection).

All geometry is in the map frame of nuScenes: x east, y north, metres; yaw in
radians, anti-clockwise from x.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from mmocc.infos.planar import wrap_angle

# Distance between the points of a centreline, metres. Ours: well below the
# length of a car.
LANE_SPACING = 1.0
# Sign of curvature of the three parts of an arcline, by its shape.
_TURNS = {'L': 1.0, 'S': 0.0, 'R': -1.0}
# Two lanes lie side by side where their centrelines are this far apart,
# metres, and run within this angle, radians (nuScenes lanes: 2.5 to 4.5 m).
NEIGHBOUR_DISTANCE = (2.5, 4.5)
NEIGHBOUR_ANGLE = np.deg2rad(15.0)
# Where along a lane its neighbours are looked for, as a share of its length.
_PROBES = (0.1, 0.3, 0.5, 0.7, 0.9)


def sample_arcline(arcline: list[dict], spacing: float) -> np.ndarray:
    """Sample points of an arcline path (arcs and straight lines).

    Args:
        arcline (list[dict]): Paths with ``start_pose``, ``shape``, ``radius``
            and the three ``segment_length``.
        spacing (float): Largest distance between two points, metres.

    Returns:
        np.ndarray: (N, 3) x, y, yaw, both ends included. N >= 2 unless the
        chain has no length.
    """
    pieces = []
    for path in arcline:
        x, y, yaw = path['start_pose']
        for turn, length in zip(
            path['shape'], path['segment_length'], strict=True
        ):
            if length <= 0:
                continue
            curvature = _TURNS[turn] / path['radius']
            count = max(int(np.ceil(length / spacing)), 1)
            s = np.linspace(0.0, length, count + 1)
            # The chord of an arc of length s has half the arc's turn.
            half = curvature * s / 2
            chord = s * np.sinc(half / np.pi)
            points = np.stack(
                (
                    x + chord * np.cos(yaw + half),
                    y + chord * np.sin(yaw + half),
                    yaw + 2 * half,
                ),
                axis=1,
            )
            x, y, yaw = points[-1]
            # The next piece starts where this one ends.
            if pieces:
                pieces[-1] = pieces[-1][:-1]
            pieces.append(points)
    if not pieces:
        return np.zeros((0, 3))
    return np.concatenate(pieces)


@dataclass(frozen=True)
class Projection:
    """The projection of a pose to a lane.

    Attributes:
        along (float): Arc length from the lane's start, metres.
        offset (float): Distance to the centreline, metres, + to its left.
        distance (float): Distance to the nearest point of the lane; larger
            than ``abs(offset)`` before its start and behind its end.
        angle (float): Heading of the pose minus heading of the lane, wrapped.
        yaw (float): Heading of the lane there, radians.
    """

    along: float
    offset: float
    distance: float
    angle: float
    yaw: float


@dataclass(frozen=True)
class LaneGraph:
    """Lane centrelines, their successors and their neighbours.

    Args:
        tokens (tuple[str]): Names of the L lanes.
        polylines (tuple[np.ndarray]): L arrays (N_i, 3): x, y, yaw.
        is_connector (np.ndarray): (L,) bool, True for lane connectors.
        successors (tuple[tuple[int]]): Lanes that start where a lane ends.
        neighbours (tuple[tuple[tuple[int], tuple[int]]]): For each lane its
            neighbours to the left and to the right, same driving direction.
    """

    tokens: tuple[str, ...]
    polylines: tuple[np.ndarray, ...]
    is_connector: np.ndarray
    successors: tuple[tuple[int, ...], ...]
    neighbours: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = field(
        default=()
    )

    def __post_init__(self) -> None:
        if not self.neighbours:
            object.__setattr__(self, 'neighbours', self._find_neighbours())

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def from_map(
        cls, tables: dict, spacing: float = LANE_SPACING
    ) -> 'LaneGraph':
        """Build the graph from the tables of a map expansion.

        Lanes without a centreline are left out.

        Args:
            tables (dict): ``MapTables.tables``, of which ``lane``,
                ``lane_connector``, ``arcline_path_3`` and ``connectivity``
                are read.
            spacing (float): Distance between two points of a centreline,
                metres. Defaults to 1.0.
        """
        tokens, polylines, is_connector = [], [], []
        for kind in ('lane', 'lane_connector'):
            for record in tables[kind]:
                token = record['token']
                points = sample_arcline(
                    tables['arcline_path_3'].get(token, []), spacing
                )
                if len(points) < 2:
                    continue
                tokens.append(token)
                polylines.append(points)
                is_connector.append(kind == 'lane_connector')
        index = {token: i for i, token in enumerate(tokens)}
        successors = tuple(
            tuple(
                index[other]
                for other in tables['connectivity']
                .get(token, {})
                .get('outgoing', [])
                if other in index
            )
            for token in tokens
        )
        return cls(
            tokens=tuple(tokens),
            polylines=tuple(polylines),
            is_connector=np.array(is_connector, dtype=bool),
            successors=successors,
        )

    @cached_property
    def _tree(self) -> tuple[cKDTree, np.ndarray]:
        """Return a search tree over all points, and each point's lane."""
        owner = np.repeat(
            np.arange(len(self)), [len(line) for line in self.polylines]
        )
        points = (
            np.concatenate(self.polylines)[:, :2]
            if len(self)
            else np.zeros((0, 2))
        )
        return cKDTree(points), owner

    @cached_property
    def lengths(self) -> np.ndarray:
        """(L,) lengths of the centrelines, metres."""
        return np.array(
            [
                np.hypot(*np.diff(line[:, :2], axis=0).T).sum()
                for line in self.polylines
            ]
        )

    @cached_property
    def turns(self) -> np.ndarray:
        """(L,) heading at the end minus heading at the start, radians."""
        return np.array(
            [wrap_angle(np.diff(line[:, 2])).sum() for line in self.polylines]
        )

    def near(self, x: float, y: float, radius: float) -> list[int]:
        """Return the lanes with a point within ``radius`` metres, sorted."""
        tree, owner = self._tree
        if not len(self):
            return []
        # A segment's ends may be half a spacing further away than itself.
        found = tree.query_ball_point((x, y), radius + LANE_SPACING / 2)
        return np.unique(owner[found]).tolist()

    def project(self, lane: int, pose: np.ndarray) -> Projection:
        """Project a pose (3,) x, y, yaw to the lane of index ``lane``."""
        line = self.polylines[lane]
        start, end = line[:-1, :2], line[1:, :2]
        step = end - start
        squared = np.maximum((step**2).sum(1), 1e-12)
        share = ((pose[:2] - start) * step).sum(1) / squared
        foot = start + np.clip(share, 0.0, 1.0)[:, None] * step
        distance = np.hypot(*(pose[:2] - foot).T)
        best = int(distance.argmin())
        part = float(np.clip(share[best], 0.0, 1.0))
        sizes = np.sqrt(squared)
        bend = wrap_angle(line[best + 1, 2] - line[best, 2])
        yaw = float(line[best, 2] + part * bend)
        away = pose[:2] - foot[best]
        offset = -np.sin(yaw) * away[0] + np.cos(yaw) * away[1]
        return Projection(
            along=float(sizes[:best].sum() + part * sizes[best]),
            offset=float(offset),
            distance=float(distance[best]),
            angle=float(wrap_angle(pose[2] - yaw)),
            yaw=float(wrap_angle(yaw)),
        )

    def reaches(self, start: int, goal: int, max_links: int) -> bool:
        """Return whether ``goal`` follows ``start`` within so many links."""
        frontier, seen = {start}, {start}
        for _ in range(max_links):
            frontier = {
                after for lane in frontier for after in self.successors[lane]
            } - seen
            if goal in frontier:
                return True
            seen |= frontier
        return False

    def _find_neighbours(
        self,
    ) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Find lanes that run side by side, probed at a few places each."""
        sides = [(set(), set()) for _ in self.tokens]
        for lane, line in enumerate(self.polylines):
            for share in _PROBES:
                pose = line[round(share * (len(line) - 1))]
                for other in self.near(*pose[:2], NEIGHBOUR_DISTANCE[1]):
                    if other == lane:
                        continue
                    there = self.project(other, pose)
                    beside = (
                        NEIGHBOUR_DISTANCE[0]
                        <= abs(there.offset)
                        <= NEIGHBOUR_DISTANCE[1]
                        and there.distance <= NEIGHBOUR_DISTANCE[1]
                        and abs(there.angle) <= NEIGHBOUR_ANGLE
                    )
                    if beside:
                        # We are right of a lane that lies to our left.
                        sides[lane][0 if there.offset < 0 else 1].add(other)
        for lane in range(len(self)):
            linked = set(self.successors[lane])
            linked |= {
                other
                for side in sides[lane]
                for other in side
                if lane in self.successors[other]
            }
            for side in sides[lane]:
                side -= linked
        return tuple(
            (tuple(sorted(left)), tuple(sorted(right)))
            for left, right in sides
        )
