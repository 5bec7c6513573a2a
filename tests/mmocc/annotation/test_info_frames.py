from pathlib import Path

import numpy as np
import pytest
from mmocc_testing import handmade_roads as roads
from mmocc_testing.drive_infos import drive_infos

from mmocc.annotation import LabelRules, RoadMap, label_infos
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.meta_action_labels import label_scene
from mmocc.infos import InfoFileError, group_scenes

ROOT = Path('data')
CLASSES = dict(
    enumerate(
        'car truck trailer bus construction_vehicle bicycle motorcycle '
        'pedestrian traffic_cone barrier'.split()
    )
)


@pytest.fixture(scope='module')
def road_map() -> RoadMap:
    return RoadMap(LaneGraph.from_map(roads.map_tables()))


def turn() -> np.ndarray:
    return roads.left_turn(roads.cruise(34, 6.0)[0])


def label(infos: dict, road_map: RoadMap | None) -> list:
    return list(
        label_infos(infos['data_list'], CLASSES, road_map, LabelRules(), ROOT)
    )


def test_labels_are_those_of_the_poses(road_map):
    frames = label(drive_infos(turn()), road_map)
    times = 0.5 * np.arange(34)
    expected = label_scene(turn(), times, road_map.lanes)
    for frame, ours in zip(frames, expected, strict=True):
        assert (frame.label and frame.label.action) == (ours and ours.action)
        assert (frame.context is None) == (ours is None)
    assert {f.path_label.source for f in frames if f.label} == {'motion'}


def test_an_annotator_sees_the_frame_in_the_canonical_frame(road_map):
    """At 60 m the turn begins; the box is 9 m ahead of the LiDAR."""
    info = drive_infos(turn())
    context = label(info, road_map)[20].context
    (agent,) = context.agents
    # LiDAR x (right) 3 m, y (forward) 9 m, mounted 0.94 m ahead.
    assert (agent.x, agent.y) == pytest.approx((9.94, -3.0))
    assert (agent.vx, agent.vy) == pytest.approx((2.0, -1.0))
    # 1.5 m of arc every 0.25 rad: R sin, R (1 - cos) of 0.25 k rad.
    angle = 0.25 * np.arange(7)
    np.testing.assert_allclose(context.path[:, 0], 0.5 * np.arange(7))
    np.testing.assert_allclose(
        context.path[:, 1:],
        np.stack(
            (
                roads.RADIUS * np.sin(angle),
                roads.RADIUS * (1 - np.cos(angle)),
                angle,
            ),
            axis=1,
        ),
        atol=1e-9,
    )
    assert context.images['CAM_FRONT'].name.endswith('CAM_FRONT.jpg')


def test_off_the_map_and_without_one_the_path_decides(road_map):
    far = turn() + np.array([0, -500, 0])
    for frames in (label(drive_infos(far), road_map),
                   label(drive_infos(turn()), None)):  # fmt: skip
        labels = [f.label for f in frames if f.label]
        assert {x.source for x in labels} == {'motion'}
        assert 'Turn Left' in {x.action.direction for x in labels}


def test_future_poses_change_no_history(road_map):
    """From frame 20 on another drive: straight on, and faster."""
    poses, times = turn(), 0.5 * np.arange(34)
    other = poses.copy()
    other[20:] = np.stack(
        (
            60 + 9.0 * (times[20:] - times[19]),
            np.full(14, roads.LANE_WIDTH),
            np.zeros(14),
        ),
        axis=1,
    )
    ours = label(drive_infos(poses), road_map)
    theirs = label(drive_infos(other), road_map)
    assert [f.history for f in ours[:20]] == [f.history for f in theirs[:20]]
    assert [f.history for f in ours] != [f.history for f in theirs]
    assert ours[19].label.action != theirs[19].label.action


def test_scenes_are_put_in_order():
    one, two = (drive_infos(turn()[:5], k)['data_list'] for k in (0, 1))
    mixed = [*two[::-1], *one]
    scenes = group_scenes(mixed, 'x.pkl', whole=True)
    assert [list(scene.infos) for scene in scenes] == [two, one]


def test_a_scene_that_was_cut_is_refused():
    infos = drive_infos(turn()[:6])['data_list']
    for kept in (infos[1:], infos[:-1], infos[:2] + infos[3:]):
        with pytest.raises(InfoFileError, match='need whole scenes'):
            group_scenes(kept, 'x.pkl', whole=True)


def test_a_file_without_our_keys_is_refused():
    with pytest.raises(InfoFileError, match='lacks scene_token'):
        group_scenes([dict(token='a')], 'x.pkl')


def test_hidden_boxes_and_other_classes_are_not_seen():
    infos = drive_infos(turn())
    first, second, third = infos['data_list'][:3]
    first['instances'][0]['num_lidar_pts'] = 4
    second['instances'][0] |= dict(num_lidar_pts=4, visibility='2')
    third['instances'][0]['bbox_label_3d'] = -1
    frames = label(infos, None)
    assert [len(f.context.agents) for f in frames[:4]] == [0, 1, 0, 1]
