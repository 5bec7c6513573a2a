"""Judge what would happen if the ego car drove another trajectory.

A few paths are tried against the simulated future, the painted ground and the
traffic lights. The categories are those of OmniDrive's counterfactual
questions (Wang et al., CVPR 2025): safe, collision, red light, out of the
drivable area.
"""

from dataclasses import dataclass

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.actors import agent_box
from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    BAY,
    ROAD,
    WHITE,
    YELLOW,
)
from mmocc.projects.SyntheticNuScenes.synthetic.language import thing_name
from mmocc.projects.SyntheticNuScenes.synthetic.population import boxes_overlap
from mmocc.projects.SyntheticNuScenes.synthetic.stage import Instant, Stage
from mmocc.projects.SyntheticNuScenes.synthetic.tracks import quintic
from mmocc.projects.SyntheticNuScenes.synthetic.traffic import (
    EGO_CENTRE,
    EGO_FRONT,
    EGO_LENGTH,
    EGO_WIDTH,
)
from mmocc.structures.occ3d import NUM_FUTURE, STEP_SECONDS

SAFE, COLLISION = 'safe', 'collision'
RED_LIGHT, OUT_OF_AREA = 'red_light', 'out_of_area'

_BRAKING, _SPEEDING = -2.5, 2.0  # m/s^2
_TURN_RADIUS = 14.0  # metres
_TURN_SPEED = 5.0  # m/s at least, or nothing would be turned
_LANE = 3.5  # metres to the side of a lane change
_NEAR = 40.0  # metres within which an object may be met
_TIMES = STEP_SECONDS * np.arange(1, NUM_FUTURE + 1)


@dataclass(frozen=True)
class Judgement:
    """A trajectory and its outcome: safe, collision, red light, off road.

    Attributes:
        path (list): Six [x, y] in the ego frame, metres, 0.5 s apart.
        outcome (str): ``safe``, ``collision``, ``red_light`` or
            ``out_of_area``.
        thing (str): What it would hit, '' without a collision.
        time (float): Seconds until it goes wrong; 3 where it does not.
    """

    path: list[list[float]]
    outcome: str
    thing: str
    time: float


def anchors(speed: float) -> dict[str, np.ndarray]:
    """Return trajectories to judge, each (6, 3) x, y, yaw in the ego frame.

    Args:
        speed (float): Of the ego car now, m/s.
    """
    keep = speed * _TIMES
    fast = keep + 0.5 * _SPEEDING * _TIMES**2
    stop = min(speed / -_BRAKING, float(_TIMES[-1]))
    braked = np.minimum(_TIMES, stop)
    slow = speed * braked + 0.5 * _BRAKING * braked**2
    arc = max(speed, _TURN_SPEED) * _TIMES
    paths = {
        'keep': _straight(keep),
        'speed_up': _straight(fast),
        'brake': _straight(slow),
        'turn_left': _bent(arc, 1.0 / _TURN_RADIUS),
        'turn_right': _bent(arc, -1.0 / _TURN_RADIUS),
        'change_left': _shifted(arc, _LANE),
        'change_right': _shifted(arc, -_LANE),
    }
    return paths


def _straight(run: np.ndarray) -> np.ndarray:
    return np.stack([run, 0 * run, 0 * run], axis=1)


def _bent(run: np.ndarray, curvature: float) -> np.ndarray:
    yaw = run * curvature
    return np.stack(
        [np.sin(yaw) / curvature, (1 - np.cos(yaw)) / curvature, yaw], axis=1
    )


def _shifted(run: np.ndarray, side: float) -> np.ndarray:
    share = quintic(_TIMES / _TIMES[-1])
    path = np.stack([run, side * share, 0 * run], axis=1)
    origin = np.concatenate([np.zeros((1, 2)), path[:, :2]])
    step = np.gradient(origin, axis=0)[1:]
    path[:, 2] = np.arctan2(step[:, 1], step[:, 0])
    return path


def _footprint(pose: np.ndarray) -> np.ndarray:
    """(4, 2) corners of the ego car at a pose of its reference point."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    base = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
    local = base * (EGO_LENGTH, EGO_WIDTH) + (EGO_CENTRE, 0.0)
    return local @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]


def _to_global(path: np.ndarray, pose: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    turn = np.array([[cos, sin], [-sin, cos]])
    out = path.copy()
    out[:, :2] = path[:, :2] @ turn + pose[:2]
    out[:, 2] += pose[2]
    return out


class _Future:
    """Positions of all road users in the next three seconds of a scene."""

    def __init__(self, stage: Stage, instant: Instant) -> None:
        self.stage, self.instant = stage, instant
        cast = stage.cast
        here = instant.pose[:2]
        near = [
            box.instance
            for box in instant.boxes
            if np.hypot(*(box.centre[:2] - here)) < _NEAR
        ]
        self.boxes = [
            [agent_box(cast, index, instant.time + after) for index in near]
            for after in _TIMES
        ]

    def collision(self, step: int, footprint: np.ndarray) -> str:
        """Return the category that a footprint collides with, '' for none."""
        middle = footprint.mean(0)
        reach = np.hypot(EGO_LENGTH, EGO_WIDTH) / 2
        for box in self.boxes[step]:
            length, width, _ = box.size
            gap = np.hypot(*(box.centre[:2] - middle))
            if gap > reach + np.hypot(length, width) / 2:
                continue
            cos, sin = np.cos(box.yaw), np.sin(box.yaw)
            base = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
            corners = (
                base * (length, width) @ np.array([[cos, sin], [-sin, cos]])
            )
            if boxes_overlap(footprint, corners + box.centre[:2]):
                return thing_name(box.category)
        return ''

    def is_off_road(self, footprint: np.ndarray) -> bool:
        codes = self.stage.world.ground.code_at(footprint)
        return not np.isin(codes, (ROAD, WHITE, YELLOW, BAY)).all()

    def runs_red(self, step: int, before: np.ndarray, now: np.ndarray) -> bool:
        """Whether the front bumper crosses a stop line at red."""
        time = self.instant.time + float(_TIMES[step])
        track = self.stage.cast.agents[0].track
        for metre, kind, arm in track.stops:
            if (
                kind != 'signal'
                or self.stage.scenario.signal(arm, time) != 'red'
            ):
                continue
            x, y, yaw = track.poses([metre])[0]
            heading = np.array([np.cos(yaw), np.sin(yaw)])
            gaps = [
                (_bumper(pose) - (x, y)) @ heading for pose in (before, now)
            ]
            if gaps[0] <= 0.0 < gaps[1]:
                return True
        return False


def _bumper(pose: np.ndarray) -> np.ndarray:
    heading = np.array([np.cos(pose[2]), np.sin(pose[2])])
    return pose[:2] + EGO_FRONT * heading


def judge(path: np.ndarray, stage: Stage, instant: Instant) -> Judgement:
    """Judge one trajectory (6, 3) by the first thing that goes wrong."""
    return _judge(path, _Future(stage, instant))


def _judge(path: np.ndarray, future: _Future) -> Judgement:
    places = _to_global(path, future.instant.pose)
    before = future.instant.pose
    spelled = [[float(x), float(y)] for x, y in path[:, :2]]
    for step, pose in enumerate(places):
        footprint = _footprint(pose)
        thing = future.collision(step, footprint)
        after = float(_TIMES[step])
        if thing:
            return Judgement(spelled, COLLISION, thing, after)
        if future.is_off_road(footprint):
            return Judgement(spelled, OUT_OF_AREA, '', after)
        if future.runs_red(step, before, pose):
            return Judgement(spelled, RED_LIGHT, '', after)
        before = pose
    return Judgement(spelled, SAFE, '', float(_TIMES[-1]))


def judge_anchors(stage: Stage, instant: Instant) -> list[Judgement]:
    """Judge every anchor; empty if the simulation ends too early."""
    simulation = stage.cast.simulation
    if instant.time + _TIMES[-1] > float(simulation.times[-1]) + 1e-6:
        return []
    ego = stage.cast.agents[0]
    speed = float(np.interp(instant.time, simulation.times, ego.v))
    future = _Future(stage, instant)
    return [_judge(path, future) for path in anchors(speed).values()]
