import numpy as np
import pytest
from mmocc_testing import handmade_roads as roads
from nuscenes.map_expansion.arcline_path_utils import discretize_lane

from mmocc.annotation.lane_graph import (
    LaneGraph,
    sample_arcline,
    wrap_angle,
)


@pytest.fixture(scope='module')
def graph() -> LaneGraph:
    return LaneGraph.from_map(roads.map_tables())


def lane(graph: LaneGraph, token: str) -> int:
    return graph.tokens.index(token)


@pytest.mark.parametrize('shape', ['LSL', 'LSR', 'RSL', 'RSR', 'LRL', 'RLR'])
def test_arcline_passes_through_the_points_of_the_devkit(shape):
    path = dict(
        start_pose=[3.0, -2.0, 0.7],
        end_pose=[0.0, 0.0, 0.0],
        shape=shape,
        radius=9.0,
        segment_length=[4.2, 6.1, 5.3],
    )
    ours = sample_arcline([path], spacing=0.05)
    devkit = np.array(discretize_lane([path], 0.5))
    gaps = np.hypot(
        devkit[:, None, 0] - ours[:, 0], devkit[:, None, 1] - ours[:, 1]
    )
    # Half our spacing plus the devkit's rounding of the last point.
    assert gaps.min(1).max() < 0.03
    nearest = gaps.argmin(1)
    turn = wrap_angle(devkit[:, 2] - ours[nearest, 2])
    assert np.abs(turn).max() < 0.01


def test_quarter_circle_by_hand():
    points = sample_arcline(
        roads.left_arc(60.0, 3.5, 0.0, 12.0, np.pi / 2), 1.0
    )
    np.testing.assert_allclose(points[0], [60, 3.5, 0], atol=1e-9)
    np.testing.assert_allclose(points[-1], [72, 15.5, np.pi / 2], atol=1e-9)
    radius = np.hypot(points[:, 0] - 60, points[:, 1] - 15.5)
    np.testing.assert_allclose(radius, 12.0, atol=1e-9)


def test_links_and_kinds_come_from_the_map(graph):
    left = lane(graph, 'left')
    assert set(graph.successors[left]) == {
        lane(graph, 'left_on'),
        lane(graph, 'turn'),
    }
    assert graph.is_connector[lane(graph, 'turn')]
    assert not graph.is_connector[left]
    assert graph.reaches(left, lane(graph, 'north'), 2)
    assert not graph.reaches(left, lane(graph, 'north'), 1)


def test_neighbours_have_a_side(graph):
    left, right = lane(graph, 'left'), lane(graph, 'right')
    assert left in graph.neighbours[right][0]
    assert right in graph.neighbours[left][1]
    assert not graph.neighbours[left][0]
    assert graph.neighbours[lane(graph, 'bend')] == ((), ())


def test_turn_and_length_of_a_connector(graph):
    turn = lane(graph, 'turn')
    assert graph.turns[turn] == pytest.approx(np.pi / 2)
    # Chords of a quarter circle of 12 m, 1 m apart.
    assert graph.lengths[turn] == pytest.approx(6 * np.pi, rel=1e-3)


def test_projection_is_positive_to_the_left(graph):
    place = graph.project(lane(graph, 'right'), np.array([10.0, 1.2, 0.1]))
    assert place.offset == pytest.approx(1.2)
    assert place.along == pytest.approx(10.0)
    assert place.angle == pytest.approx(0.1)
    north = graph.project(lane(graph, 'north'), np.array([71.0, 30.0, 1.5]))
    assert north.offset == pytest.approx(1.0)


def test_near_finds_lanes_within_the_radius_only(graph):
    found = graph.near(10.0, 0.0, 3.0)
    assert lane(graph, 'right') in found
    assert lane(graph, 'bend') not in found
    assert graph.near(10.0, 100.0, 3.0) == []


def test_empty_map_has_no_lanes():
    empty = LaneGraph.from_map(
        dict(lane=[], lane_connector=[], arcline_path_3={}, connectivity={})
    )
    assert len(empty) == 0
    assert empty.near(0.0, 0.0, 5.0) == []
