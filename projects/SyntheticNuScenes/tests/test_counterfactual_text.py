import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.actors import agent_box
from mmocc.projects.SyntheticNuScenes.synthetic.counterfactual import (
    COLLISION,
    OUT_OF_AREA,
    RED_LIGHT,
    SAFE,
    anchors,
    judge,
    judge_anchors,
)
from mmocc.projects.SyntheticNuScenes.synthetic.stage import freeze


def straight(speed):
    return np.stack([speed * 0.5 * np.arange(1, 7), *np.zeros((2, 6))], axis=1)


def driven(stage, time):
    """What the ego car does, as a path in its frame."""
    cast = stage.cast
    poses = np.array(
        [
            cast.simulation.state(cast.agents[0], time + 0.5 * k)[0]
            for k in range(7)
        ]
    )
    gap = poses[1:, :2] - poses[0, :2]
    cos, sin = np.cos(poses[0, 2]), np.sin(poses[0, 2])
    local = gap @ np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([local, poses[1:, 2] - poses[0, 2]])


def test_what_the_car_really_does_is_safe(stages):
    for name, stage in stages.items():
        for time in stage.times[:-6:3]:
            found = judge(driven(stage, time), stage, freeze(stage, time))
            assert found.outcome == SAFE, (name, time, found)
            assert found.time == 3.0


def test_driving_on_runs_the_red_light(stages):
    stage = stages['red_light']
    cast = stage.cast
    waiting = next(
        float(t)
        for t in stage.times
        if np.interp(t, cast.simulation.times, cast.agents[0].v) < 0.1
    )
    found = judge(straight(8.0), stage, freeze(stage, waiting))
    assert found.outcome in (RED_LIGHT, COLLISION)
    slow = judge(straight(1.5), stage, freeze(stage, waiting))
    assert slow.outcome == RED_LIGHT
    still = judge(straight(0.0), stage, freeze(stage, waiting))
    assert still.outcome == SAFE


def test_a_path_into_a_parked_box_collides_and_names_it(stages):
    stage = stages['overtake']
    instant = freeze(stage, float(stage.times[0]))
    lead = agent_box(stage.cast, 1, instant.time)
    away = np.hypot(*(lead.centre[:2] - instant.pose[:2]))
    found = judge(straight(away / 1.5), stage, instant)
    assert (found.outcome, found.thing) == (COLLISION, 'truck')
    assert found.time <= 2.0


def test_a_path_off_the_road_leaves_the_area(stages):
    stage = stages['stop_and_go']
    path = np.stack(
        [5.0 * np.arange(1, 7), -5.0 * np.arange(1, 7), np.zeros(6)], axis=1
    )
    found = judge(path, stage, freeze(stage, float(stage.times[0])))
    assert found.outcome in (OUT_OF_AREA, COLLISION)


def test_anchors_start_at_the_present_speed():
    paths = anchors(8.0)
    for name, path in paths.items():
        assert path.shape == (6, 3)
        first = np.hypot(*path[0, :2])
        assert first == pytest.approx(4.0, abs=0.35), name
    assert paths['turn_left'][-1, 1] > 5 > -5 > paths['turn_right'][-1, 1]
    assert paths['change_left'][-1, 1] == pytest.approx(3.5)
    # 8 m/s at 2.5 m/s^2: 8 * 3 - 2.5 * 9 / 2 metres.
    assert paths['brake'][-1, 0] == pytest.approx(12.75)
    assert np.ptp(anchors(1.0)['brake'][2:, 0]) == pytest.approx(0)


def test_nothing_is_judged_beyond_the_simulation(stages):
    stage = stages['red_light']
    assert judge_anchors(stage, freeze(stage, float(stage.times[-1]))) == []
    judged = judge_anchors(stage, freeze(stage, float(stage.times[0])))
    assert len(judged) == len(anchors(1.0))
