"""What scenes know, against the drive of ``conftest.py`` worked by hand."""

import copy

import numpy as np
import pytest

from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.infos import InfoFileError


@pytest.fixture(scope='module')
def scenes(scene_file):
    return SceneTruth(scene_file)


def row(agents, category):
    (found,) = np.flatnonzero(agents.category == category)
    return found


def test_frames_are_placed_in_their_scenes(scenes):
    assert len(scenes.tokens) == 19
    assert scenes.position('a-7') == (7, 15)
    assert scenes.position('b-3') == (3, 4)


def test_order_of_the_file_does_not_matter(
    scenes, scene_infos, write_infos, tmp_path
):
    other = SceneTruth(write_infos(tmp_path / 'x.pkl', scene_infos[::-1]))
    assert set(other.tokens) == set(scenes.tokens)
    for token in ('a-0', 'a-14', 'b-2'):
        assert other.position(token) == scenes.position(token)
        np.testing.assert_array_equal(
            other.ray_origins(token), scenes.ray_origins(token)
        )


def test_ray_origins_are_the_lidar_of_the_whole_scene(scenes):
    origins = scenes.ray_origins('b-1')
    expected = [[0.94 + 3 * step, 0, 1.84] for step in (-1, 0, 1, 2)]
    assert origins == pytest.approx(np.array(expected), abs=1e-5)


def test_far_origins_are_dropped_and_eight_remain(scenes):
    # Frames 0 .. 12 are within 39 m; of 13 those at linspace(0, 12, 8).
    origins = scenes.ray_origins('a-0')
    chosen = np.array([0, 2, 3, 5, 7, 9, 10, 12])
    assert origins[:, 0] == pytest.approx(0.94 + 3 * chosen, abs=1e-5)


def test_plan_sample_holds_the_true_path(scenes):
    sample = scenes.plan_sample('b-1')
    assert sample.plan is None
    assert sample.mask.tolist() == [True, True] + [False] * 4
    assert sample.truth[:2].tolist() == [[3, 0], [6, 0]]
    assert (sample.frame_idx, sample.scene_length) == (1, 4)
    assert sample.frame == 'ego'


def test_agents_stand_where_they_stand_whoever_looks(scenes):
    for index in (0, 1, 5):
        agents = scenes.plan_sample(f'a-{index}').agents
        car = row(agents, 'vehicle.car')
        place = [20 - 3 * index, 3, 0]
        assert agents.now[car] == pytest.approx(place, abs=1e-9)
        assert agents.size[car].tolist() == [4.5, 1.9]
        # In the frame of now, a parked car does not move.
        assert agents.future[car] == pytest.approx(
            np.tile(place, (6, 1)), abs=1e-9
        )
        assert agents.future_mask[car].all()


def test_late_arrivals_have_a_future_and_no_present(scenes):
    agents = scenes.plan_sample('a-0').agents
    truck = row(agents, 'vehicle.truck')
    assert np.isnan(agents.now[truck]).all()
    assert agents.future_mask[truck].tolist() == [False] + [True] * 5
    assert agents.future[truck, 1] == pytest.approx([30, -2, 0])


def test_points_and_visibility_are_those_of_their_frames(scenes):
    agents = scenes.plan_sample('a-0').agents
    car = row(agents, 'vehicle.car')
    assert agents.has_points[car].tolist() == [False] + [True] * 5
    # Only frame 0 has been seen so far; later frames say nothing.
    assert agents.recently_seen[car]
    assert not agents.recently_seen[row(agents, 'vehicle.truck')]
    later = scenes.plan_sample('a-4').agents
    # Barely visible (token 1) in frames 2, 3 and 4.
    assert not later.recently_seen[row(later, 'vehicle.truck')]


def test_future_ends_with_the_scene(scenes):
    agents = scenes.plan_sample('b-2').agents
    assert agents.future_mask[0].tolist() == [True] + [False] * 5


def test_unknown_token_names_the_file(scenes):
    with pytest.raises(InfoFileError, match=r"infos_val\.pkl has no frame 'x"):
        scenes.plan_sample('x')


@pytest.mark.parametrize(
    ('drop', 'ask', 'says'),
    [
        (('scene_token',), None, 'sample b-0 lacks scene_token'),
        (('ego2global',), 'ray_origins', 'sample b-0 lacks ego2global'),
        (('ego', 'fut_poses'), 'plan_sample', 'b-0 lacks fut_poses'),
        (('instances', 0, 'visibility'), 'plan_sample', 'b-0 lacks boxes'),
    ],
)
def test_what_is_missing_is_named(
    drop, ask, says, scene_infos, write_infos, tmp_path
):
    infos = copy.deepcopy(scene_infos[15:])
    inner = infos[0]
    for key in drop[:-1]:
        inner = inner[key]
    del inner[drop[-1]]
    path = write_infos(tmp_path / 'infos.pkl', infos)
    with pytest.raises(InfoFileError, match=rf'infos\.pkl: .*{says}'):
        getattr(SceneTruth(path), ask)('b-0')
