"""Boxes by hand: from the info file to the ego frame to pixels."""

import numpy as np
import pytest

from mmocc.structures import OCC3D_CLASSES, OCC3D_PALETTE
from mmocc.visualization.agent_boxes import AgentBoxes, draw_boxes, info_agents

CAR = OCC3D_CLASSES.index('car')
# 1.5 m above the ego origin, looking forward.
CAM2EGO = np.array(
    [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]]
)
CAM2IMG = np.array([[100.0, 0, 160], [0, 100, 90], [0, 0, 1]])
# LiDAR axes: x right, y forward; 1 m ahead of the ego origin, 2 m up.
LIDAR2EGO = [[0, 1, 0, 1], [-1, 0, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]


def make_info(**changes):
    instance = {
        'bbox_3d': [3.0, 9.0, -1.0, 4.0, 2.0, 1.5, np.pi / 2],
        'bbox_label_3d': 0,
        'bbox_3d_isvalid': True,
        'fut_box': np.array([[11.0, -3, 0], [12, -3, 0]]),
        'fut_mask': np.array([True, False]),
    }
    return {
        'token': 'abc',
        'instances': [instance | changes],
        'lidar_points': {'lidar2ego': LIDAR2EGO},
    }


def one_box(*box):
    return AgentBoxes(
        np.array([box], dtype=float), np.array([CAR]), [np.zeros((0, 2))]
    )


def test_boxes_turn_from_lidar_to_ego():
    agents = info_agents(make_info(bbox_label_3d=CAR))
    # 9 m ahead of the LiDAR, 3 m to the right; facing forward.
    assert agents.boxes[0] == pytest.approx([10, -3, 1, 4, 2, 1.5, 0])
    assert agents.labels.tolist() == [CAR]
    assert agents.futures[0].tolist() == [[11, -3]]


def test_corners_begin_at_the_front_left_of_the_floor():
    corners = info_agents(make_info()).corners[0]
    assert corners[0] == pytest.approx([12, -2, 0.25])
    assert corners[1] == pytest.approx([12, -4, 0.25])
    assert corners[2] == pytest.approx([8, -4, 0.25])
    assert corners[4] == pytest.approx([12, -2, 1.75])


def test_turned_box_has_its_front_to_the_left():
    corners = one_box(5, 0, 0, 4, 2, 1, np.pi / 2).corners[0]
    assert corners[:2].mean(axis=0)[:2] == pytest.approx([5, 2])


def test_invalid_boxes_and_unknown_classes():
    assert len(info_agents(make_info(bbox_3d_isvalid=False)).boxes) == 0
    assert info_agents(make_info(bbox_label_3d=-1)).labels.tolist() == [-1]
    assert len(info_agents({}).boxes) == 0


@pytest.mark.parametrize('where', ['box', 'pose'])
def test_nan_is_named_with_the_frame(where):
    info = make_info()
    if where == 'box':
        info['instances'][0]['bbox_3d'][2] = np.nan
    else:
        info['lidar_points']['lidar2ego'] = np.full((4, 4), np.nan)
    with pytest.raises(ValueError, match=r'frame abc: .*not finite'):
        info_agents(info)


def test_box_is_drawn_where_its_corners_project():
    image = np.zeros((180, 320, 3), dtype=np.uint8)
    # Rear face 8 m ahead, 2 m wide, from the ground to 1.5 m.
    draw_boxes(image, one_box(10, 0, 0.75, 4, 2, 1.5, 0), CAM2IMG, CAM2EGO)
    drawn = image.max(axis=2) > 128  # not the soft edges of lines
    rows, columns = np.nonzero(drawn)
    # 1 m at 8 m are 12.5 pixels to each side; 1.5 m below are 18.75.
    assert columns.min() == pytest.approx(147.5, abs=3)
    assert columns.max() == pytest.approx(172.5, abs=3)
    assert rows.min() == pytest.approx(90, abs=3)
    assert rows.max() == pytest.approx(108.75, abs=3)
    assert (image[108, 160] == OCC3D_PALETTE[CAR]).all()


def test_box_around_the_camera_is_cut_and_one_behind_is_not_drawn():
    image = np.zeros((180, 320, 3), dtype=np.uint8)
    draw_boxes(image, one_box(-9, 0, 1, 4, 2, 1.5, 0), CAM2IMG, CAM2EGO)
    assert not image.any()
    draw_boxes(image, one_box(0, 0, 1.5, 8, 2, 1.5, 0), CAM2IMG, CAM2EGO)
    assert image.any()


def test_no_agents_draw_nothing():
    image = np.zeros((18, 32, 3), dtype=np.uint8)
    draw_boxes(image, info_agents({}), CAM2IMG, CAM2EGO)
    assert not image.any()
