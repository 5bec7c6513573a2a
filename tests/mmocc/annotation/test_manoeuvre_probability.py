import numpy as np
import pytest
from mmocc_testing import handmade_roads as roads

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.manoeuvre_probability import manoeuvre_probability
from mmocc.annotation.map_matching import match_lanes
from mmocc.annotation.meta_action_labels import label_scene

RULES = LabelRules()


@pytest.fixture(scope='module')
def graph() -> LaneGraph:
    return LaneGraph.from_map(roads.map_tables())


def probability(graph: LaneGraph, poses: np.ndarray) -> float:
    match = match_lanes(graph, poses, RULES)
    return manoeuvre_probability(graph, match, 0, len(poses) - 1, RULES)


def test_on_the_line_by_hand(graph):
    """Two poses midway: both lanes cost the same, a crossing costs 3 more.

    Left-left and right-right weigh 1, the two that cross exp(-1.5) each.
    """
    y = roads.LANE_WIDTH / 2
    poses = np.array([[20.0, y, 0.0], [24.0, y, 0.0]])
    crossing = np.exp(-RULES.neighbour_cost / 2)
    assert probability(graph, poses) == pytest.approx(1 / (1 + crossing))


def test_a_fork_that_is_not_decided_by_hand(graph):
    """The last pose lies 0.5 m into the fork of left_on and turn.

    It is 0.5 m behind the end of the lane before, 0 m off the connector
    straight on, and 1 cm and 2.4 degrees off the one that turns.
    """
    x = np.array([54.0, 57.0, 60.5])
    poses = np.stack((x, np.full(3, roads.LANE_WIDTH), 0 * x), axis=1)
    lane, straight = np.exp(-(0.5**2) / 2), 1.0
    angle = np.rad2deg(0.5 / roads.RADIUS)
    turn = np.exp(-((angle / 15) ** 2 + 0.01**2) / 2)
    expected = (lane + straight) / (lane + straight + turn)
    assert probability(graph, poses) == pytest.approx(expected, abs=2e-3)


def test_what_follows_decides_the_fork(graph):
    distance = np.array([54.0, 57.0, 60.5, 66.0, 72.0])
    assert probability(graph, roads.left_turn(distance)) > 0.99


def test_a_whole_lane_change_is_certain(graph):
    distance, _ = roads.cruise(14, 8.0)
    poses = roads.lane_change(distance, start=25.0, length=25.0)
    assert probability(graph, poses) > 0.99


def test_the_end_of_a_lane_leaves_no_doubt(graph):
    """Which of two lanes in a row the car is on makes no manoeuvre."""
    x = np.array([50.0, 60.0, 70.0])
    poses = np.stack((x, 0 * x, 0 * x), axis=1)
    assert probability(graph, poses) == pytest.approx(1.0)


def test_a_long_stretch_does_not_underflow(graph):
    x = np.linspace(0.0, 130.0, 600)
    poses = np.stack((x, np.full_like(x, 1.7), 0 * x), axis=1)
    assert 0 < probability(graph, poses) <= 1


def test_a_label_is_no_surer_than_its_lanes(graph):
    """A drift of 1.6 m stays in the lane, but only just."""
    distance, times = roads.cruise(13, 6.0)
    centre = roads.lane_change(distance, start=15.0, length=25.0)
    centre[:, 1:] *= 1.65 / roads.LANE_WIDTH
    labels = [x for x in label_scene(centre, times, graph) if x]
    assert {x.action.direction for x in labels} == {'Go Straight'}
    assert labels[0].direction_confidence > 0.9
    assert min(x.direction_confidence for x in labels) < 0.85


def test_a_stop_needs_no_lanes(graph):
    """On the line between two lanes, standing: no doubt that it stands."""
    poses = np.tile([20.0, roads.LANE_WIDTH / 2, 0.0], (8, 1))
    label = label_scene(poses, np.arange(8) * 0.5, graph)[0]
    assert label.action.direction == 'Stop'
    assert label.direction_confidence == 1.0
