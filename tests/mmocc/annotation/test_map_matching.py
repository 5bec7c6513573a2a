import numpy as np
import pytest
from mmocc_testing import handmade_roads as roads

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.map_matching import match_lanes


@pytest.fixture(scope='module')
def graph() -> LaneGraph:
    return LaneGraph.from_map(roads.map_tables())


def names(graph: LaneGraph, match) -> list[str]:
    return list(dict.fromkeys(graph.tokens[lane] for lane in match.lanes))


def test_a_turn_follows_its_connector(graph):
    distance, _ = roads.cruise(34, 6.0)
    match = match_lanes(graph, roads.left_turn(distance), LabelRules())
    assert names(graph, match) == ['left', 'turn', 'north']
    assert not match.crossings and not match.jumps
    assert np.abs(match.shifts).max() < 0.1


def test_the_choice_at_a_fork_waits_for_what_follows(graph):
    """The third pose, 0.5 m behind the fork, lies on both connectors."""
    distance = np.array([54.0, 57.0, 60.5, 66.0, 72.0])
    straight = np.stack(
        (distance, np.full(5, roads.LANE_WIDTH), np.zeros(5)), axis=1
    )
    turning = roads.left_turn(distance)
    np.testing.assert_allclose(straight[:3], turning[:3], atol=0.05)
    for poses, lane in ((straight, 'left_on'), (turning, 'turn')):
        match = match_lanes(graph, poses, LabelRules())
        assert graph.tokens[match.lanes[2]] == lane


def test_a_lane_change_is_one_crossing_with_its_shift(graph):
    distance, _ = roads.cruise(24, 8.0)
    poses = roads.lane_change(distance, start=25.0, length=25.0)
    match = match_lanes(graph, poses, LabelRules())
    assert len(match.crossings) == 1
    assert match.shifts[-1] == pytest.approx(roads.LANE_WIDTH, abs=0.05)
    # The sideways motion is the path's own, without a step at the line.
    np.testing.assert_allclose(match.shifts, poses[:, 1], atol=0.05)


@pytest.mark.parametrize(('links', 'jumps'), [(1, 1), (2, 0)])
def test_a_short_lane_may_pass_between_two_frames(graph, links, jumps):
    """A step of 28 m from x = 56 skips the connector of 20 m."""
    x = np.array([28.0, 56.0, 84.0])
    poses = np.stack((x, 0 * x, 0 * x), axis=1)
    match = match_lanes(graph, poses, LabelRules(match_links=links))
    assert names(graph, match) == ['right', 'right_far']
    assert len(match.jumps) == jumps


def test_off_the_map_there_is_no_match(graph):
    poses = np.array([[10.0, 100.0, 0.0]] * 3)
    assert match_lanes(graph, poses, LabelRules()) is None


def test_a_lane_of_the_other_direction_does_not_match(graph):
    poses = np.array([[10.0, 0.0, np.pi], [8.0, 0.0, np.pi]])
    assert match_lanes(graph, poses, LabelRules()) is None
