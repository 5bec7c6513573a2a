import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmocc.infos import Boxes, InfoFileError, InfoFrame, MapError, MapTables
from mmocc.infos.planar import planar_pose, to_global, to_local, wrap_angle
from mmocc.infos.rigid import (
    invert_rigid,
    quaternion_of,
    rigid_transform,
    rotation_matrix,
)

POSE = rigid_transform([0.5, 0.1, -0.3, 0.8], [3.0, -2.0, 1.0])


def test_rotations_agree_with_scipy():
    quaternions = np.random.default_rng(0).normal(size=(5, 4))
    expected = Rotation.from_quat(quaternions[:, [1, 2, 3, 0]]).as_matrix()
    np.testing.assert_allclose(
        rotation_matrix(quaternions), expected, atol=1e-12
    )
    back = np.stack([quaternion_of(matrix) for matrix in expected])
    assert (back[:, 0] >= 0).all()
    np.testing.assert_allclose(rotation_matrix(back), expected, atol=1e-12)


def test_inverse_undoes_a_transform():
    np.testing.assert_allclose(
        invert_rigid(POSE) @ POSE, np.eye(4), atol=1e-12
    )


def test_planar_poses_go_there_and_back():
    pose = rigid_transform([np.cos(0.4), 0, 0, np.sin(0.4)], [5.0, 6.0, 0.0])
    local = np.array([[1.0, 2.0, 0.3], [-4.0, 0.5, -3.0]])
    there = to_global(local, pose)
    np.testing.assert_allclose(planar_pose(pose), [5.0, 6.0, 0.8])
    np.testing.assert_allclose(to_local(there, planar_pose(pose)), local)
    assert planar_pose(np.stack([pose, pose])).shape == (2, 3)
    np.testing.assert_allclose(wrap_angle(3.5), 3.5 - 2 * np.pi)


def instance(**changes):
    return dict(
        bbox_3d=[1.0, 2.0, 0.5, 4.0, 2.0, 1.5, 0.3],
        velocity=[0.5, np.nan],
        bbox_label_3d=1,
        num_lidar_pts=5,
        **changes,
    )


def test_boxes_are_turned_to_the_ego_frame():
    # nuScenes' LiDAR: x right, y forward; 1 m ahead of the ego origin.
    lidar2ego = rigid_transform(
        [np.sqrt(0.5), 0, 0, -np.sqrt(0.5)], [1.0, 0, 0]
    )
    frame = InfoFrame(
        dict(
            token='a',
            instances=[instance()],
            lidar_points=dict(lidar2ego=lidar2ego.tolist()),
        )
    )
    boxes = frame.boxes
    np.testing.assert_allclose(boxes.centre, [[3.0, -1.0, 0.5]])
    np.testing.assert_allclose(boxes.yaw, [0.3 - np.pi / 2])
    np.testing.assert_allclose(boxes.poses, [[3.0, -1.0, 0.3 - np.pi / 2]])
    np.testing.assert_allclose(
        boxes.arrays, [[3.0, -1.0, 0.5, 4.0, 2.0, 1.5, 0.3 - np.pi / 2]]
    )
    assert boxes.attributes == [''] and boxes.valid.all()
    assert len(boxes.known_futures) == 1
    back = boxes.transformed(invert_rigid(lidar2ego))
    np.testing.assert_allclose(back.centre, [[1.0, 2.0, 0.5]], atol=1e-12)
    with pytest.raises(InfoFileError, match="lacks the key 'instance_token'"):
        _ = boxes.tokens


def test_frame_without_boxes_has_none():
    boxes = Boxes.from_instances([], 'a').transformed(POSE)
    assert len(boxes) == 0
    assert boxes.arrays.shape == (0, 7)
    assert len(boxes.chosen(np.zeros(0, bool))) == 0


@pytest.mark.parametrize(
    'change', [[1.0] * 6, [np.nan] * 7, None, 'x', [[1.0]] * 7]
)
def test_broken_box_is_refused(change):
    broken = instance() | dict(bbox_3d=change)
    with pytest.raises(InfoFileError, match=r'frame a: bbox_3d.*create_data'):
        Boxes.from_instances([instance(), broken], 'a')


TABLES = dict(
    node=[
        dict(token=f'n{k}', x=float(x), y=float(y))
        for k, (x, y) in enumerate([(0, 0), (4, 0), (4, 3), (1, 1), (2, 1)])
    ],
    polygon=[
        dict(
            token='p',
            exterior_node_tokens=['n0', 'n1', 'n2'],
            holes=[dict(node_tokens=['n3', 'n4'])],
        )
    ],
    line=[
        dict(token='l', node_tokens=['n0', 'n2']),
        dict(token='dot', node_tokens=['n0']),
    ],
    drivable_area=[dict(polygon_tokens=['p'])],
    ped_crossing=[dict(polygon_token='p')],
    lane_divider=[dict(line_token='l'), dict(line_token='dot')],
)


def test_map_gives_outlines_rings_and_lines(tmp_path):
    path = tmp_path / 'town.json'
    path.write_text(json.dumps(TABLES))
    expansion = MapTables.read(path)
    (outline,) = expansion.outlines('ped_crossing')
    np.testing.assert_array_equal(outline, [[0, 0], [4, 0], [4, 3]])
    outer, hole = expansion.rings('drivable_area')
    np.testing.assert_array_equal(outer, [[0, 0], [4, 0], [4, 3], [0, 0]])
    np.testing.assert_array_equal(hole, [[1, 1], [2, 1], [1, 1]])
    (line,) = expansion.lines('lane_divider')
    np.testing.assert_array_equal(line, [[0, 0], [4, 3]])
    with pytest.raises(MapError, match=r"town\.json.*'stop_line'.*v1\.3"):
        expansion.outlines('stop_line')


@pytest.mark.parametrize('content', [b'[]', b'{"a":', b'\xff', None])
def test_other_files_are_no_maps(content, tmp_path):
    path = tmp_path / 'town.json'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MapError, match=r'town\.json.*v1\.3'):
        MapTables.read(path)
