"""Derive the meta-action of the ego car from the scene's script.

Only for checking a labeller: the labels of the data set are computed from
poses and map, never from here.
"""

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.population import Cast
from mmocc.projects.SyntheticNuScenes.synthetic.scenarios import Scenario
from mmocc.projects.SyntheticNuScenes.synthetic.tracks import Track
from mmocc.projects.SyntheticNuScenes.synthetic.traffic import TIME_STEP

HORIZON = 3.0  # s
_TURN = np.radians(20.0)
_CONNECTOR_TURN = np.radians(25.0)  # of a connector that is a turn at all
_STOP_PATH = 1.0  # metres
_CHANGE_PATH = 6.0  # metres driven that a lane change needs
_SPEED_CHANGE = 0.4  # m/s^2 from which speed is not maintained
_CRAWL = 0.5  # m/s; who is never faster maintains speed


def scripted_intent(scenario: Scenario, cast: Cast, time: float) -> dict:
    """Return the scripted meta-action of the next three seconds.

    Args:
        scenario (Scenario): The script.
        cast (Cast): Simulated agents.
        time (float): On the simulator's clock, s.

    Returns:
        dict: ``scenario``; ``direction`` (a direction word of the meta-action
        vocabulary); ``speed_word`` (likewise, from the simulated
        acceleration alone); ``lane`` (key of the lane under the car);
        ``cause`` (what limits its speed); ``speed`` m/s; ``acceleration``
        m/s^2; ``complete`` (False where the simulation ends before the
        horizon).
    """
    ego, simulation = cast.agents[0], cast.simulation
    track = ego.track
    last = min(time + HORIZON, float(simulation.times[-1]))
    here, there = (float(simulation.progress(ego, t)) for t in (time, last))
    step = int(np.searchsorted(simulation.times, time - 1e-6))
    lane = next(
        (key for key, start, stop in track.legs if start <= here < stop),
        track.legs[-1][0],
    )
    direction = _direction(track, here, there)
    return {
        'scenario': scenario.name,
        'direction': direction,
        'speed_word': _speed_word(cast, time, last, direction),
        'lane': lane,
        'cause': ego.cause[step],
        'speed': float(np.interp(time, simulation.times, ego.v)),
        'acceleration': simulation.acceleration(ego, time),
        'complete': bool(last - time > HORIZON - 1e-6),
    }


def _speed_word(cast: Cast, time: float, last: float, direction: str) -> str:
    """Word for the mean change of speed, by least squares."""
    ego, clock = cast.agents[0], cast.simulation.times
    times = np.linspace(time, last, 1 + round((last - time) / TIME_STEP))
    speeds = np.interp(times, clock, ego.v)
    if len(times) < 2 or speeds.max() < _CRAWL:
        return 'Maintain speed'
    slope = float(np.polyfit(times - time, speeds, 1)[0])
    if abs(slope) <= _SPEED_CHANGE:
        return 'Maintain speed'
    if slope < 0:
        return 'Decelerate'
    # Who stops does not accelerate: there is no such pair.
    return 'Maintain speed' if direction == 'Stop' else 'Accelerate'


def _direction(track: Track, here: float, there: float) -> str:
    if there - here < _STOP_PATH:
        return 'Stop'
    turned = float(np.diff(track.poses(np.array([here, there]))[:, 2])[0])
    if abs(turned) >= _TURN:
        for start, stop in track.bends:
            if start >= there or stop <= here:
                continue
            ends = track.poses(np.array([start, stop]))[:, 2]
            if (ends[1] - ends[0]) * np.sign(turned) >= _CONNECTOR_TURN:
                return 'Turn Left' if turned > 0 else 'Turn Right'
    if there - here > _CHANGE_PATH:
        for start, stop, side in track.changes:
            middle = (start + stop) / 2
            if here < middle <= there:
                return f'Change Lane {"Left" if side > 0 else "Right"}'
    return 'Go Straight'
