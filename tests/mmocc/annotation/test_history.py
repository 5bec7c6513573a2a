import numpy as np
import pytest
from mmocc_testing import handmade_roads as roads

from mmocc.annotation.history import past_actions
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.structures import MetaAction


@pytest.fixture(scope='module')
def graph() -> LaneGraph:
    return LaneGraph.from_map(roads.map_tables())


@pytest.mark.parametrize('with_map', [True, False])
def test_left_turn_by_hand(graph, with_map):
    """At 72 m: 1 rad of the turn is done, 0.5 rad in each of two seconds."""
    distance, times = roads.cruise(25, 6.0)
    actions = past_actions(
        roads.left_turn(distance), times, graph if with_map else None
    )
    assert actions == [
        MetaAction('Maintain speed', 'Go Straight'),
        MetaAction('Maintain speed', 'Turn Left'),
        MetaAction('Maintain speed', 'Turn Left'),
    ]


def test_start_of_a_recording_has_fewer_windows():
    distance, times = roads.cruise(7, 6.0)
    poses = roads.left_turn(distance)
    counts = [
        len(past_actions(poses[: k + 1], times[: k + 1])) for k in range(7)
    ]
    assert counts == [0, 0, 1, 1, 2, 2, 3]


def test_stop_and_start_are_seen():
    x = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 2.0])
    poses = np.stack((x, 0 * x, 0 * x), axis=1)
    actions = past_actions(poses, 0.5 * np.arange(7))
    assert actions[:2] == [MetaAction('Maintain speed', 'Stop')] * 2
    assert actions[2] == MetaAction('Accelerate', 'Go Straight')


def test_lane_change_is_seen_in_the_window_that_crosses(graph):
    """S from 25 to 50 m at 8 m/s: the line is crossed at 37.5 m."""
    distance, times = roads.cruise(12, 8.0)
    poses = roads.lane_change(distance, start=25.0, length=25.0)
    # Frame 11 is at 44 m; its windows are 20..28, 28..36 and 36..44 m.
    assert [a.direction for a in past_actions(poses, times, graph)] == [
        'Go Straight',
        'Go Straight',
        'Change Lane Left',
    ]
