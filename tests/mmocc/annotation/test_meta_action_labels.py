import numpy as np
import pytest
from mmocc_testing import handmade_roads as roads

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.meta_action_labels import label_frame, label_scene
from mmocc.structures import MetaAction


@pytest.fixture(scope='module')
def graph() -> LaneGraph:
    return LaneGraph.from_map(roads.map_tables())


def directions(labels) -> list[str]:
    return [x.action.direction for x in labels if x is not None]


def speeds(labels) -> list[str]:
    return [x.action.speed for x in labels if x is not None]


def drive(speed_of_time, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Key frames on the right lane with a given speed profile."""
    fine = np.arange(0, roads.STEP * count, 0.01)
    distance = np.concatenate(
        ([0.0], np.cumsum(speed_of_time(fine)[:-1] * 0.01))
    )
    times = roads.STEP * np.arange(count)
    x = np.interp(times, fine, distance)
    return np.stack((x, 0 * x, 0 * x), axis=1), times


def test_left_turn_by_hand(graph):
    """6 m/s: 3 m a frame; the turn begins at 60 m, at frame 20.

    Frame 15 sees 45 .. 63 m, 0.25 rad of the turn: 14 degrees, not enough.
    Frame 16 sees 0.5 rad, 29 degrees. Frame 24 (72 m, 1 rad into the turn)
    has 0.57 rad left, frame 25 0.32 rad (18 degrees).
    """
    distance, times = roads.cruise(34, 6.0)
    labels = label_scene(roads.left_turn(distance), times, graph)
    expected = ['Go Straight'] * 16 + ['Turn Left'] * 9 + ['Go Straight'] * 5
    assert directions(labels) == expected
    assert set(speeds(labels)) == {'Maintain speed'}
    assert {x.source for x in labels if x} == {'map'}
    # The last four frames see less than 2 s ahead.
    assert labels[-4:] == [None] * 4


def test_the_mirror_image_is_a_right_turn():
    distance, times = roads.cruise(34, 6.0)
    poses = roads.left_turn(distance) * [1, -1, -1]
    assert 'Turn Right' in directions(label_scene(poses, times))
    assert 'Turn Left' not in directions(label_scene(poses, times))


def test_a_bend_of_a_plain_lane_is_no_turn(graph):
    distance, times = roads.cruise(12, 7.0)
    poses = roads.bend(distance)
    assert set(directions(label_scene(poses, times, graph))) == {'Go Straight'}
    # Without a map nothing tells a bend from a turn.
    assert 'Turn Left' in directions(label_scene(poses, times))


@pytest.mark.parametrize('with_map', [True, False])
def test_lane_change_has_a_side(graph, with_map):
    distance, times = roads.cruise(24, 8.0)
    poses = roads.lane_change(distance, start=25.0, length=25.0)
    lanes = graph if with_map else None
    left = directions(label_scene(poses, times, lanes))
    assert 'Change Lane Left' in left
    assert set(left) <= {'Change Lane Left', 'Go Straight'}
    assert left[0] == left[-1] == 'Go Straight'
    # The same S from the left lane to the right one.
    back = poses * [1, -1, -1] + np.array([0, roads.LANE_WIDTH, 0])
    right = directions(label_scene(back, times, lanes))
    assert 'Change Lane Right' in right
    assert 'Change Lane Left' not in right


def test_weaving_within_the_lane_is_no_lane_change(graph):
    distance, times = roads.cruise(24, 8.0)
    poses = roads.lane_change(distance, start=25.0, length=25.0)
    poses[:, 1:] *= 0.3
    assert set(directions(label_scene(poses, times, graph))) == {'Go Straight'}


def test_speed_words_follow_the_acceleration():
    steady, times = drive(lambda t: 8.0 + 0 * t, 16)
    faster, _ = drive(lambda t: 3.0 + 1.0 * t, 16)
    slower, _ = drive(lambda t: 12.0 - 1.0 * t, 16)
    slightly, _ = drive(lambda t: 6.0 + 0.2 * t, 16)
    assert set(speeds(label_scene(steady, times))) == {'Maintain speed'}
    assert set(speeds(label_scene(faster, times))) == {'Accelerate'}
    assert set(speeds(label_scene(slower, times))) == {'Decelerate'}
    assert set(speeds(label_scene(slightly, times))) == {'Maintain speed'}


def test_word_stays_between_the_two_thresholds():
    """1 m/s^2 that fades to 0.35 m/s^2 keeps the word Accelerate."""
    fading, times = drive(
        lambda t: np.where(t < 4, 4 + t, 8 + 0.35 * (t - 4)), 20
    )
    words = speeds(label_scene(fading, times))
    assert set(words) == {'Accelerate'}
    # Alone, without the frames before, 0.35 m/s^2 is no acceleration.
    late = label_scene(fading[9:], times[9:])
    assert set(speeds(late)) == {'Maintain speed'}


def test_standing_is_maintained_and_a_stop():
    poses = np.tile([5.0, 0.0, 0.0], (12, 1))
    labels = label_scene(poses, np.arange(12) * 0.5)
    assert {x.action for x in labels if x} == {
        MetaAction('Maintain speed', 'Stop')
    }


def test_coming_to_a_halt_ends_in_a_stop():
    """From 6 m/s at 2 m/s^2: halted at 3 s, 9 m on."""
    poses, times = drive(lambda t: np.maximum(6.0 - 2.0 * t, 0.0), 18)
    labels = label_scene(poses, times)
    assert labels[0].action == MetaAction('Decelerate', 'Go Straight')
    # At 1.5 s 3 m/s are left: 2.25 m to go, and then it stands.
    assert labels[3].action.direction == 'Stop'
    assert labels[8].action == MetaAction('Maintain speed', 'Stop')


def test_who_stops_does_not_accelerate():
    """Standing for 2.5 s, then off at 1.8 m/s^2: 0.9 m within 3 s."""
    poses, times = drive(lambda t: 1.8 * np.maximum(t - 2.0, 0.0), 14)
    words = [x.action for x in label_scene(poses, times) if x]
    assert words[0] == MetaAction('Maintain speed', 'Stop')
    assert words[1] == MetaAction('Accelerate', 'Go Straight')
    assert MetaAction('Accelerate', 'Stop') not in words


def test_a_lane_change_in_a_bend_is_no_turn(graph):
    """Across 3.5 m while the road turns by a quarter of a circle."""
    tables = roads.map_tables()
    inner = roads.BEND_RADIUS - roads.LANE_WIDTH
    tables['lane'].append(dict(token='inner'))
    tables['arcline_path_3']['inner'] = roads.left_arc(
        0.0, 200.0 + roads.LANE_WIDTH, 0.0, inner, roads.BEND_ANGLE
    )
    distance, times = roads.cruise(11, 8.0)
    shift = roads.lane_change(distance, start=5.0, length=25.0)
    poses = roads.bend(distance)
    poses[:, 0] -= shift[:, 1] * np.sin(poses[:, 2])
    poses[:, 1] += shift[:, 1] * np.cos(poses[:, 2])
    poses[:, 2] += shift[:, 2]
    labels = label_scene(poses, times, LaneGraph.from_map(tables))
    assert 'Change Lane Left' in directions(labels)
    assert not {'Turn Left', 'Turn Right'} & set(directions(labels))


def test_neighbours_overrule_one_odd_frame():
    """One step is 0.35 m/s faster than 0.32 m/s^2 explains.

    It weighs most in the slope of the frame that sees it last: 0.42 m/s^2
    there, at most 0.38 m/s^2 in the others.
    """
    steps = np.arange(20)
    speed = 8 + 0.32 * roads.STEP * steps + 0.35 * (steps == 12)
    x = np.concatenate(([0.0], np.cumsum(speed * roads.STEP)))
    poses = np.stack((x, 0 * x, 0 * x), axis=1)
    times = roads.STEP * np.arange(len(x))
    rules = LabelRules(acceleration=0.4, acceleration_low=0.4)
    alone = [
        label_frame(poses, times, k, None, rules).action.speed
        for k in range(15)
    ]
    assert [k for k in range(15) if alone[k] != 'Maintain speed'] == [7]
    smooth = label_scene(poses, times, rules=rules)
    assert set(speeds(smooth)) == {'Maintain speed'}
    assert smooth[7].confidence == 0.0 < smooth[6].confidence


def test_labels_do_not_depend_on_where_the_map_lies():
    distance, times = roads.cruise(34, 6.0)
    poses = roads.left_turn(distance)
    here = label_scene(poses, times, LaneGraph.from_map(roads.map_tables()))
    there = label_scene(
        poses + np.array([300.0, 700.0, 0.0]),
        times,
        LaneGraph.from_map(roads.map_tables(300.0, 700.0)),
    )
    assert [x and x.action for x in here] == [x and x.action for x in there]


def test_confidence_is_low_near_a_threshold():
    near, times = drive(lambda t: 5.0 + 0.41 * t, 16)
    clear, _ = drive(lambda t: 5.0 + 1.5 * t, 16)
    assert label_scene(near, times)[2].confidence < 0.1
    assert label_scene(clear, times)[2].confidence > 0.9


def test_off_the_map_the_path_decides(graph):
    distance, times = roads.cruise(34, 6.0)
    poses = roads.left_turn(distance) + np.array([0.0, -500.0, 0.0])
    labels = label_scene(poses, times, graph)
    assert {x.source for x in labels if x} == {'motion'}
    assert 'Turn Left' in directions(labels)


def test_times_must_rise():
    poses, times = drive(lambda t: 8.0 + 0 * t, 12)
    times[5] = times[4]
    with pytest.raises(ValueError, match='must rise'):
        label_scene(poses, times)


def test_rules_refuse_nonsense():
    with pytest.raises(ValueError, match='acceleration_low'):
        LabelRules(acceleration=0.2)
    with pytest.raises(ValueError, match='min_future'):
        LabelRules(min_future=1)
