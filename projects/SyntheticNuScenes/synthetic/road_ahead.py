"""Describe the road ahead of the ego car for the texts."""

from dataclasses import dataclass

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.roads import Lane, RoadNet
from mmocc.projects.SyntheticNuScenes.synthetic.stage import Stage
from mmocc.projects.SyntheticNuScenes.synthetic.traffic import EGO_FRONT

_SIGHT = 45.0  # metres within which signals and crossings are told of
_BEND = 0.1  # rad of heading change in sight that makes a bend


@dataclass(frozen=True)
class RoadAhead:
    """Facts about the ego car's road.

    Attributes:
        speed (float): Of the ego car, m/s.
        lanes (int): In its direction; 0 inside a junction.
        lane (int): Its lane, 0 is the leftmost; -1 inside a junction.
        signal (str): ``red``, ``yellow``, ``green``, or '' without a signal
            in sight.
        signal_gap (float): Metres from the bumper to the stop line; inf
            without a signal in sight.
        crossing_gap (float): Metres to the next pedestrian crossing; inf
            without one in sight.
        bend (str): ``left``, ``right`` or ``straight``.
    """

    speed: float
    lanes: int
    lane: int
    signal: str
    signal_gap: float
    crossing_gap: float
    bend: str


def look_ahead(stage: Stage, time: float) -> RoadAhead:
    """Describe the road at a time on the simulator's clock."""
    simulation, net = stage.cast.simulation, stage.world.net
    ego = stage.cast.agents[0]
    here = float(simulation.progress(ego, time))
    key = next(
        (k for k, start, stop in ego.track.legs if start <= here < stop),
        ego.track.legs[-1][0],
    )
    place = ego.track.poses([here])[0, :2]
    siblings = _siblings(net, net.lanes[key])
    gaps = {'signal': np.inf, 'zebra': np.inf}
    state = ''
    for metre, kind, name in ego.track.stops:
        gap = metre - here - EGO_FRONT
        if -0.5 <= gap < min(_SIGHT, gaps[kind]):
            gaps[kind] = float(gap)
            if kind == 'signal':
                state = stage.scenario.signal(name, time)
    yaw = ego.track.poses(np.array([here, here + _SIGHT / 2]))[:, 2]
    turned = float(yaw[1] - yaw[0])
    bend = 'straight'
    if abs(turned) > _BEND:
        bend = 'left' if turned > 0 else 'right'
    return RoadAhead(
        speed=float(np.interp(time, simulation.times, ego.v)),
        lanes=len(siblings),
        lane=_nearest(siblings, place),
        signal=state,
        signal_gap=gaps['signal'],
        crossing_gap=gaps['zebra'],
        bend=bend,
    )


def _siblings(net: RoadNet, lane: Lane) -> list[Lane]:
    """Lanes side by side in one direction, the inner one first."""
    if lane.turn:
        return []
    place = (lane.road, lane.along, lane.span)
    found = [
        x for x in net.lanes.values() if (x.road, x.along, x.span) == place
    ]
    return sorted(found, key=lambda x: x.index)


def _nearest(lanes: list[Lane], place: np.ndarray) -> int:
    """Index of the lane under a point, -1 where there are no lanes."""
    if not lanes:
        return -1
    gaps = [
        np.linalg.norm(x.curve.sample(1.0)[:, :2] - place, axis=1).min()
        for x in lanes
    ]
    return int(np.argmin(gaps))
