import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.actors import agent_box
from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    BAY,
    ROAD,
    WHITE,
    YELLOW,
)
from mmocc.projects.SyntheticNuScenes.synthetic.intent import scripted_intent
from mmocc.projects.SyntheticNuScenes.synthetic.population import boxes_overlap
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.projects.SyntheticNuScenes.synthetic.scenarios import (
    SCENARIOS,
    draw_scenario,
)
from mmocc.projects.SyntheticNuScenes.synthetic.scene import box_corners
from mmocc.structures import DIRECTIONS

NAMES = tuple(scenario for _, scenario, _ in PRESETS['mini'].scenes)


def test_every_scenario_is_used():
    assert sorted(NAMES) == sorted(SCENARIOS)


def test_unknown_scenarios_are_named():
    with pytest.raises(KeyError, match=r'fly.*left_turn'):
        draw_scenario('fly', np.random.default_rng(0))


@pytest.mark.parametrize('split', ['train', 'val'])
def test_every_meta_action_word_occurs(stages, split):
    speeds, directions = set(), set()
    for _, name, mine in PRESETS['mini'].scenes:
        if mine != split:
            continue
        stage = stages[name]
        ego, simulation = stage.cast.agents[0], stage.cast.simulation
        for time in stage.times[:-6]:
            intent = scripted_intent(stage.scenario, stage.cast, time)
            assert intent['complete']
            directions.add(intent['direction'])
            change = np.diff(
                np.interp([time, time + 3], simulation.times, ego.v)
            )[0]
            speeds.add(int(np.sign(change) * (abs(change) > 1.2)))
    assert directions == set(DIRECTIONS)
    assert speeds == {-1, 0, 1}


@pytest.mark.parametrize('name', NAMES)
def test_the_ego_car_drives_well(stages, name):
    stage = stages[name]
    cast = stage.cast
    ego, simulation = cast.agents[0], cast.simulation
    assert ego.a.max() <= ego.driver.acceleration + 1e-9
    assert ego.a[5:].min() > -4.5
    jerk = np.diff(ego.a) / 0.1
    moving = ego.v[1:] > 0.5
    assert np.abs(jerk[moving]).max() < 9.0
    for time in stage.times:
        box = agent_box(cast, 0, float(time))
        corners = box_corners(box)
        codes = stage.world.ground.code_at(corners[:, :2])
        assert np.isin(codes, (ROAD, WHITE, YELLOW, BAY)).all()
    assert simulation.times[-1] >= stage.times[-1]


@pytest.mark.parametrize('name', NAMES)
def test_no_two_boxes_overlap(stages, name):
    stage = stages[name]
    cast = stage.cast
    for time in stage.times[::4]:
        boxes = [
            agent_box(cast, i, float(time)) for i in range(len(cast.agents))
        ]
        # Corners of the upper face, in order around the box.
        faces = [box_corners(b)[[1, 3, 7, 5], :2] for b in boxes]
        centres = np.array([b.centre[:2] for b in boxes])
        gap = np.linalg.norm(centres[:, None] - centres, axis=-1)
        for i, j in np.argwhere(np.triu(gap < 12, 1)):
            assert not boxes_overlap(faces[i], faces[j])


@pytest.mark.parametrize('name', NAMES)
def test_velocity_is_the_derivative_of_the_place(stages, name):
    cast = stages[name].cast
    for index in range(1, len(cast.agents)):
        before, now, after = (
            agent_box(cast, index, t) for t in (4.99, 5.0, 5.01)
        )
        moved = (after.centre - before.centre)[:2] / 0.02
        np.testing.assert_allclose(moved, now.velocity, atol=0.35)


def test_the_ego_car_never_brakes_without_a_cause(stages):
    for stage in stages.values():
        ego = stage.cast.agents[0]
        words = np.array(ego.cause)
        # Jerk is limited, so braking outlasts its cause for a moment.
        hard = words[10:][ego.a[10:] < -1.2]
        causes = {'signal', 'lead', 'crossing', 'pedestrian', 'bend'}
        causes |= {'work_zone', 'free'}
        assert set(hard) <= causes
        assert not len(hard) or (hard == 'free').mean() < 0.15
