"""Scripts of what the ego car does in a scene, each with a visible cause.

A scenario fixes the layout, the ego's lane, route and lane changes, the
traffic light, who is ahead and who crosses. Everything else is random.
Times are seconds on the simulator's clock, see ``FIRST_KEY_FRAME``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.world import LayoutPlan

# The simulator settles before the first key frame.
FIRST_KEY_FRAME = 1.0
_YELLOW = 1.5
_ALL_RED = 2.5


@dataclass(frozen=True)
class LeadVehicle:
    """A vehicle ahead of the ego car in its first lane.

    Attributes:
        gap (float): Metres from the ego's front to its rear at time 0.
        speed (float): m/s at time 0.
        schedule (tuple): (time, wanted speed).
        category (str): nuScenes category.
        turn (str): What it does at a junction.
    """

    gap: float
    speed: float
    schedule: tuple[tuple[float, float], ...] = ()
    category: str = 'vehicle.car'
    turn: str = 'straight'


@dataclass(frozen=True)
class Walkers:
    """Pedestrians who cross in front of the ego car.

    Attributes:
        zebra (int): Which crossing of the ego's track, 0 for the first.
        clear (float): When the last one has left the ego's lane.
        count (int): How many.
    """

    zebra: int
    clear: float
    count: int = 2


@dataclass(frozen=True)
class Scenario:
    """A script of the ego car and of the road users that it reacts to.

    Attributes:
        name (str): Word for descriptions and the intent file.
        layout (LayoutPlan): What the world must have.
        approach (float): Metres from the ego's front to the stop line of
            the junction, or to the middle of a road without one.
        speed (float): Ego's speed at time 0, m/s.
        wanted (float): Speed it would like, m/s.
        lane (int): First lane; 0 is the inner one, -1 the outer one.
        turn (str): Route at the junction.
        changes (tuple): (metres from the start, metres long, lanes to the
            right) of each lane change.
        red (tuple): (start, stop) of red for the ego's arm.
        schedule (tuple): (time, wanted speed) of the ego.
        lead (LeadVehicle): Vehicle ahead, or None.
        work_zone (float): Metres from the ego's start to a work zone in its
            first lane, or None.
        blocker (float): Metres to a vehicle that stands in the first lane,
            or None.
        walkers (tuple): Who crosses.
        clear (float): Metres ahead in its lanes that other traffic leaves.
    """

    name: str
    layout: LayoutPlan
    approach: float
    speed: float
    wanted: float
    lane: int = 0
    turn: str = 'straight'
    changes: tuple[tuple[float, float, int], ...] = ()
    red: tuple[tuple[float, float], ...] = ()
    schedule: tuple[tuple[float, float], ...] = ()
    lead: LeadVehicle | None = None
    work_zone: float | None = None
    blocker: float | None = None
    walkers: tuple[Walkers, ...] = field(default_factory=tuple)
    clear: float = 60.0

    def signal(self, arm: str, time: float) -> str:
        """State of the traffic light of an arm: one stream at a time."""
        mine = self._own(time)
        if arm == 'maina':
            return mine
        if arm == 'mainb':
            return 'red' if self.turn == 'left' else mine
        for start, stop in self.red:
            last = stop - _ALL_RED
            if start + 1.0 <= time < last - _YELLOW:
                return 'green'
            if last - _YELLOW <= time < last:
                return 'yellow'
        return 'red'

    def _own(self, time: float) -> str:
        for start, stop in self.red:
            if start <= time < stop:
                return 'red'
            if start - _YELLOW <= time < start:
                return 'yellow'
        return 'green'


def red_light(rng: np.random.Generator) -> Scenario:
    """Brake for a red light, wait, drive on."""
    return Scenario(
        'red_light',
        LayoutPlan('cross', forward=(1, 2)),
        approach=rng.uniform(26, 29),
        speed=rng.uniform(8.4, 9.0),
        wanted=10.5,
        red=((-5.0, rng.uniform(8.6, 9.0)),),
        clear=45.0,
    )


def left_turn(rng: np.random.Generator) -> Scenario:
    """Slow down, turn left at green, speed up."""
    kind = ('cross', 'tee_left')[rng.integers(2)]
    return Scenario(
        'left_turn',
        LayoutPlan(kind, forward=(1, 2)),
        approach=rng.uniform(24, 29),
        speed=rng.uniform(8.4, 9.2),
        wanted=10.5,
        turn='left',
    )


def right_turn(rng: np.random.Generator) -> Scenario:
    """Turn right and wait for pedestrians on the crossing behind it."""
    kind = ('cross', 'tee_right')[rng.integers(2)]
    return Scenario(
        'right_turn',
        LayoutPlan(kind, forward=(1, 2), all_zebras=True),
        approach=rng.uniform(17, 21),
        speed=rng.uniform(7.2, 8.0),
        wanted=9.5,
        lane=-1,
        turn='right',
        walkers=(Walkers(1, rng.uniform(4.9, 5.3), 2),),
    )


def work_zone(rng: np.random.Generator) -> Scenario:
    """Move left around a work zone, then back to the right."""
    return Scenario(
        'work_zone',
        LayoutPlan('none', forward=(2,), bend=float(rng.uniform(-12, 12))),
        approach=50.0,
        speed=rng.uniform(7.8, 8.6),
        wanted=8.2,
        lane=-1,
        changes=((16.0, 28.0, -1), (60.0, 27.0, 1)),
        schedule=((2.0, 6.6), (6.4, 11.0)),
        work_zone=44.0,
        clear=90.0,
    )


def overtake(rng: np.random.Generator) -> Scenario:
    """Pass a slow lorry on the left, then brake for a crossing."""
    return Scenario(
        'overtake',
        LayoutPlan('none', forward=(2,), bend=0.0, zebra=42.0),
        approach=46.0,
        speed=rng.uniform(7.0, 7.6),
        wanted=9.6,
        lane=-1,
        changes=((8.0, 30.0, -1),),
        lead=LeadVehicle(17.0, 3.6, ((0.0, 3.6),), 'vehicle.truck'),
        walkers=(Walkers(0, 12.5, 2),),
        clear=90.0,
    )


def stop_and_go(rng: np.random.Generator) -> Scenario:
    """Follow a car that stops and starts again in a bend."""
    side = (-1, 1)[rng.integers(2)]
    return Scenario(
        'stop_and_go',
        LayoutPlan('none', forward=(1, 2), bend=side * rng.uniform(45, 70)),
        approach=26.0,
        speed=rng.uniform(7.6, 8.4),
        wanted=9.5,
        lead=LeadVehicle(11.0, 8.0, ((0.0, 8.5), (1.6, 0.0), (6.4, 13.0))),
        clear=80.0,
    )


def start_and_turn(rng: np.random.Generator) -> Scenario:
    """Wait at red, then turn left at green and speed up."""
    kind = ('cross', 'tee_left')[rng.integers(2)]
    return Scenario(
        'start_and_turn',
        LayoutPlan(kind, forward=(1, 2)),
        approach=1.2,
        speed=0.0,
        wanted=10.5,
        turn='left',
        red=((-5.0, rng.uniform(3.6, 4.0)),),
    )


def bend_and_crossing(rng: np.random.Generator) -> Scenario:
    """Speed up along a bend, stop for pedestrians, move to the right."""
    side = (-1, 1)[rng.integers(2)]
    return Scenario(
        'bend_and_crossing',
        LayoutPlan(
            'none', forward=(2,), bend=side * rng.uniform(40, 55), zebra=12.0
        ),
        approach=30.0,
        speed=rng.uniform(3.4, 4.0),
        wanted=10.0,
        changes=((7.0, 25.0, 1),),
        walkers=(Walkers(0, 8.4, 2),),
        clear=70.0,
    )


def change_and_left(rng: np.random.Generator) -> Scenario:
    """Speed up, pass a standing lorry on the left, then turn left."""
    return Scenario(
        'change_and_left',
        LayoutPlan('cross', forward=(2,)),
        approach=rng.uniform(34.4, 34.8),
        speed=rng.uniform(3.2, 3.8),
        wanted=9.6,
        lane=-1,
        turn='left',
        changes=((8.0, 22.0, -1),),
        blocker=31.0,
        clear=70.0,
    )


def change_and_right(rng: np.random.Generator) -> Scenario:
    """Speed up past a standing lorry, turn right, stop for those who cross."""
    return Scenario(
        'change_and_right',
        LayoutPlan(
            ('cross', 'tee_right')[rng.integers(2)],
            forward=(2,),
            all_zebras=True,
        ),
        approach=rng.uniform(28.3, 28.7),
        speed=rng.uniform(5.0, 5.2),
        wanted=9.4,
        lane=0,
        turn='right',
        changes=((4.0, 22.0, 1),),
        blocker=27.5,
        walkers=(Walkers(1, 9.0, 2), Walkers(1, rng.uniform(11.8, 12.2), 2)),
        clear=70.0,
    )


SCENARIOS = {
    make.__name__: make
    for make in (
        red_light,
        left_turn,
        right_turn,
        work_zone,
        overtake,
        stop_and_go,
        start_and_turn,
        bend_and_crossing,
        change_and_left,
        change_and_right,
    )
}


def draw_scenario(name: str, rng: np.random.Generator) -> Scenario:
    """Draw the numbers of the scenario ``name``.

    Raises:
        KeyError: If there is no such scenario.
    """
    if name not in SCENARIOS:
        known: Sequence[str] = sorted(SCENARIOS)
        raise KeyError(f'no scenario {name!r}; there are {", ".join(known)}')
    return SCENARIOS[name](rng)
