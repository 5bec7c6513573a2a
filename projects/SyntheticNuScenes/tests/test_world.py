import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    BAY,
    ROAD,
    WHITE,
    YELLOW,
)
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.projects.SyntheticNuScenes.synthetic.stage import set_world
from mmocc.projects.SyntheticNuScenes.synthetic.world import (
    LayoutPlan,
    build_world,
)

JUNCTIONS = ('none', 'tee_left', 'tee_right', 'cross')


@pytest.fixture(scope='module', params=JUNCTIONS)
def world(request):
    plan = LayoutPlan(request.param, bend=40.0, all_zebras=True)
    return build_world(plan, (20.0, 20.0), np.random.default_rng(5))


def test_connectors_join_their_lanes_without_a_kink(world):
    lanes = world.net.lanes
    for lane in lanes.values():
        end = lane.curve.poses([lane.curve.length])[0]
        for key in lane.outgoing:
            start = lanes[key].curve.poses([0.0])[0]
            np.testing.assert_allclose(end[:2], start[:2], atol=1e-6)
            assert np.cos(end[2] - start[2]) == pytest.approx(1, abs=1e-6)
            assert lane.key in lanes[key].incoming


def test_every_arm_of_a_junction_can_be_left(world):
    arrivals = [lane for lane in world.net.lanes.values() if lane.arm]
    assert bool(arrivals) == (world.junction != 'none')
    for lane in arrivals:
        assert lane.outgoing, lane.key


def test_lane_centres_are_drivable(world):
    inside = 0
    for lane in world.net.lanes.values():
        points = lane.curve.sample(1.0)[1:-1, :2]
        low = np.array(world.origin)
        points = points[((points > low) & (points < low + 320)).all(1)]
        codes = world.ground.code_at(points)
        assert np.isin(codes, (ROAD, WHITE, YELLOW, BAY)).all(), lane.key
        inside += len(points)
    assert inside > 400


def test_no_solid_stands_in_a_lane(world):
    """Only the arms of traffic lights and street lamps hang over lanes."""
    lanes = np.concatenate(
        [lane.curve.sample(0.5)[:, :2] for lane in world.net.lanes.values()]
    )
    low = world.solids[:, 3] - world.solids[:, 6] < 1.5
    places = world.solids[low, 1:3]
    gap = np.linalg.norm(places[:, None] - lanes[None], axis=-1).min(1)
    radius = np.minimum(world.solids[low, 4], world.solids[low, 5])
    assert (gap - radius > 1.0).all()


def test_scenes_differ_and_seeds_repeat():
    name, scenario, _ = PRESETS['mini'].scenes[0]
    first = set_world(0, name, scenario, (20.0, 20.0))[0]
    again = set_world(0, name, scenario, (20.0, 20.0))[0]
    other = set_world(1, name, scenario, (20.0, 20.0))[0]
    np.testing.assert_array_equal(first.solids, again.solids)
    np.testing.assert_array_equal(first.ground.codes, again.ground.codes)
    assert (first.ground.codes != other.ground.codes).mean() > 0.05


def test_vacant_places_are_off_the_road(world):
    lane = next(iter(world.net.lanes.values()))
    x, y, yaw = lane.curve.poses([lane.curve.length / 2])[0]
    assert not world.is_vacant((x, y, yaw), (4.0, 2.0, 2.0), False)
    assert not world.is_vacant((-500.0, y, yaw), (4.0, 2.0, 2.0), False)
