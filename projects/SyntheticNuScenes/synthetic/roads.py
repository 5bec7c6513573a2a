"""Roads, lanes and lane connectors: the graph that traffic drives on.

Traffic keeps to the right. A road has a centre line; a lane lies to the left
(positive) or right (negative) of it. A junction cuts roads into sections.
"""

from dataclasses import dataclass, field

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.curves import (
    Curve,
    fillet,
    wrap,
)

GUTTER = 0.4  # metres of asphalt between the outer lane and the kerb
CROSSING_WIDTH = 3.6  # metres of a zebra along the road
CORNER_RADIUS = 7.0  # metres, of the kerb at a junction
STOP_GAP = 1.2  # metres from the zebra to the stop line
_STRAIGHT = np.radians(35)


@dataclass
class Side:
    """What lies beside the lanes of a road, from the lanes outwards.

    Attributes:
        parking (float): Width of the parking strip, metres, 0 for none.
        verge (float): Width of the green strip between kerb and side walk.
        walk (float): Width of the side walk.
        setback (float): From the side walk to the buildings.
        ground (str): Ground of the set-back: ``terrain``, ``walk``, ``flat``.
        buildings (float): Share of the frontage that is built up.
        trees (float): Trees for each metre of road.
    """

    parking: float
    verge: float
    walk: float
    setback: float
    ground: str
    buildings: float
    trees: float


@dataclass
class Road:
    """A road before it is cut into sections.

    Attributes:
        name (str): Unique in its scene.
        curve (Curve): Centre line.
        lanes (tuple): Number of lanes along and against the centre line.
        lane_width (float): Metres.
        median (float): Width of the raised median, 0 for a painted line.
        left, right (Side): Surroundings.
        gap (tuple): Start and end of the junction on the centre line, or
            None.
        zebras (list): Centre stations of the pedestrian crossings.
        bays (tuple): Parts of the left and the right kerb with parking:
            lists of (start, stop) stations.
    """

    name: str
    curve: Curve
    lanes: tuple[int, int]
    lane_width: float
    median: float
    left: Side
    right: Side
    gap: tuple[float, float] | None = None
    zebras: list[float] = field(default_factory=list)
    bays: tuple[list, list] = field(default_factory=lambda: ([], []))

    def lane_offset(self, along: bool, index: int) -> float:
        """Signed distance of a lane's centre; index 0 is the inner lane."""
        inner = self.median / 2 + (index + 0.5) * self.lane_width
        return -inner if along else inner

    def edge(self, left: bool) -> float:
        """Distance of the outermost lane's outer border, metres."""
        count = self.lanes[1] if left else self.lanes[0]
        return self.median / 2 + count * self.lane_width

    def kerb(self, left: bool) -> float:
        """Distance of the kerb from the centre line, metres."""
        side = self.left if left else self.right
        return self.edge(left) + GUTTER + side.parking

    def walk_start(self, left: bool) -> float:
        side = self.left if left else self.right
        return self.kerb(left) + side.verge

    def walk_end(self, left: bool) -> float:
        side = self.left if left else self.right
        return self.walk_start(left) + side.walk

    def sections(self) -> list[tuple[float, float]]:
        """Start and stop of the parts outside the junction."""
        if self.gap is None:
            return [(0.0, self.curve.length)]
        parts = [(0.0, self.gap[0]), (self.gap[1], self.curve.length)]
        return [part for part in parts if part[1] - part[0] > 1.0]


@dataclass
class Lane:
    """A lane or a lane connector.

    Attributes:
        key (str): Unique in its scene.
        curve (Curve): Centre line in the direction of travel.
        width (float): Metres.
        road (str): Road of a lane, '' for a connector.
        along (bool): True where the lane runs along its road's centre line.
        index (int): 0 for the inner lane.
        span (tuple): Start and stop on the road's centre line.
        turn (str): '' for a lane, else ``straight``, ``left``, ``right``.
        arm (str): Arm of the junction that a lane leads to, '' for none.
        incoming, outgoing (list): Keys of connected lanes.
    """

    key: str
    curve: Curve
    width: float
    road: str = ''
    along: bool = True
    index: int = 0
    span: tuple[float, float] = (0.0, 0.0)
    turn: str = ''
    arm: str = ''
    incoming: list[str] = field(default_factory=list)
    outgoing: list[str] = field(default_factory=list)


def _turn_of(angle: float) -> str:
    if abs(angle) < _STRAIGHT:
        return 'straight'
    return 'left' if angle > 0 else 'right'


class RoadNet:
    """Lanes and connectors of a set of roads that share one junction.

    Args:
        roads (list[Road]): One or two roads; their ``gap`` is the junction.
    """

    def __init__(self, roads: list[Road]) -> None:
        self.roads = {road.name: road for road in roads}
        self.lanes: dict[str, Lane] = {}
        for road in roads:
            self._add_lanes(road)
        self._add_connectors()

    def _add_lanes(self, road: Road) -> None:
        for number, (start, stop) in enumerate(road.sections()):
            part = road.curve.part(start, stop)
            for along in (True, False):
                for index in range(road.lanes[0 if along else 1]):
                    curve = part.offset(road.lane_offset(along, index))
                    key = f'{road.name}{number}{"fb"[not along]}{index}'
                    self.lanes[key] = Lane(
                        key,
                        curve if along else curve.reversed(),
                        road.lane_width,
                        road.name,
                        along,
                        index,
                        (start, stop),
                        arm=self._arm(road, start, stop, along),
                    )

    def _arm(self, road: Road, start: float, stop: float, along: bool) -> str:
        """Name of the arm if this lane leads into the junction."""
        if road.gap is None:
            return ''
        leads = stop == road.gap[0] if along else start == road.gap[1]
        return f'{road.name}{"ab"[not along]}' if leads else ''

    def _exit_arm(self, lane: Lane) -> str:
        """Name of the arm if this lane leads out of the junction."""
        road = self.roads[lane.road]
        if road.gap is None:
            return ''
        leaves = (
            lane.span[0] == road.gap[1]
            if lane.along
            else lane.span[1] == road.gap[0]
        )
        return f'{lane.road}{"ba"[not lane.along]}' if leaves else ''

    def _add_connectors(self) -> None:
        arrivals = [lane for lane in self.lanes.values() if lane.arm]
        exits = [lane for lane in self.lanes.values() if self._exit_arm(lane)]
        for lane in arrivals:
            for onward in exits:
                arm = self._exit_arm(onward)
                if arm != lane.arm and self._may_join(lane, onward):
                    self._connect(lane, onward)

    def _may_join(self, lane: Lane, onward: Lane) -> bool:
        start = lane.curve.poses([lane.curve.length])[0]
        end = onward.curve.poses([0.0])[0]
        turn = _turn_of(wrap(end[2] - start[2]))
        if turn == 'straight':
            return lane.road == onward.road and lane.index == onward.index
        if turn == 'left':
            return lane.index == 0 and onward.index == 0
        return (
            lane.index == self._count(lane) - 1
            and onward.index == self._count(onward) - 1
        )

    def _count(self, lane: Lane) -> int:
        return self.roads[lane.road].lanes[0 if lane.along else 1]

    def _connect(self, lane: Lane, onward: Lane) -> None:
        start = lane.curve.poses([lane.curve.length])[0]
        end = onward.curve.poses([0.0])[0]
        turn = _turn_of(wrap(end[2] - start[2]))
        if turn == 'straight':
            road = self.roads[lane.road]
            curve = road.curve.part(*road.gap).offset(
                road.lane_offset(lane.along, lane.index)
            )
            if not lane.along:
                curve = curve.reversed()
        else:
            # A right turn keeps its distance from the kerb all the way.
            limit = CORNER_RADIUS + GUTTER + lane.width / 2
            curve = fillet(start, end, limit if turn == 'right' else np.inf)
        key = f'{lane.key}-{onward.key}'
        self.lanes[key] = Lane(
            key,
            curve,
            min(lane.width, onward.width),
            turn=turn,
            incoming=[lane.key],
            outgoing=[onward.key],
        )
        lane.outgoing.append(key)
        onward.incoming.append(key)

    def find(
        self, road: str, along: bool, index: int, into_junction: bool
    ) -> Lane:
        """The lane of a road before or after the junction.

        Raises:
            KeyError: If there is none.
        """
        for lane in self.lanes.values():
            if (lane.road, lane.along, lane.index) == (road, along, index):
                if bool(lane.arm) == into_junction or (
                    self.roads[road].gap is None
                ):
                    return lane
        raise KeyError(f'no lane {index} on road {road!r}, along={along}')

    def connector(self, lane: Lane, turn: str) -> Lane | None:
        """The connector that leaves ``lane`` by ``turn``, or None."""
        for key in lane.outgoing:
            if self.lanes[key].turn == turn:
                return self.lanes[key]
        return None
