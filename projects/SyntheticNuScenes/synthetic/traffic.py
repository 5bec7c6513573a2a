"""Agents and their motion: car following, signals, crossings.

Every vehicle keeps to its track; only its progress is simulated, with the
Intelligent Driver Model (Treiber et al., Phys. Rev. E 62, 2000). The ego car
obeys the same rules, with limited jerk.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numba
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.tracks import STEP, Track

TIME_STEP = 0.1
EGO_LENGTH, EGO_WIDTH, EGO_HEIGHT = 4.08, 1.73, 1.56
# The ego frame's origin is the rear axle.
EGO_FRONT = 3.3
EGO_CENTRE = EGO_FRONT - EGO_LENGTH / 2

_LOOK_AHEAD = 60.0
_STOP_GAP, _JAM_GAP, _SIDE_GAP = 0.7, 2.2, 0.25
_HARDEST = 4.5  # m/s^2; who would need more drives on
_STANDING, _CRAWL = 0.3, 2.0  # m/s
_AT_THE_LINE = 2.5  # metres within which a slow car waits
_FIRM = 0.75  # share of the comfortable braking at which braking starts
_SET_OFF = 0.4  # s that a walker loses until at full speed
_EASY = 0.8  # share of the comfortable braking used before bends
_BEND_GAIN = 1.2  # 1 / s
_PEDESTRIAN_NOTICE = 1.2  # s that a crossing is kept free before a step


@dataclass
class Driver:
    """Parameters of the Intelligent Driver Model of one vehicle.

    Attributes:
        speed (float): Wanted speed, m/s.
        headway (float): Wanted time gap, s.
        acceleration, braking (float): Comfortable values, m/s^2.
        jerk (float): Limit of the change of acceleration, m/s^3.
        schedule (list): (time, wanted speed) from then on.
        reason (str): Word for slowing down to the wanted speed.
    """

    speed: float = 9.0
    headway: float = 1.3
    acceleration: float = 1.6
    braking: float = 1.9
    jerk: float = 5.0
    schedule: list[tuple[float, float]] = field(default_factory=list)
    reason: str = 'free'

    def wanted(self, time: float) -> float:
        speed = self.speed
        for start, value in self.schedule:
            if time >= start:
                speed = value
        return speed


@dataclass
class RoadUser:
    """A vehicle, person or object with a box.

    Attributes:
        category (str): nuScenes category name.
        size (tuple): Length, width, height in metres.
        attribute (str): Fixed attribute, or '' to derive it from motion.
        pose (tuple): x, y, yaw of a thing that never moves.
        track (Track): Path of a thing that moves.
        start (float): Metres on the track at time 0 (of the centre).
        speed (float): m/s at time 0.
        driver (Driver): For vehicles; None walks at ``speed``.
        depart (float): Time when a walker sets off, s.
        zebra (str): Crossing that a walker uses.
        style (int): Variant of the appearance.
        colour (tuple): RGB.
        front (float): From the reference point to the bumper, metres.
        s, v, a (np.ndarray): (T,) motion on the simulator's clock.
        cause (list): What held the vehicle back, one word for each step.
        number (int): Place in the simulation.
    """

    category: str
    size: tuple[float, float, float]
    attribute: str = ''
    pose: tuple[float, float, float] | None = None
    track: Track | None = None
    start: float = 0.0
    speed: float = 0.0
    driver: Driver | None = None
    depart: float = -np.inf
    zebra: str = ''
    style: int = 0
    colour: tuple[float, float, float] = (128.0, 128.0, 128.0)
    front: float = 0.0
    s: np.ndarray | None = None
    v: np.ndarray | None = None
    a: np.ndarray | None = None
    cause: list[str] = field(default_factory=list)
    number: int = -1

    def __post_init__(self) -> None:
        if not self.front:
            self.front = self.size[0] / 2


def crossing_time(walker: RoadUser, driver: RoadUser) -> float:
    """Seconds from a walker's first step until it has left a driver's lane.

    -1 if the two tracks do not meet.
    """
    gap = np.linalg.norm(
        walker.track.xy[:, None] - driver.track.xy[None], axis=-1
    ).min(1)
    near = np.flatnonzero(gap < driver.size[1] / 2 + 1.0)
    if not len(near):
        return -1.0
    return _SET_OFF + (near[-1] * STEP - walker.start) / walker.speed


class Simulation:
    """Moves all agents on a common clock.

    Args:
        agents (list[RoadUser]): The first one is the ego car.
        signal (Callable): Maps arm and time to ``red``, ``yellow``, ``green``.
        begin, end (float): Span of the clock, s.
    """

    def __init__(
        self,
        agents: list[RoadUser],
        signal: Callable[[str, float], str],
        begin: float,
        end: float,
    ) -> None:
        self.agents = agents
        self.signal = signal
        count = round((end - begin) / TIME_STEP) + 1
        self.times = begin + TIME_STEP * np.arange(count)

    def place(self) -> None:
        """Put every road user at its start for all times."""
        for number, agent in enumerate(self.agents):
            agent.number = number
            if agent.track is not None:
                agent.s, agent.v, agent.a = np.zeros((3, len(self.times)))
                agent.s[:], agent.v[0] = agent.start, agent.speed
                agent.cause = []

    def run(self) -> None:
        """Fill ``s``, ``v``, ``a`` of every moving agent."""
        self.place()
        movers = [a for a in self.agents if a.track is not None]
        walkers = [a for a in movers if a.driver is None]
        drivers = [a for a in movers if a.driver is not None]
        for agent in walkers:
            self._walk(agent)
        self._limits = {
            id(a): a.track.speed_limit(_EASY * a.driver.braking)
            for a in drivers
        }
        self._windows = {id(a): self._zebra_windows(a) for a in drivers}
        still = np.concatenate(
            [np.empty((0, 7))]
            + [
                _marks_of(a, np.array(a.pose), 0.0)
                for a in self.agents
                if a.pose is not None and self._may_block(a)
            ]
        )
        for k, time in enumerate(self.times):
            marks = [still]
            for agent in movers:
                pose = agent.track.poses([agent.s[k]])[0]
                marks.append(_marks_of(agent, pose, agent.v[k]))
            self._marks = np.concatenate(marks)
            for agent in drivers:
                self._advance(agent, k, *self._accelerate(agent, k, time))

    @staticmethod
    def _may_block(agent: RoadUser) -> bool:
        return agent.category.startswith(('vehicle', 'movable_object'))

    def _walk(self, agent: RoadUser) -> None:
        moving = np.clip(self.times - agent.depart, 0.0, None)
        if np.isinf(agent.depart):
            moving = self.times - self.times[0]
        ramp = 1.0 - np.exp(-2.0 * moving)
        agent.v = agent.speed * np.where(moving > 0, ramp, 0.0)
        if np.isinf(agent.depart):
            agent.v = np.full(len(self.times), agent.speed)
        agent.s = agent.start + np.concatenate(
            [[0.0], (0.5 * (agent.v[1:] + agent.v[:-1]) * TIME_STEP).cumsum()]
        )
        done = agent.s > agent.track.length - 0.5
        agent.s[done] = agent.track.length - 0.5
        agent.v[done] = 0.0

    def _zebra_windows(self, agent: RoadUser) -> list[tuple]:
        """(metre, first time, last time) in which a crossing is in use."""
        windows = []
        for metre, kind, name in agent.track.stops:
            if kind != 'zebra':
                continue
            for walker in self.agents:
                if walker.zebra != name or walker.track is None:
                    continue
                needed = crossing_time(walker, agent)
                if needed < 0.0:
                    continue
                first = walker.depart - _PEDESTRIAN_NOTICE
                last = walker.depart + needed
                windows.append((metre, first, last))
        return windows

    def _accelerate(
        self, agent: RoadUser, k: int, time: float
    ) -> tuple[float, str]:
        """Acceleration, and the word for what holds the car back."""
        s, v = agent.s[k], agent.v[k]
        driver = agent.driver
        options = [self._cruise(agent, s, v, driver.wanted(time))]
        gap, speed, word = self._leader(agent, k)
        if speed < _STANDING:
            room = gap - _JAM_GAP + _STOP_GAP
            options.append((self._halt(driver, v, room), word))
        else:
            options.append((self._follow(driver, v, gap, speed), word))
        for metre, kind, name in agent.track.stops:
            room = metre - s - agent.front
            if kind == 'signal' and room > -0.5:
                if self.signal(name, time) != 'green':
                    options.append((self._halt(driver, v, room), 'signal'))
        for metre, first, last in self._windows[id(agent)]:
            room = metre - s - agent.front
            if room > -0.5 and first <= time <= last:
                options.append((self._halt(driver, v, room), 'crossing'))
        return min(options)

    def _cruise(
        self, agent: RoadUser, s: float, v: float, wanted: float
    ) -> tuple[float, str]:
        """Speed up to the wanted speed; slow down before a bend."""
        limits = self._limits[id(agent)]
        here = int(np.clip(s / STEP, 0, len(limits) - 2))
        bend = limits[here]
        driver = agent.driver
        if v > bend - 0.15 and bend < wanted:
            slope = bend * (limits[here + 1] - bend) / STEP
            return min(slope, 0.0) + _BEND_GAIN * (bend - v), 'bend'
        target = max(wanted, 0.1)
        if v <= target:
            return driver.acceleration * (1.0 - (v / target) ** 4), 'free'
        slow = -driver.braking * min((v / target) ** 2 - 1.0, 1.0)
        return slow, driver.reason

    @staticmethod
    def _halt(driver: Driver, v: float, room: float) -> float:
        """Constant braking to a stop line, once it is time for it."""
        needed = v * v / (2 * max(room - _STOP_GAP, 0.15))
        if room < _AT_THE_LINE and v < _CRAWL:
            return -max(needed, 0.5)
        if needed > _HARDEST or needed < _FIRM * driver.braking:
            return np.inf
        return -needed

    @staticmethod
    def _follow(driver: Driver, v: float, gap: float, speed: float) -> float:
        if gap > _LOOK_AHEAD:
            return np.inf
        root = 2 * np.sqrt(driver.acceleration * driver.braking)
        desired = _JAM_GAP + max(
            v * driver.headway + v * (v - speed) / root, 0.0
        )
        free = 1.0 - (v / max(driver.speed, 0.1)) ** 4
        return driver.acceleration * (free - (desired / max(gap, 0.3)) ** 2)

    def _leader(self, agent: RoadUser, k: int) -> tuple[float, float, str]:
        """Gap in metres, speed along the track, and cause, of who is ahead."""
        first = int(agent.s[k] / STEP)
        last = first + int(_LOOK_AHEAD / STEP)
        gap, speed, which = _find_leader(
            agent.track.xy[first:last],
            agent.track.yaw[first:last],
            self._marks,
            agent.number,
            agent.size[1] / 2,
        )
        if which < 0:
            return np.inf, 0.0, 'lead'
        word = 'pedestrian' if self._marks[which, 6] > 0 else 'lead'
        return gap - agent.front, speed, word

    def _advance(self, agent, k, accel, cause) -> None:
        driver = agent.driver
        agent.cause.append(cause)
        accel = float(np.clip(accel, -5.5, driver.acceleration))
        if k:
            change = driver.jerk * TIME_STEP
            brake = 2.0 * change if accel < -2.5 else change
            last = agent.a[k - 1]
            accel = float(np.clip(accel, last - brake, last + change))
        v = agent.v[k]
        if v + accel * TIME_STEP < 0.0:
            accel = -v / TIME_STEP
        agent.a[k] = accel
        if k + 1 < len(self.times):
            agent.v[k + 1] = max(v + accel * TIME_STEP, 0.0)
            agent.s[k + 1] = min(
                agent.s[k] + 0.5 * (v + agent.v[k + 1]) * TIME_STEP,
                agent.track.length - 0.5,
            )

    def runs_out(self, agent: RoadUser) -> bool:
        """True for a vehicle that comes to the end of its track."""
        if agent.driver is None:
            return False
        return bool(agent.s[-1] > agent.track.length - 1.0)

    def state(self, agent: RoadUser, time: float) -> tuple[np.ndarray, float]:
        """Pose (x, y, yaw) of the reference point, and speed, at a time."""
        if agent.pose is not None:
            return np.array(agent.pose, float), 0.0
        return (
            agent.track.poses([self.progress(agent, time)])[0],
            float(np.interp(time, self.times, agent.v)),
        )

    def progress(self, agent: RoadUser, time: np.ndarray) -> np.ndarray:
        """Metres on the track: the exact integral of the linear speed."""
        time = np.asarray(time, float)
        if len(self.times) == 1:
            return np.broadcast_to(agent.s[0], time.shape)
        k = np.clip(
            ((time - self.times[0]) / TIME_STEP).astype(int),
            0,
            len(self.times) - 2,
        )
        dt = np.clip(time - self.times[k], 0.0, TIME_STEP)
        slope = (agent.v[k + 1] - agent.v[k]) / TIME_STEP
        return agent.s[k] + agent.v[k] * dt + 0.5 * slope * dt**2

    def acceleration(self, agent: RoadUser, time: float) -> float:
        """m/s^2 along the track at a time."""
        if agent.pose is not None:
            return 0.0
        return float(np.interp(time, self.times, agent.a))


def _marks_of(agent: RoadUser, pose: np.ndarray, speed: float) -> np.ndarray:
    """Return the points of a road user that others must not drive into.

    Returns:
        np.ndarray: (N, 7) x, y, yaw, speed, half width, owner, 1 if a person.
    """
    heading = np.array([np.cos(pose[2]), np.sin(pose[2])])
    rear = agent.front - agent.size[0]
    person = agent.category.startswith('human')
    middle = (agent.front + rear) / 2
    along = [middle] if person else [agent.front, middle, rear]
    marks = np.empty((len(along), 7))
    marks[:, :2] = pose[:2] + np.array(along)[:, None] * heading
    marks[:, 2:] = (
        pose[2],
        speed,
        0.5 if person else agent.size[1] / 2,
        agent.number,
        float(person),
    )
    return marks


@numba.njit(cache=True)
def _find_leader(xy, yaw, marks, owner, half_width):
    """Nearest mark in the corridor ahead: metres, speed along, index."""
    best, speed, which = np.inf, 0.0, -1
    count = len(xy)
    if count < 2:
        return best, speed, which
    reach = (count * STEP) ** 2
    for m in range(len(marks)):
        if marks[m, 5] == owner:
            continue
        dx, dy = marks[m, 0] - xy[0, 0], marks[m, 1] - xy[0, 1]
        if dx * dx + dy * dy > reach:
            continue
        low, near = np.inf, -1
        for i in range(0, count, 2):
            dx, dy = marks[m, 0] - xy[i, 0], marks[m, 1] - xy[i, 1]
            gap2 = dx * dx + dy * dy
            if gap2 < low:
                low, near = gap2, i
        limit = half_width + marks[m, 4] + _SIDE_GAP
        if near == 0 or low > limit * limit:
            continue
        facing = np.cos(yaw[near] - marks[m, 2])
        if marks[m, 3] > 0.5 and facing < -0.3:
            continue
        gap = near * STEP
        if marks[m, 6] > 0:
            gap -= 0.6
        if gap < best:
            best, which = gap, m
            speed = max(marks[m, 3] * facing, 0.0)
    return best, speed, which
