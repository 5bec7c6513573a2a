"""One left turn by hand, as each project would store it."""

import pickle
import sys
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

import create_data

from dataset_converters import trajectory_conventions as conventions
from dataset_converters.data_parts import PROJECTS
from dataset_converters.foreign_infos import convert_foreign
from mmocc.infos import InfoFileError, load_info_file
from mmocc.infos.rigid import rigid_transform

RADIUS, STEP = 10.0, 0.3  # metres, radians a key frame: 3 m of arc
FRAMES = 8
# The LiDAR looks to the right of the car: its y axis is the car's x.
LIDAR_POSITION = (0.94, 0.0, 1.84)
LIDAR_TURN = [np.sqrt(0.5), 0.0, 0.0, -np.sqrt(0.5)]
LIDAR2EGO = rigid_transform(LIDAR_TURN, LIDAR_POSITION)
NAMES = ('vad', 'occworld', 'bev-planner', 'omnidrive')


def left_turn(steps: np.ndarray) -> np.ndarray:
    """x, y, yaw on a circle to the left, ``steps`` key frames from now."""
    angle = STEP * steps
    return np.stack(
        (RADIUS * np.sin(angle), RADIUS * (1 - np.cos(angle)), angle), axis=1
    )


PLAN = left_turn(np.arange(1.0, 7.0))


def lidar_steps(plan: np.ndarray) -> np.ndarray:
    """Steps (6, 2) of the LiDAR along the ego axes of now."""
    poses = np.concatenate((np.zeros((1, 3)), plan))
    x, y = LIDAR_POSITION[:2]
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    mounts = np.stack((cos * x - sin * y, sin * x + cos * y), axis=1)
    return np.diff(poses[:, :2] + mounts, axis=0)


def to_vad(plan: np.ndarray) -> np.ndarray:
    return lidar_steps(plan) @ LIDAR2EGO[:2, :2]


def to_occworld(plan: np.ndarray) -> np.ndarray:
    """Each step along the LiDAR axes of its own start."""
    starts = np.concatenate(([0.0], plan[:-1, 2]))
    steps = [
        [[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]] @ step
        for yaw, step in zip(starts, lidar_steps(plan), strict=True)
    ]
    return np.array(steps) @ LIDAR2EGO[:2, :2]


def test_the_lidar_of_a_turning_car_by_hand():
    """A quarter turn on the spot: the LiDAR goes forward to left."""
    plan = np.zeros((6, 3))
    plan[:, 2] = np.pi / 2
    # In the ego frame from (0.94, 0) to (0, 0.94); VAD's x is to the right.
    offsets = np.zeros((6, 2))
    offsets[0] = -0.94, -0.94
    np.testing.assert_allclose(to_vad(plan), offsets, atol=1e-9)
    back = conventions.from_vad(offsets, plan[:, 2], LIDAR2EGO)
    np.testing.assert_allclose(back, plan, atol=1e-9)
    offsets[0] = -0.94, 0.94
    back = conventions.from_bev_planner(offsets, plan[:, 2], LIDAR2EGO)
    np.testing.assert_allclose(back, plan, atol=1e-9)


def test_a_left_turn_stays_one_in_every_convention():
    stored = dict(
        vad=to_vad(PLAN),
        occworld=to_occworld(PLAN),
        bev_planner=lidar_steps(PLAN),
        omnidrive=PLAN[None],
    )
    for name, plan in stored.items():
        convert = getattr(conventions, f'from_{name}')
        back = convert(plan, PLAN[:, 2], LIDAR2EGO)
        np.testing.assert_allclose(back, PLAN, atol=1e-9, err_msg=name)
    # To the left is -x of the LiDAR, and +y of the ego car.
    assert stored['vad'].sum(axis=0)[0] < -5
    assert stored['bev_planner'].sum(axis=0)[1] > 5


def test_steps_of_occworld_are_alike_on_a_circle():
    """Each frame sees the same step: that is why they must be turned."""
    steps = to_occworld(PLAN)
    np.testing.assert_allclose(steps, np.tile(steps[0], (6, 1)), atol=1e-9)


def _pose(index: int) -> np.ndarray:
    x, y, yaw = left_turn(np.array([float(index)]))[0]
    quaternion = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
    return rigid_transform(quaternion, (x + 300, y + 700, 0)), quaternion


def _entry(index: int, source: str) -> dict:
    """A frame of an old info file with a car 10 m ahead, heading left."""
    pose, quaternion = _pose(index)
    plan = left_turn(np.arange(1.0, 7.0))
    mounting = dict(
        ego2global_translation=pose[:3, 3].tolist(),
        ego2global_rotation=quaternion,
    )
    camera = dict(
        data_path='samples/CAM_FRONT/log__CAM_FRONT__1.jpg',
        cam_intrinsic=np.diag([1000.0, 1000.0, 1.0]),
        sample_data_token='c',
        timestamp=index * 500_000,
        sensor2ego_translation=[1.5, 0.0, 1.5],
        sensor2ego_rotation=[0.5, -0.5, 0.5, -0.5],
        sensor2lidar_rotation=np.eye(3),
        sensor2lidar_translation=np.zeros(3),
        **mounting,
    )
    # In the LiDAR frame: y ahead, and left is -x, a yaw of pi.
    box = [0.0, 10.0 - 0.94, -1.0, 4.5, 1.9, 1.6, np.pi]
    velocity = [-2.0, 0.0]
    if source == 'omnidrive':
        box = [10.0, 0.0, 0.84, 4.5, 1.9, 1.6, np.pi / 2]
        velocity = [0.0, 2.0]
    elif source != 'mmdet3d':  # boxes of mmdet3d before 1.0
        box = [*box[:3], 1.9, 4.5, 1.6, -np.pi - np.pi / 2]
    entry = dict(
        lidar_path='samples/LIDAR_TOP/log__LIDAR_TOP__1.pcd.bin',
        token=f'token-{index}',
        scene_token='scene',
        timestamp=index * 500_000,
        sweeps=[],
        cams=dict(CAM_FRONT=camera),
        lidar2ego_translation=list(LIDAR_POSITION),
        lidar2ego_rotation=LIDAR_TURN,
        gt_boxes=np.array([box]),
        gt_names=np.array(['car']),
        gt_velocity=np.array([velocity]),
        num_lidar_pts=np.array([5]),
        num_radar_pts=np.array([0]),
        valid_flag=np.array([True]),
        **mounting,
    )
    if source in ('vad', 'occworld'):
        entry['gt_ego_fut_trajs'] = to_vad(plan).astype(np.float32)
    elif source == 'bev-planner':
        entry['gt_ego_fut_trajs'] = lidar_steps(plan)
    elif source == 'omnidrive':
        entry['gt_planning'] = plan[None]
        entry['can_bus'] = np.array(
            [1, 0, 0, 0, 0.1, 0.2, 9.8, 0, 0, 0.6, 6.0, 0, 0]
        )
    return entry


def write(path: Path, source: str, keep: range = range(FRAMES)) -> Path:
    infos = [_entry(k, source) for k in keep]
    if source == 'occworld':
        for entry in infos:
            del entry['scene_token']
        infos = {'scene-0001': infos}
    path.write_bytes(pickle.dumps(dict(infos=infos, metadata={})))
    return path


@pytest.mark.parametrize('source', PROJECTS)
def test_infos_of_each_project(tmp_path, source):
    out = tmp_path / 'ours.pkl'
    report = convert_foreign(write(tmp_path / 'x.pkl', source), source, out)
    assert (report.samples, report.scenes) == (FRAMES, 1)
    assert report.compared == (0 if 'mmdet3d' in source else FRAMES - 6)
    assert report.largest_difference < 1e-3
    infos = load_info_file(out)['data_list']
    first = infos[0]
    np.testing.assert_allclose(first['ego']['fut_poses'], PLAN, atol=1e-6)
    assert first['ego']['fut_mask'].all()
    assert first['meta_action']['direction'] == 'Turn Left'
    assert [i['frame_idx'] for i in infos] == list(range(FRAMES))
    for before, after in pairwise(infos):
        assert before['next'] == after['token']
        assert after['prev'] == before['token']
    (box,) = first['instances']
    expected = [0.0, 9.06, -1.0, 4.5, 1.9, 1.6]
    np.testing.assert_allclose(box['bbox_3d'][:6], expected, atol=1e-6)
    turned = np.exp(1j * (box['bbox_3d'][6] - np.pi))
    assert abs(turned - 1) < 1e-6
    np.testing.assert_allclose(box['velocity'], [-2.0, 0.0], atol=1e-6)
    if source == 'omnidrive':
        status = first['ego']['status']
        assert (status['vx'], status['yaw_rate']) == (6.0, 0.6)
        assert first['can_bus'][13] == 6.0


@pytest.mark.parametrize(
    ('source', 'taken_for'),
    [('vad', 'bev-planner'), ('bev-planner', 'vad')],
)
def test_a_wrong_convention_shows(tmp_path, source, taken_for, capsys):
    path = write(tmp_path / 'theirs.pkl', source)
    out = tmp_path / 'ours.pkl'
    report = convert_foreign(path, taken_for, out)
    assert report.largest_difference > 5
    arguments = ['convert', str(path), '--source', taken_for, '--out']
    assert create_data.main([*arguments, str(out)]) == 0
    assert 'Is --source right?' in capsys.readouterr().out


def test_a_gap_in_time_stays_a_gap(tmp_path):
    path = write(tmp_path / 'x.pkl', 'vad', [*range(3), *range(5, FRAMES)])
    out = tmp_path / 'ours.pkl'
    convert_foreign(path, 'vad', out)
    infos = load_info_file(out)['data_list']
    assert [i['frame_idx'] for i in infos] == [0, 1, 2, 5, 6, 7]
    assert infos[2]['next'] == '' and infos[3]['prev'] == ''
    assert infos[1]['ego']['fut_mask'].tolist() == [True] + [False] * 5


def test_files_without_scenes_are_cut_at_leaps_of_time(tmp_path):
    infos = [_entry(k, 'mmdet3d') for k in (*range(3), *range(9, 12))]
    for entry in infos:
        del entry['scene_token']
    path = tmp_path / 'x.pkl'
    path.write_bytes(pickle.dumps(dict(infos=infos, metadata={})))
    out = tmp_path / 'ours.pkl'
    assert convert_foreign(path, 'mmdet3d', out).scenes == 2
    infos = load_info_file(out)['data_list']
    assert [i['frame_idx'] for i in infos] == [0, 1, 2, 0, 1, 2]
    assert len({i['scene_name'] for i in infos}) == 2


def test_cars_that_record_at_the_same_time_are_kept_apart(tmp_path):
    infos = []
    for k, car in product(range(4), ('one', 'two')):
        entry = _entry(k, 'mmdet3d')
        del entry['scene_token']
        entry['lidar_path'] = f'samples/LIDAR_TOP/{car}__LIDAR_TOP__{k}.bin'
        infos.append(entry | dict(token=f'{car}-{k}'))
    path = tmp_path / 'x.pkl'
    path.write_bytes(pickle.dumps(dict(infos=infos, metadata={})))
    out = tmp_path / 'ours.pkl'
    assert convert_foreign(path, 'mmdet3d', out).scenes == 2
    infos = load_info_file(out)['data_list']
    assert [i['token'] for i in infos] == [
        f'{car}-{k}' for car in ('one', 'two') for k in range(4)
    ]


def test_labels_are_found_by_token(tmp_path):
    label = tmp_path / 'gts' / 'scene-0001' / 'token-2' / 'labels.npz'
    label.parent.mkdir(parents=True)
    label.write_bytes(b'')
    path = write(tmp_path / 'x.pkl', 'vad')
    out = tmp_path / 'ours.pkl'
    report = convert_foreign(path, 'vad', out, tmp_path)
    assert report.without_labels == FRAMES - 1
    infos = load_info_file(out)['data_list']
    assert infos[2]['occ_path'] == 'gts/scene-0001/token-2/labels.npz'


def test_plain_files_of_mmdet3d_1_1_get_our_keys(tmp_path):
    """The same frames in the old and in the new schema end up equal."""
    old, new = tmp_path / 'old.pkl', tmp_path / 'new.pkl'
    convert_foreign(write(tmp_path / 'x.pkl', 'mmdet3d'), 'mmdet3d', old)
    expected = load_info_file(old)
    theirs = [
        *('token', 'timestamp', 'ego2global', 'images', 'lidar_points'),
        *('instances', 'scene_token'),
    ]
    plain = [{k: info[k] for k in theirs} for info in expected['data_list']]
    for info in plain:
        # As some versions of mmdet3d store them.
        for box in info['instances']:
            box['num_lidar_pts'] = np.int64(box['num_lidar_pts'])
            box['bbox_3d_isvalid'] = np.bool_(box['bbox_3d_isvalid'])
    content = dict(metainfo=dict(CLASSES=('car',)), data_list=plain)
    path = tmp_path / 'plain.pkl'
    path.write_bytes(pickle.dumps(content))
    convert_foreign(path, 'mmdet3d', new)
    found = load_info_file(new)
    assert found['metainfo']['info_version'] == '1.1'
    for one, two in zip(
        expected['data_list'], found['data_list'], strict=True
    ):
        # Poses, and what is measured on them, went through single precision.
        for key in ('his_poses', 'fut_poses'):
            np.testing.assert_allclose(
                one['ego'].pop(key), two['ego'].pop(key), atol=1e-3
            )
        for info in (one, two):
            del info['can_bus'], info['ego']['status']
            # The last frames have no label.
            (info['meta_action'] or {}).pop('confidence', None)
        np.testing.assert_equal(one, two)


class Foreign:
    """A class that does not belong into an info file."""


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (dict(infos=[Foreign()]), 'only plain'),
        (dict(data_list=[], metainfo={}), '--source mmdet3d'),
        (dict(infos=[]), 'expected `infos` with frames'),
        (dict(infos=[dict(token='a')]), 'lidar2ego_rotation'),
    ],
)
def test_other_files_are_refused(tmp_path, capsys, content, message):
    path = tmp_path / 'x.pkl'
    path.write_bytes(pickle.dumps(content))
    out = tmp_path / 'ours.pkl'
    with pytest.raises(InfoFileError, match=message):
        convert_foreign(path, 'vad', out)
    arguments = ['convert', str(path), '--source', 'vad', '--out', str(out)]
    assert create_data.main(arguments) == 1
    assert capsys.readouterr().err.startswith('error: ')
    assert not out.exists()


def save(path: Path, infos: list[dict]) -> Path:
    path.write_bytes(pickle.dumps(dict(infos=infos, metadata={})))
    return path


@pytest.mark.parametrize(
    ('unit', 'name'),
    [(1.0, 'seconds'), (1e3, 'milliseconds'), (1e9, 'nanoseconds')],
)
def test_time_stamps_of_any_unit_become_seconds(tmp_path, unit, name):
    infos = [_entry(k, 'mmdet3d') for k in range(FRAMES)]
    for entry in infos:
        moment = 1.6e9 + entry['timestamp'] / 1e6
        entry['timestamp'] = entry['cams']['CAM_FRONT']['timestamp'] = (
            moment * unit
        )
    out = tmp_path / 'ours.pkl'
    report = convert_foreign(save(tmp_path / 'x.pkl', infos), 'mmdet3d', out)
    assert f'time stamps were in {name}' in str(report)
    infos = load_info_file(out)['data_list']
    assert infos[2]['timestamp'] == pytest.approx(1.6e9 + 1.0)
    assert infos[2]['images']['CAM_FRONT']['timestamp'] == pytest.approx(
        1.6e9 + 1.0
    )
    assert infos[2]['ego']['status']['speed'] == pytest.approx(6.0, rel=0.1)


def test_frames_that_come_twice_are_kept_once(tmp_path):
    infos = [_entry(k, 'mmdet3d') for k in range(FRAMES)]
    path = save(tmp_path / 'x.pkl', [*infos, infos[3], infos[0]])
    out = tmp_path / 'ours.pkl'
    report = convert_foreign(path, 'mmdet3d', out)
    assert (report.samples, report.repeated) == (FRAMES, 2)
    assert '2 frames that came twice' in str(report)
    path = save(path, [*infos, infos[3] | dict(timestamp=9)])
    with pytest.raises(InfoFileError, match='sample token-3 twice'):
        convert_foreign(path, 'mmdet3d', out)


@pytest.mark.parametrize(
    ('source', 'taken_for', 'message'),
    [
        ('mmdet3d-0.x', 'mmdet3d', r'wider than long.*got --source mmdet3d'),
        ('vad', 'mmdet3d', r'1\.9 m x 4\.5 m in sample token-0'),
        ('mmdet3d', 'mmdet3d-0.x', 'wider than long'),
        ('mmdet3d', 'vad', 'no frame of .* gt_ego_fut_trajs'),
        ('mmdet3d', 'omnidrive', 'no frame of .* has gt_planning'),
        ('omnidrive', 'mmdet3d', 'expected omnidrive'),
    ],
)
def test_a_wrong_source_is_refused(tmp_path, source, taken_for, message):
    path, out = write(tmp_path / 'x.pkl', source), tmp_path / 'ours.pkl'
    with pytest.raises(InfoFileError, match=message):
        convert_foreign(path, taken_for, out)
    assert not out.exists()


def test_boxes_that_drive_sideways_are_refused(tmp_path):
    infos = [_entry(k, 'mmdet3d') for k in range(FRAMES)]
    for entry in infos:
        entry['gt_boxes'][:, 6] += np.pi / 2
        entry['gt_velocity'] = np.array([[-9.0, 0.0]])
    path = save(tmp_path / 'x.pkl', infos)
    with pytest.raises(InfoFileError, match=r'8 of 8 moving .* sideways'):
        convert_foreign(path, 'mmdet3d', tmp_path / 'ours.pkl')


def test_windows_paths_give_the_same_file(tmp_path):
    infos = [_entry(k, 'mmdet3d') for k in range(FRAMES)]
    for entry in infos:
        del entry['scene_token']
    one, two = tmp_path / 'one.pkl', tmp_path / 'two.pkl'
    convert_foreign(save(tmp_path / 'x.pkl', infos), 'mmdet3d', one)
    for entry in infos:
        for part, key in (
            (entry, 'lidar_path'),
            (entry['cams']['CAM_FRONT'], 'data_path'),
        ):
            part[key] = 'D:\\nus\\' + part[key].replace('/', '\\')
    convert_foreign(save(tmp_path / 'x.pkl', infos), 'mmdet3d', two)
    assert one.read_bytes() == two.read_bytes()


def test_labels_one_folder_too_deep_are_named(tmp_path):
    label = tmp_path / 'gts/gts/scene-0001/token-2/labels.npz'
    label.parent.mkdir(parents=True)
    label.write_bytes(b'')
    path = write(tmp_path / 'x.pkl', 'vad')
    with pytest.raises(InfoFileError, match=r'gts/gts to .*/gts$'):
        convert_foreign(path, 'vad', tmp_path / 'ours.pkl', tmp_path)


def test_shuffled_frames_and_wrong_links_are_mended(tmp_path):
    infos = [_entry(k, 'mmdet3d') for k in range(FRAMES)]
    ordered, shuffled = tmp_path / 'a.pkl', tmp_path / 'b.pkl'
    convert_foreign(save(tmp_path / 'x.pkl', infos), 'mmdet3d', ordered)
    for k, entry in enumerate(infos):
        entry.update(frame_idx=FRAMES - k, prev='token-7', next='')
    path = save(tmp_path / 'x.pkl', infos[::-1])
    with pytest.raises(InfoFileError, match=r'x\.pkl: scene scene: '):
        load_info_file(path)
    convert_foreign(path, 'mmdet3d', shuffled)
    content = [load_info_file(p)['data_list'] for p in (ordered, shuffled)]
    np.testing.assert_equal(*content)


def test_old_files_in_memory_keep_scenes_order_and_can_bus(tmp_path):
    infos = [_entry(k, 'mmdet3d') for k in range(FRAMES)]
    for k, entry in enumerate(infos):
        entry.update(
            frame_idx=k,
            prev=f'token-{k - 1}' if k else '',
            map_location='hill',
            can_bus=np.r_[np.arange(16.0), 0, 0],
        )
    with pytest.warns(UserWarning, match='before 1.1'):
        content = load_info_file(save(tmp_path / 'x.pkl', infos))
    for k, info in enumerate(content['data_list']):
        assert (info['scene_token'], info['frame_idx']) == ('scene', k)
        assert info['prev'] == infos[k]['prev']
        assert info['location'] == 'hill'
        np.testing.assert_array_equal(info['can_bus'][:16], np.arange(16.0))
        assert info['can_bus'][16] == pytest.approx(STEP * k, abs=1e-6)
