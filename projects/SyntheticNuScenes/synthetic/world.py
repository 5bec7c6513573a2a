"""One procedural street scene: roads, ground, houses, plants, furniture.

Everything is drawn anew for every scene, so that no place of the ego frame
has a class of its own. Sensors, labels, boxes and maps all read this world.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic import shapes
from mmocc.projects.SyntheticNuScenes.synthetic.curves import Curve
from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    BAY,
    KERB,
    RESOLUTION,
    ROAD,
    WALK,
    WHITE,
    YELLOW,
    Ground,
    paint,
    strip,
)
from mmocc.projects.SyntheticNuScenes.synthetic.roads import (
    CORNER_RADIUS,
    CROSSING_WIDTH,
    STOP_GAP,
    Road,
    RoadNet,
    Side,
)

EXTENT = 320.0  # metres, edge of a scene's region
_HALF_ROAD = 185.0
_COARSE = 4  # ground cells per cell of the building mask
_CLEARANCE = 3.2  # metres below which a solid is in somebody's way
_LANES = (1, 2)


@dataclass
class LayoutPlan:
    """What a script requires of its world; the rest is random.

    Attributes:
        junction (str): ``cross``, ``tee_left``, ``tee_right`` or ``none``.
        forward (tuple): Allowed numbers of lanes in the ego's direction.
        bend (float): Total heading change in degrees of the main road
            around its middle; only without a junction.
        zebra (float): Distance in metres of a mid-block crossing from the
            stop line of the ego's arm, or from the middle of a main road
            without a junction, or None.
        all_zebras (bool): True for a crossing on every arm.
    """

    junction: str = 'none'
    forward: tuple[int, ...] = _LANES
    bend: float = 0.0
    zebra: float | None = None
    all_zebras: bool = False


@dataclass
class Signal:
    """A traffic light that one arm of the junction obeys."""

    arm: str
    x: float
    y: float
    yaw: float
    reach: float


@dataclass
class World:
    """A scene without moving things.

    Attributes:
        origin (tuple): South-west corner of the region, global metres.
        net (RoadNet): Lanes and connectors.
        ground (Ground): Surface raster.
        solids (np.ndarray): (P, 16) static solids.
        signals (list[Signal]): Traffic lights.
        middle (float): Station on the main road of the junction's centre,
            or of the road's middle.
        junction (str): As in :class:`LayoutPlan`.
        signals (list[Signal]): Traffic lights.
        taken (np.ndarray): Coarse mask of roads (1) and solids (2).
    """

    origin: tuple[float, float]
    net: RoadNet
    ground: Ground
    solids: np.ndarray
    middle: float
    junction: str
    signals: list[Signal] = field(default_factory=list)
    taken: np.ndarray | None = None

    @property
    def main(self) -> Road:
        return self.net.roads['main']

    def is_vacant(
        self,
        pose: tuple[float, float, float],
        size: tuple[float, float, float],
        off_walk: bool,
    ) -> bool:
        """True if a box there stands on no road and in no solid.

        Args:
            pose (tuple): x, y, yaw in global metres.
            size (tuple): Length, width, height in metres.
            off_walk (bool): True if side walks must stay free as well.
        """
        reach = np.array(size[:2]) / 2 + 0.3
        steps = [np.arange(-r, r + 0.3, 0.3) for r in reach]
        grid = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2)
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        points = grid @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]
        cells = np.floor(
            (points - self.origin) / (RESOLUTION * _COARSE)
        ).astype(int)
        if (cells < 0).any() or (cells >= len(self.taken)).any():
            return False
        if (self.taken[cells[:, 1], cells[:, 0]] > 0).any():
            return False
        walk = np.isin(self.ground.code_at(points), (WALK, KERB))
        return not (off_walk and walk.any())


def _draw_side(rng: np.random.Generator) -> Side:
    parking = 2.3 if rng.random() < 0.45 else 0.0
    verge = float(rng.choice([0.0, 0.0, 1.2, 2.0, 3.2]))
    ground = str(rng.choice(['terrain', 'terrain', 'walk', 'flat', 'dirt']))
    return Side(
        parking,
        verge,
        rng.uniform(1.8, 4.6),
        rng.uniform(0.2, 9.0) if rng.random() < 0.75 else 16.0,
        ground,
        rng.uniform(0.25, 0.95),
        rng.uniform(0.0, 0.11),
    )


def _main_curve(
    plan: LayoutPlan, centre: np.ndarray, rng: np.random.Generator
) -> tuple[Curve, float]:
    """Centre line of the main road and the station of its middle."""
    heading = rng.uniform(-np.pi, np.pi)

    def outer() -> list[tuple[float, float]]:
        bend = rng.choice([-1, 0, 1]) * rng.uniform(0.2, 0.6)
        length = rng.uniform(35, 60)
        return [(length, bend / length), (_HALF_ROAD, 0.0)]

    if plan.junction == 'none':
        bend = np.radians(plan.bend)
        half = max(abs(bend) * rng.uniform(55, 75) / 2, 1.0)
        inner = [(half, bend / 2 / half)]
    else:
        inner = [(rng.uniform(48, 60), 0.0)]
    pose = (float(centre[0]), float(centre[1]), heading)
    ahead = Curve.from_pose(pose, inner + outer())
    back_pose = (pose[0], pose[1], heading + np.pi)
    mirrored = [(length, -bend) for length, bend in inner]
    behind = Curve.from_pose(back_pose, mirrored + outer())
    ahead = ahead.part(0.0, _HALF_ROAD)
    behind = behind.part(0.0, _HALF_ROAD).reversed()
    return Curve(behind.arcs + ahead.arcs), _HALF_ROAD


def _bays(
    road: Road, left: bool, rng: np.random.Generator
) -> list[tuple[float, float]]:
    side = road.left if left else road.right
    if not side.parking:
        return []
    blocked = [(z - 7.0, z + 7.0) for z in road.zebras]
    if road.gap:
        blocked.append((road.gap[0] - 6.0, road.gap[1] + 6.0))
    bays, s = [], rng.uniform(2, 10)
    while s < road.curve.length - 30:
        stop = s + rng.uniform(18, 60)
        if all(stop < low or s > high for low, high in blocked):
            bays.append((s, stop))
        else:
            for low, high in blocked:
                if s < low < stop and low - s > 12:
                    bays.append((s, low))
                if s < high < stop and stop - high > 12:
                    bays.append((high, stop))
        s = stop + rng.uniform(6, 16)
    clear = []
    for start, stop in bays:
        if all(stop <= low or start >= high for low, high in blocked):
            clear.append((start, stop))
    return clear


def _build_roads(
    plan: LayoutPlan, centre: np.ndarray, rng: np.random.Generator
) -> tuple[list[Road], float]:
    curve, middle = _main_curve(plan, centre, rng)
    forward = int(rng.choice(plan.forward))
    backward = int(np.clip(forward + rng.integers(-1, 2), 1, 2))
    median = float(rng.choice([0.0, 0.0, 1.6, 3.0]))
    main = Road(
        'main',
        curve,
        (forward, backward),
        rng.uniform(3.2, 3.7),
        median,
        _draw_side(rng),
        _draw_side(rng),
    )
    roads = [main]
    if plan.junction != 'none':
        count = int(rng.integers(1, 3))
        lanes = (count, count)
        width = rng.uniform(3.2, 3.6)
        angle = np.radians(rng.uniform(80, 100))
        if plan.junction == 'tee_right':
            angle -= np.pi
        pose = curve.poses([middle])[0]
        pose[2] += angle
        bend = rng.choice([-1, 0, 1]) * rng.uniform(0.2, 0.7)
        reach = rng.uniform(35, 55)
        plan_out = [(48.0, 0.0), (reach, bend / reach), (_HALF_ROAD, 0.0)]
        ahead = Curve.from_pose(tuple(pose), plan_out).part(0.0, _HALF_ROAD)
        start = 0.0
        if plan.junction == 'cross':
            back = (pose[0], pose[1], pose[2] + np.pi)
            behind = Curve.from_pose(back, [(_HALF_ROAD, 0.0)]).reversed()
            ahead, start = Curve(behind.arcs + ahead.arcs), _HALF_ROAD
        side = Road(
            'side',
            ahead,
            lanes,
            width,
            0.0,
            _draw_side(rng),
            _draw_side(rng),
        )
        margin = CORNER_RADIUS + CROSSING_WIDTH + STOP_GAP
        slant = 1.0 / abs(np.sin(angle))
        cut_main = (
            max(side.edge(True), side.edge(False)) + 0.4
        ) * slant + margin
        cut_side = (
            max(main.edge(True), main.edge(False)) + 0.4
        ) * slant + margin
        main.gap = (middle - cut_main, middle + cut_main)
        low = start - cut_side if plan.junction == 'cross' else 0.0
        side.gap = (low, start + cut_side)
        inset = STOP_GAP + CROSSING_WIDTH / 2
        for road in (main, side):
            for end, sign in ((road.gap[0], 1), (road.gap[1], -1)):
                if end > 0 and (rng.random() < 0.85 or plan.all_zebras):
                    road.zebras.append(end + sign * inset)
        roads.append(side)
    if plan.zebra is not None:
        base = main.gap[0] if main.gap else middle
        main.zebras.append(base + plan.zebra)
    for road in roads:
        road.bays = (_bays(road, True, rng), _bays(road, False, rng))
    return roads, middle


class _Planter:
    """Puts solids beside the roads without overlaps."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.world, self.rng = world, rng
        codes = world.ground.codes
        size = len(codes) // _COARSE
        grid = codes[: size * _COARSE, : size * _COARSE]
        grid = grid.reshape(size, _COARSE, size, _COARSE)
        road = np.isin(grid, (ROAD, WHITE, YELLOW, BAY)).any((1, 3))
        self.road = road.astype(np.uint8)
        self.blocked = self._walked(size)
        self.solid = np.zeros_like(self.road)
        self.parts: list[np.ndarray] = []

    def _walked(self, size: int) -> np.ndarray:
        """Cells where no house may stand: roads, side walks, kerbs."""
        ground = self.world.ground
        scratch = Ground(tuple(ground.origin), EXTENT)
        for road in self.world.net.roads.values():
            start = 0.0
            scratch.fill(
                strip(
                    road,
                    start,
                    road.curve.length,
                    -road.walk_end(False),
                    road.walk_end(True),
                ),
                1,
            )
        codes = scratch.codes[: size * _COARSE, : size * _COARSE]
        walked = codes.reshape(size, _COARSE, size, _COARSE).any((1, 3))
        return (walked | (self.road > 0)).astype(np.uint8)

    def _cells(self, points: np.ndarray) -> np.ndarray:
        step = RESOLUTION * _COARSE
        return np.floor((points - self.world.ground.origin) / step).astype(int)

    def free(self, outline: np.ndarray, mask: np.ndarray) -> bool:
        """True if a convex outline lies inside and touches no set cell."""
        cells = self._cells(outline)
        low, high = cells.min(0), cells.max(0) + 1
        if (low < 0).any() or (high > len(mask)).any():
            return False
        shape = (high - low)[::-1]
        stamp = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(stamp, (cells - low).astype(np.int32), 1)
        window = mask[low[1] : high[1], low[0] : high[0]]
        return not (stamp & window).any()

    def block(self, outline: np.ndarray) -> None:
        cells = self._cells(outline).astype(np.int32)
        cv2.fillConvexPoly(self.blocked, cells, 1)

    @staticmethod
    def rectangle(
        x: float, y: float, yaw: float, length: float, width: float
    ) -> np.ndarray:
        cos, sin = np.cos(yaw), np.sin(yaw)
        corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * 0.5
        corners = corners * (length, width)
        return corners @ np.array([[cos, sin], [-sin, cos]]) + (x, y)

    def put(self, shape: np.ndarray, x: float, y: float, yaw: float) -> None:
        self.parts.append(shapes.place(shape, x, y, yaw))
        for row in self.parts[-1]:
            if row[3] - row[6] < _CLEARANCE:
                outline = self.rectangle(
                    row[1],
                    row[2],
                    np.arctan2(row[8], row[7]),
                    2 * row[4] + 0.4,
                    2 * row[5] + 0.4,
                )
                cells = self._cells(outline).astype(np.int32)
                cv2.fillConvexPoly(self.solid, cells, 1)

    def at(self, road: Road, s: float, offset: float) -> tuple:
        x, y, yaw = road.curve.poses([s])[0]
        return x - offset * np.sin(yaw), y + offset * np.cos(yaw), yaw

    def houses(self, road: Road, left: bool) -> None:
        side = road.left if left else road.right
        sign = 1 if left else -1
        front = road.walk_end(left) + side.setback
        rng = self.rng
        s = rng.uniform(0, 8)
        tall = rng.uniform(4, 14)
        while s < road.curve.length:
            width = rng.uniform(9, 26)
            depth = rng.uniform(8, 14)
            height = float(np.clip(rng.normal(tall, 3.0), 3.2, 22.0))
            shift = rng.uniform(0, 2.5) if rng.random() < 0.4 else 0.0
            offset = sign * (front + shift + depth / 2)
            x, y, yaw = self.at(road, s + width / 2, offset)
            outline = self.rectangle(x, y, yaw, width, depth)
            if rng.random() < side.buildings and self.free(
                outline, self.blocked
            ):
                facing = yaw if not left else yaw + np.pi
                shape = shapes.building(width, depth, height, rng)
                self.put(shape, x, y, facing)
                self.block(outline)
                s += width + (0.0 if rng.random() < 0.4 else rng.uniform(1, 6))
            else:
                s += rng.uniform(4, 12)

    def skyline(self, road: Road, left: bool) -> None:
        rng = self.rng
        sign = 1 if left else -1
        s = rng.uniform(0, 20)
        while s < road.curve.length:
            width, depth = rng.uniform(14, 30), rng.uniform(12, 18)
            offset = sign * (road.walk_end(left) + rng.uniform(32, 50))
            x, y, yaw = self.at(road, s + width / 2, offset)
            outline = self.rectangle(x, y, yaw, width, depth)
            if rng.random() < 0.6 and self.free(outline, self.blocked):
                height = rng.uniform(8, 30)
                facing = yaw if not left else yaw + np.pi
                shape = shapes.building(width, depth, height, rng)
                self.put(shape, x, y, facing)
                self.block(outline)
            s += width + rng.uniform(4, 30)

    def green(self, road: Road, left: bool) -> None:
        """Trees, shrubs, hedges, walls."""
        side = road.left if left else road.right
        sign = 1 if left else -1
        rng = self.rng
        rows = []
        if side.verge >= 1.2:
            rows.append((road.kerb(left) + side.verge / 2, side.trees))
        if side.setback > 2.5:
            rows.append(
                (road.walk_end(left) + rng.uniform(1.2, 2.5), side.trees)
            )
        rows.append((road.walk_end(left) + side.setback + 5.0, 0.05))
        evergreen = rng.random() < 0.25
        for offset, density in rows:
            for _ in range(rng.poisson(density * road.curve.length)):
                s = rng.uniform(0, road.curve.length)
                x, y, yaw = self.at(
                    road, s, sign * (offset + rng.uniform(-0.2, 0.2))
                )
                if not self.free(
                    self.rectangle(x, y, yaw, 1.4, 1.4), self.road
                ) or not self.free(
                    self.rectangle(x, y, yaw, 2.6, 2.6), self.built
                ):
                    continue
                kind = rng.random()
                if kind < 0.72:
                    make = shapes.conifer if evergreen else shapes.tree
                    self.put(make(rng), x, y, rng.uniform(0, 6))
                else:
                    self.put(shapes.bush(rng), x, y, rng.uniform(0, 6))
        if side.setback > 1.2 and rng.random() < 0.7:
            make = shapes.hedge if rng.random() < 0.55 else shapes.wall
            s = rng.uniform(0, 15)
            while s < road.curve.length:
                length = rng.uniform(3, 14)
                x, y, yaw = self.at(
                    road,
                    s + length / 2,
                    sign * (road.walk_end(left) + 0.55),
                )
                outline = self.rectangle(x, y, yaw, length, 1.0)
                if self.free(outline, self.built) and self.free(
                    self.rectangle(x, y, yaw, length + 2, 2.2), self.road
                ):
                    self.put(make(length, rng), x, y, yaw)
                s += length + rng.uniform(2, 18)

    def furniture(self, road: Road, left: bool) -> None:
        """Lamp posts, signs, bus shelters."""
        rng = self.rng
        sign = 1 if left else -1
        kerb = road.kerb(left) + 0.5
        turn = np.pi if left else 0.0
        step = rng.uniform(22, 38)
        for s in np.arange(rng.uniform(0, step), road.curve.length, step):
            x, y, yaw = self.at(road, s, sign * kerb)
            if self.free(self.rectangle(x, y, yaw, 0.8, 0.6), self.road):
                self.put(shapes.lamp_post(rng), x, y, yaw + turn)
        for _ in range(rng.poisson(road.curve.length / 60)):
            s = rng.uniform(0, road.curve.length)
            x, y, yaw = self.at(road, s, sign * kerb)
            if self.free(self.rectangle(x, y, yaw, 0.8, 0.6), self.road):
                self.put(shapes.sign(rng), x, y, yaw + turn)
        if rng.random() < 0.5:
            s = rng.uniform(0.3, 0.7) * road.curve.length
            x, y, yaw = self.at(road, s, sign * (road.walk_end(left) - 0.3))
            outline = self.rectangle(x, y, yaw, 4.4, 2.4)
            if self.free(outline, self.road) and self.free(
                outline, self.built
            ):
                self.put(shapes.bus_stop(rng), x, y, yaw + turn)

    def fill(self) -> np.ndarray:
        roads = list(self.world.net.roads.values())
        before = self.blocked.copy()
        for road in roads:
            for left in (True, False):
                self.houses(road, left)
        for road in roads:
            for left in (True, False):
                self.skyline(road, left)
        self.built = self.blocked & (1 - before)
        for road in roads:
            for left in (True, False):
                self.green(road, left)
                self.furniture(road, left)
        return np.concatenate(self.parts)


def _signals(world: World) -> list[Signal]:
    """A near and a far traffic light for each arm of the junction."""
    signals = []
    roads = world.net.roads
    for road in roads.values():
        if road.gap is None:
            continue
        other = roads['side' if road.name == 'main' else 'main']
        far_back = road.gap[0]
        if far_back <= 1.0:
            far_back = -(other.edge(True) + 1.6)
        arms = [('b', False, road.gap[1], far_back)]
        if road.gap[0] > 1.0:
            arms.append(('a', True, road.gap[0], road.gap[1]))
        for name, along, near, far in arms:
            count = road.lanes[0 if along else 1]
            if not count:
                continue
            side = -1 if along else 1
            post = road.kerb(not along) + 0.7
            for station in (near + (0.4 if along else -0.4), far):
                x, y, yaw = road.curve.poses([station])[0]
                x -= side * post * np.sin(yaw)
                y += side * post * np.cos(yaw)
                reach = post - road.median / 2 - 0.5 * road.lane_width
                if station != far:
                    reach = 0.0
                signals.append(
                    Signal(
                        f'{road.name}{name}',
                        x,
                        y,
                        yaw if along else yaw + np.pi,
                        reach,
                    )
                )
    return signals


def build_world(
    plan: LayoutPlan,
    origin: tuple[float, float],
    rng: np.random.Generator,
) -> World:
    """Draw a world.

    Args:
        plan (LayoutPlan): What must be there.
        origin (tuple): South-west corner of the region, global metres.
        rng (np.random.Generator): Source of everything else.
    """
    centre = np.asarray(origin) + EXTENT / 2
    roads, middle = _build_roads(plan, centre, rng)
    ground = Ground(origin, EXTENT)
    net = RoadNet(roads)
    paint(ground, net, rng)
    world = World(
        origin,
        net,
        ground,
        np.empty((0, 16), np.float32),
        middle,
        plan.junction,
    )
    planter = _Planter(world, rng)
    parts = [planter.fill()]
    world.taken = planter.road + 2 * planter.solid
    world.signals = _signals(world)
    for signal in world.signals:
        parts.append(
            shapes.place(
                shapes.traffic_light(signal.reach),
                signal.x,
                signal.y,
                signal.yaw,
            )
        )
    world.solids = np.concatenate(parts)
    return world
