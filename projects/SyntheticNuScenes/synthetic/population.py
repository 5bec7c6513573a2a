"""Place the road users of a scene: those of its script and random ones."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.roads import (
    CROSSING_WIDTH,
    Lane,
    Road,
)
from mmocc.projects.SyntheticNuScenes.synthetic.scenarios import Scenario
from mmocc.projects.SyntheticNuScenes.synthetic.tracks import (
    LaneChange,
    follow,
    from_points,
)
from mmocc.projects.SyntheticNuScenes.synthetic.traffic import (
    EGO_FRONT,
    EGO_HEIGHT,
    EGO_LENGTH,
    EGO_WIDTH,
    Driver,
    RoadUser,
    Simulation,
    crossing_time,
)
from mmocc.projects.SyntheticNuScenes.synthetic.world import World

# Length, width, height in metres: mean and relative spread.
_SIZES = {
    'vehicle.car': ((4.55, 1.88, 1.62), 0.05),
    'vehicle.truck': ((7.2, 2.45, 3.0), 0.1),
    'vehicle.bus.rigid': ((10.8, 2.8, 3.3), 0.04),
    'vehicle.trailer': ((8.6, 2.6, 3.5), 0.06),
    'vehicle.construction': ((6.0, 2.6, 3.1), 0.06),
    'vehicle.motorcycle': ((2.1, 0.8, 1.5), 0.05),
    'vehicle.bicycle': ((1.75, 0.62, 1.35), 0.05),
    'human.pedestrian.adult': ((0.62, 0.66, 1.74), 0.05),
    'human.pedestrian.child': ((0.48, 0.5, 1.25), 0.06),
    'human.pedestrian.construction_worker': ((0.64, 0.68, 1.76), 0.04),
    'movable_object.trafficcone': ((0.42, 0.42, 0.95), 0.08),
    'movable_object.barrier': ((0.5, 2.1, 1.0), 0.05),
    'movable_object.pushable_pullable': ((0.75, 0.7, 1.15), 0.08),
}
_RIDER_HEIGHT = 1.78
_PAINTS = (
    (232, 232, 230),
    (40, 42, 46),
    (150, 154, 160),
    (168, 30, 34),
    (36, 66, 132),
    (92, 98, 104),
    (28, 84, 70),
    (196, 168, 110),
    (210, 120, 40),
    (104, 24, 48),
    (70, 120, 180),
)
_AMBIENT = (
    ('vehicle.car', 0.74),
    ('vehicle.truck', 0.09),
    ('vehicle.bus.rigid', 0.06),
    ('vehicle.motorcycle', 0.06),
    ('vehicle.bicycle', 0.05),
)
_WALKING_SPEED = 1.35
_SPREAD = 0.38  # step in which places on a crossing are given out
_MAX_ATTEMPTS = 12
_ROUTE = 110.0  # metres of the ego's track that matter
_REACH = 85.0  # metres from it within which agents are kept


@dataclass
class Cast:
    """The road users of a scene after simulation; the first is the ego car."""

    agents: list[RoadUser]
    simulation: Simulation


def _size(category: str, rng: np.random.Generator) -> tuple:
    mean, spread = _SIZES[category]
    factor = 1.0 + spread * rng.uniform(-1.5, 1.5, 3)
    return tuple(
        float(round(m * f, 3)) for m, f in zip(mean, factor, strict=True)
    )


def _agent(category: str, rng: np.random.Generator, **more) -> RoadUser:
    size = _size(category, rng)
    if more.get('attribute') == 'cycle.with_rider':
        size = (size[0], size[1], _RIDER_HEIGHT)
    colour = tuple(
        float(c) for c in np.array(_PAINTS[rng.integers(len(_PAINTS))])
    )
    return RoadUser(
        category,
        size,
        style=int(rng.integers(1 << 16)),
        colour=colour,
        **more,
    )


class Director:
    """Places the agents of one scene.

    Args:
        world (World): Where.
        scenario (Scenario): Why.
        rng (np.random.Generator): All else.
    """

    def __init__(
        self, world: World, scenario: Scenario, rng: np.random.Generator
    ) -> None:
        self.world, self.scenario, self.rng = world, scenario, rng
        self.net = world.net
        self.agents: list[RoadUser] = []
        self.walkers: Counter = Counter()
        self._ego()
        self._lead()
        if scenario.work_zone is not None:
            self._work_zone(scenario.work_zone)
        if scenario.blocker is not None:
            self._blocker(scenario.blocker)
        self._crossers()
        self._traffic()
        self._parked()
        self._side_walks()
        self._props()

    # -- the scenario's own cast -------------------------------------------

    def _ego(self) -> None:
        plan, world = self.scenario, self.world
        road = world.main
        count = road.lanes[0]
        index = plan.lane % count
        lane = self.net.find('main', True, index, bool(road.gap))
        self.start = (
            (lane.span[1] if road.gap else world.middle)
            - lane.span[0]
            - plan.approach
            - EGO_FRONT
        )
        changes, at = [], index
        for metre, length, step in plan.changes:
            at = int(np.clip(at + step, 0, count - 1))
            changes.append(LaneChange(metre, length, at))
        self.lane = lane
        track = follow(self.net, lane, self.start, [plan.turn], changes)
        self.ego = RoadUser(
            'vehicle.ego',
            (EGO_LENGTH, EGO_WIDTH, EGO_HEIGHT),
            track=track,
            speed=plan.speed,
            driver=Driver(
                plan.wanted,
                1.3,
                1.9,
                2.0,
                4.0,
                list(plan.schedule),
                'work_zone' if plan.work_zone is not None else 'free',
            ),
            front=EGO_FRONT,
        )
        self.agents.append(self.ego)

    def _station(self, metres: float) -> float:
        """Station on the main road ``metres`` ahead of the ego's start."""
        return self.lane.span[0] + self.start + metres

    def _lead(self) -> None:
        lead = self.scenario.lead
        if lead is None:
            return
        agent = _agent(lead.category, self.rng)
        ahead = EGO_FRONT + lead.gap + agent.size[0] / 2
        agent.track = follow(
            self.net, self.lane, self.start + ahead, [lead.turn]
        )
        agent.speed = lead.speed
        agent.driver = Driver(
            max(lead.speed, 3.0), schedule=list(lead.schedule)
        )
        self.agents.append(agent)

    def _on_road(
        self, road: Road, station: float, offset: float, turn: float = 0.0
    ) -> tuple[float, float, float]:
        x, y, yaw = road.curve.poses([station])[0]
        return (
            float(x - offset * np.sin(yaw)),
            float(y + offset * np.cos(yaw)),
            float(yaw + turn),
        )

    def _work_zone(self, metres: float) -> None:
        road, rng = self.world.main, self.rng
        begin = self._station(metres)
        width = road.lane_width
        middle = road.lane_offset(True, self.lane.index)
        inner, outer = middle + width / 2 - 0.25, middle - width / 2 + 0.1
        taper, length = 10.0, rng.uniform(10.8, 13)
        spots = [
            (begin - taper + taper * u, outer + (inner - outer) * u)
            for u in np.linspace(0.0, 1.0, 6)
        ]
        spots += [(begin + s, inner) for s in np.arange(2.5, length, 2.5)]
        spots += [
            (begin + length + 4.0 * u, inner + (outer - inner) * u)
            for u in np.linspace(0.0, 1.0, 3)
        ]
        for station, offset in spots:
            self._still(
                'movable_object.trafficcone',
                self._on_road(road, station, offset),
            )
        for offset in (middle + 0.4, middle - 1.3):
            self._still(
                'movable_object.barrier',
                self._on_road(road, begin + 0.6, offset),
            )
        self._still(
            'vehicle.construction',
            self._on_road(road, begin + 6.2, middle - 0.35),
            'vehicle.stopped',
        )
        for step in (1.8, length - 0.4):
            self._still(
                'human.pedestrian.construction_worker',
                self._on_road(
                    road, begin + step, middle - 0.2, rng.uniform(-3, 3)
                ),
                'pedestrian.standing',
            )

    def _blocker(self, metres: float) -> None:
        road = self.world.main
        agent = self._still(
            'vehicle.truck',
            self._on_road(
                road,
                self._station(metres),
                road.lane_offset(True, self.lane.index),
            ),
            'vehicle.stopped',
        )
        rear = self._station(metres) - agent.size[0] / 2
        for step, side in ((1.2, 0.6), (2.0, -0.2)):
            self._still(
                'movable_object.trafficcone',
                self._on_road(
                    road,
                    rear - step,
                    road.lane_offset(True, self.lane.index) + side,
                ),
            )

    def _still(
        self, category: str, pose: tuple, attribute: str = ''
    ) -> RoadUser:
        agent = _agent(category, self.rng, pose=pose, attribute=attribute)
        self.agents.append(agent)
        return agent

    def _crossers(self) -> None:
        rng = self.rng
        zebras = sorted(s for s in self.ego.track.stops if s[1] == 'zebra')
        for walkers in self.scenario.walkers:
            name = zebras[walkers.zebra][2]
            backwards = self._nearer_from_left(name)
            for number in range(walkers.count):
                agent = self._cross(name, 0.0, backwards, number)
                agent.depart = walkers.clear - 0.5 * number
                agent.depart -= crossing_time(agent, self.ego)
        # Others cross in front of traffic that is held by a red light.
        for start, stop in self.scenario.red:
            first = next((s for s in zebras if s[2].startswith('main')), None)
            if first is None:
                continue
            depart = max(start, -1.0)
            while depart < stop:
                agent = self._cross(first[2], depart, bool(rng.integers(2)), 0)
                if depart + crossing_time(agent, self.ego) > stop:
                    self.agents.remove(agent)
                depart += rng.uniform(1.2, 3.0)

    def _nearer_from_left(self, name: str) -> bool:
        """True if the ego's lane is on the left part of the crossing."""
        road = self.net.roads[name.rstrip('0123456789')]
        station = road.zebras[int(name[len(road.name) :])]
        ends = np.array(
            [
                self._on_road(road, station, offset)[:2]
                for offset in (-road.kerb(False), road.kerb(True))
            ]
        )
        gap = np.linalg.norm(ends[:, None] - self.ego.track.xy, axis=-1)
        right, left = gap.min(1)
        return bool(left < right)

    def _cross(
        self, name: str, depart: float, backwards: bool, number: int
    ) -> RoadUser:
        road = self.net.roads[name.rstrip('0123456789')]
        station = road.zebras[int(name[len(road.name) :])]
        # Side by side, or those who wait would stand in one place.
        place = (_SPREAD * self.walkers[name] + 0.1) % 1.0 - 0.5
        self.walkers[name] += 1
        shift = 0.85 * place * CROSSING_WIDTH
        low, high = -road.kerb(False) - 0.6, road.kerb(True) + 0.6
        ends = [
            self._on_road(road, station + shift, offset)[:2]
            for offset in (low - 2.0, high + 2.0)
        ]
        if backwards:
            ends.reverse()
        category = (
            'human.pedestrian.child'
            if number == 1 and self.rng.random() < 0.3
            else 'human.pedestrian.adult'
        )
        agent = _agent(category, self.rng, zebra=name, depart=depart)
        agent.track = from_points(np.array(ends), smooth=False)
        agent.start = 1.4 - 0.2 * number
        agent.speed = _WALKING_SPEED * self.rng.uniform(0.95, 1.2)
        self.agents.append(agent)
        return agent

    # -- everybody else ----------------------------------------------------

    def _reserved(self, lane: Lane, metre: float) -> bool:
        """True near the ego's start, route and merges."""
        xy = lane.curve.poses([metre])[0, :2]
        track = self.ego.track
        reach = int(self.scenario.clear / 0.25)
        gap = np.linalg.norm(track.xy[:reach] - xy, axis=1).min()
        behind = np.linalg.norm(
            xy - track.xy[0] - 9.0 * (track.xy[0] - track.xy[4])
        )
        limit = 2.4 if not self.scenario.changes else 4.2
        return gap < limit or behind < 11.0

    def _traffic(self) -> None:
        rng = self.rng
        for lane in list(self.net.lanes.values()):
            if lane.turn:
                continue
            spacing = rng.uniform(16, 42)
            metre = rng.uniform(5, spacing)
            while metre < lane.curve.length - 9:
                kinds, chances = zip(*_AMBIENT, strict=True)
                category = str(rng.choice(kinds, p=chances))
                if not self._reserved(lane, metre):
                    self._driver(lane, metre, category)
                metre += 11.0 + rng.exponential(spacing)

    def _driver(self, lane: Lane, metre: float, category: str) -> None:
        rng = self.rng
        cycle = category in ('vehicle.bicycle', 'vehicle.motorcycle')
        agent = _agent(
            category, rng, attribute='cycle.with_rider' if cycle else ''
        )
        turn = 'straight'
        if rng.random() < 0.3 and self.net.connector(lane, 'right'):
            turn = 'right'
        elif not self.net.connector(lane, 'straight') and lane.arm:
            turn = 'right' if self.net.connector(lane, 'right') else 'left'
        agent.track = follow(self.net, lane, metre, [turn])
        wanted = 4.4 if category == 'vehicle.bicycle' else rng.uniform(7, 11)
        ahead = lane.curve.length - metre
        speed = wanted
        if lane.arm and self.scenario.signal(lane.arm, 0.0) != 'green':
            speed = min(wanted, np.sqrt(2 * 1.2 * max(ahead - 8.0, 0.0)))
        agent.speed = float(speed)
        agent.driver = Driver(float(wanted), rng.uniform(1.1, 1.7))
        self.agents.append(agent)

    def _parked(self) -> None:
        rng = self.rng
        for road in self.net.roads.values():
            for left, bays in ((True, road.bays[0]), (False, road.bays[1])):
                side = road.left if left else road.right
                sign = 1 if left else -1
                offset = sign * (road.edge(left) + 0.4 + side.parking / 2)
                for start, stop in bays:
                    fill = rng.uniform(0.45, 0.95)
                    s = start + 3.2
                    while s < stop - 3.0:
                        if rng.random() < fill:
                            pose = self._on_road(
                                road,
                                s,
                                offset + rng.uniform(-0.12, 0.12),
                                (np.pi if left else 0.0)
                                + rng.uniform(-0.03, 0.03),
                            )
                            kind = rng.random()
                            if kind < 0.9:
                                self._still(
                                    'vehicle.car', pose, 'vehicle.parked'
                                )
                            else:
                                self._still(
                                    'vehicle.motorcycle',
                                    pose,
                                    'cycle.without_rider',
                                )
                        s += rng.uniform(5.7, 7.0)

    def _side_walks(self) -> None:
        rng = self.rng
        for road in self.net.roads.values():
            for left in (True, False):
                sign = 1 if left else -1
                low, high = road.walk_start(left) + 0.6, road.walk_end(left)
                for _ in range(rng.poisson(road.curve.length / 26)):
                    offset = sign * rng.uniform(
                        low, max(high - 0.5, low + 0.1)
                    )
                    s = rng.uniform(5, road.curve.length - 5)
                    if not self._walkable(road, s):
                        continue
                    if rng.random() < 0.62:
                        self._stroll(road, s, offset)
                    else:
                        self._linger(road, s, offset)

    def _walkable(self, road: Road, s: float) -> bool:
        return road.gap is None or not (
            road.gap[0] - 2.0 < s < road.gap[1] + 2.0
        )

    def _person(self) -> str:
        return (
            'human.pedestrian.adult'
            if self.rng.random() < 0.88
            else 'human.pedestrian.child'
        )

    def _stroll(self, road: Road, s: float, offset: float) -> None:
        rng = self.rng
        low, high = 0.0, road.curve.length
        if road.gap:
            if s < road.gap[0]:
                high = road.gap[0] - 1.0
            else:
                low = road.gap[1] + 1.0
        forward = bool(rng.integers(2))
        speed = _WALKING_SPEED * rng.uniform(0.7, 1.25)
        reach = speed * 13.0
        stop = min(s + reach, high) if forward else max(s - reach, low)
        if abs(stop - s) < 2.0:
            self._linger(road, s, offset)
            return
        stations = np.linspace(s, stop, 24)
        points = [self._on_road(road, t, offset)[:2] for t in stations]
        agent = _agent(self._person(), rng, speed=float(speed))
        agent.track = from_points(np.array(points), smooth=False)
        self.agents.append(agent)

    def _linger(self, road: Road, s: float, offset: float) -> None:
        pose = self._on_road(road, s, offset, self.rng.uniform(-3.1, 3.1))
        sitting = self.rng.random() < 0.08
        self._still(
            self._person(),
            pose,
            'pedestrian.sitting_lying_down'
            if sitting
            else 'pedestrian.standing',
        )

    def _props(self) -> None:
        """Rare classes, somewhere beside the ego's route."""
        wanted = [
            ('movable_object.pushable_pullable', 4),
            ('vehicle.bicycle', 3),
            ('vehicle.trailer', 1),
            ('vehicle.construction', 1),
            ('movable_object.barrier', 3),
            ('movable_object.trafficcone', 3),
            ('vehicle.motorcycle', 2),
            ('vehicle.truck', 1),
            ('vehicle.bus.rigid', 1),
        ]
        for category, count in wanted:
            for _ in range(count):
                self._prop(category)

    def _prop(self, category: str) -> None:
        rng = self.rng
        large = _SIZES[category][0][0] > 3.0
        attribute = ''
        if category.startswith('vehicle'):
            cycle = category in ('vehicle.bicycle', 'vehicle.motorcycle')
            attribute = 'cycle.without_rider' if cycle else 'vehicle.parked'
        for _ in range(_MAX_ATTEMPTS):
            track = self.ego.track
            metre = rng.uniform(-10, min(track.length, 100))
            x, y, yaw = track.poses([max(metre, 0.0)])[0]
            side = (-1, 1)[rng.integers(2)]
            reach = rng.uniform(5.5, 24.0)
            agent = _agent(category, rng, attribute=attribute)
            heading = yaw + (
                rng.uniform(-0.1, 0.1) if large else rng.uniform(-1.6, 1.6)
            )
            agent.pose = (
                float(x - side * reach * np.sin(yaw)),
                float(y + side * reach * np.cos(yaw)),
                float(heading),
            )
            if self.world.is_vacant(agent.pose, agent.size, large):
                self.agents.append(agent)
                return


def _within(
    agents: list[RoadUser], route: np.ndarray, reach: float
) -> list[RoadUser]:
    """Those that start no further than ``reach`` metres from the route."""
    kept = []
    for agent in agents:
        spot = agent.pose
        if spot is None:
            spot = agent.track.poses([agent.start])[0]
        gap = np.linalg.norm(route[: int(_ROUTE / 0.25)] - spot[:2], axis=1)
        if gap.min() < reach:
            kept.append(agent)
    return kept


def _corners(pose: np.ndarray, size: tuple, centre: float) -> np.ndarray:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    base = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
    local = base * (size[0], size[1]) + (centre, 0.0)
    return local @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]


def boxes_overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """True if two convex quadrilaterals (4, 2) share an area."""
    for shape in (first, second):
        edges = np.roll(shape, -1, axis=0) - shape
        for normal in np.stack([-edges[:, 1], edges[:, 0]], axis=1):
            a, b = first @ normal, second @ normal
            if a.max() <= b.min() or b.max() <= a.min():
                return False
    return True


def _conflicts(cast: Cast, times: np.ndarray) -> set[int]:
    """Indices of agents to leave out so that no two boxes overlap."""
    agents, simulation = cast.agents, cast.simulation
    out: set[int] = set()
    for time in times:
        corners, centres, reach = [], [], []
        for agent in agents:
            pose, _ = simulation.state(agent, float(time))
            shift = agent.front - agent.size[0] / 2
            corners.append(_corners(pose, agent.size, shift))
            centres.append(corners[-1].mean(0))
            reach.append(np.hypot(*agent.size[:2]) / 2)
        centres, reach = np.array(centres), np.array(reach)
        gap = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
        close = np.argwhere(np.triu(gap < reach[:, None] + reach, 1))
        for i, j in close:
            if i in out or j in out:
                continue
            if boxes_overlap(corners[i], corners[j]):
                out.add(int(j))
    return out


def populate(
    world: World,
    scenario: Scenario,
    rng: np.random.Generator,
    end: float,
) -> Cast:
    """Place and move all agents; take out those that would collide.

    Args:
        world (World): Where.
        scenario (Scenario): Why.
        rng (np.random.Generator): All else.
        end (float): Last second on the simulator's clock.

    Raises:
        RuntimeError: If collisions remain after several attempts.
    """
    agents = Director(world, scenario, rng).agents
    agents = _within(agents, agents[0].track.xy, _REACH)
    times = np.arange(0.5, end + 1e-6, 0.25)
    still = Simulation(agents, scenario.signal, 0.0, 0.0)
    still.place()
    out = _conflicts(Cast(agents, still), [0.0])
    agents = [a for i, a in enumerate(agents) if i not in out]
    for _ in range(_MAX_ATTEMPTS):
        simulation = Simulation(agents, scenario.signal, 0.0, end)
        simulation.run()
        cast = Cast(agents, simulation)
        out = _conflicts(cast, times)
        out |= {
            i for i, a in enumerate(agents) if i and simulation.runs_out(a)
        }
        if not out:
            return cast
        agents = [a for i, a in enumerate(agents) if i not in out]
    raise RuntimeError(
        f'scenario {scenario.name!r} still has colliding agents after '
        f'{_MAX_ATTEMPTS} attempts'
    )
