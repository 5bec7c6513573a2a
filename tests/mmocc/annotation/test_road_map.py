import json

import numpy as np
import pytest
from mmocc_testing import handmade_roads as roads

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.road_map import RoadMap, inside
from mmocc.infos import MapError

RULES = LabelRules()


@pytest.fixture(scope='module')
def road_map(tmp_path_factory) -> RoadMap:
    path = tmp_path_factory.mktemp('maps') / 'map.json'
    path.write_text(json.dumps(roads.map_tables()))
    return RoadMap.from_json(path)


def test_road_ahead_by_hand(road_map):
    """On the left lane at x = 40: lane ends at 60, crosswalk from 56."""
    road = road_map.survey(np.array([40.0, 3.5, 0.0]), 40.0, RULES)
    assert road.on_lane and not road.in_intersection
    assert road.intersection == pytest.approx(20.0)
    # The way is looked at every metre.
    assert road.crosswalk == pytest.approx(16.5, abs=1.0)
    assert road.stop_line == pytest.approx(14.5, abs=1.0)
    assert road.lane_right and not road.lane_left
    steps = np.hypot(*np.diff(road.way[:, :2], axis=0).T)
    np.testing.assert_allclose(steps[:20], 1.0, atol=0.05)
    np.testing.assert_allclose(road.way[:, 1], 3.5, atol=1e-6)


def test_in_the_intersection(road_map):
    poses = roads.left_turn(np.array([70.0]))
    road = road_map.survey(poses[0], 40.0, RULES)
    assert road.in_intersection
    assert road.intersection == np.inf
    # The way follows the connector to its end, then goes north.
    np.testing.assert_allclose(road.way[-1, 2], np.pi / 2, atol=1e-6)


def test_nothing_ahead_behind_the_intersection(road_map):
    road = road_map.survey(np.array([90.0, 0.0, 0.0]), 40.0, RULES)
    assert road.crosswalk == road.stop_line == road.intersection == np.inf
    assert road.lane_left and not road.lane_right


def test_off_the_map_the_way_is_straight(road_map):
    road = road_map.survey(np.array([0.0, -300.0, np.pi / 2]), 10.0, RULES)
    assert not road.on_lane
    np.testing.assert_allclose(road.way[-1], [0, -290, np.pi / 2], atol=1e-6)


def test_inside_of_a_notched_polygon():
    notch = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]], dtype=float)
    points = np.array([[1.0, 1.0], [2.0, 3.0], [5.0, 1.0], [3.5, 3.0]])
    assert inside(points, notch).tolist() == [True, False, False, True]


@pytest.mark.parametrize('text', ['{', '[]', '{"lane": []}'])
def test_broken_map_is_named(tmp_path, text):
    path = tmp_path / 'boston-seaport.json'
    path.write_text(text)
    with pytest.raises(MapError, match=r'boston-seaport\.json.*v1\.3'):
        RoadMap.from_json(path)
