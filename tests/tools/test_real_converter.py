"""The converters on real samples; skipped without ``MMOCC_REAL_DATA``."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

from mmocc_testing import BOX_CATEGORIES

from dataset_converters.foreign_infos import convert_foreign
from dataset_converters.nuscenes_converter import (
    ConvertOptions,
    convert_nuscenes,
)
from dataset_converters.own_cameras import (
    CameraCalibration,
    CameraImage,
    Drive,
    KeyFrame,
    drive_infos,
)
from mmocc.datasets import NuScenesOccDataset
from mmocc.infos import load_info_file
from mmocc.infos.rigid import invert_rigid, rotation_matrix

SCENE, SIZE = 'scene-0061', (1600, 900)
# mmdet3d stores single precision of poses that are kilometres long.
METRES, PIXELS = 2e-3, 0.5
# No detection class: label -1, the last of this list.
CATEGORIES = {**BOX_CATEGORIES, 'ignored': 'animal'}


@pytest.fixture(scope='module')
def frame(real_data) -> dict:
    path = next((real_data / 'frame').glob('*.pkl'))
    return load_info_file(path)['data_list'][0]


def array(matrix: list) -> np.ndarray:
    return np.array(matrix, dtype=float)


def split_pose(transform: np.ndarray) -> dict:
    x, y, z, w = Rotation.from_matrix(transform[:3, :3]).as_quat()
    return dict(rotation=[w, x, y, z], translation=transform[:3, 3].tolist())


def camera_pose(info: dict, view: dict) -> np.ndarray:
    """The ego pose at the exposure, which the file holds in lidar2cam."""
    lidar2global = array(info['ego2global']) @ array(
        info['lidar_points']['lidar2ego']
    )
    cam2global = lidar2global @ np.linalg.inv(array(view['lidar2cam']))
    return cam2global @ np.linalg.inv(array(view['cam2ego']))


class RealTables:
    """nuScenes' tables of one real frame, put together from its info."""

    def __init__(self, info: dict, images: Path) -> None:
        self.tables = {
            name: []
            for name in (
                'category attribute instance sensor calibrated_sensor '
                'ego_pose log scene sample sample_data sample_annotation'
            ).split()
        }
        self.info, self.images = info, images
        token = info['token']
        self._add('log', 'log', location='singapore-onenorth')
        self._add(
            'scene',
            'scene',
            name=SCENE,
            log_token='log',
            first_sample_token=token,
        )
        self._add(
            'sample',
            token,
            timestamp=round(info['timestamp'] * 1e6),
            scene_token='scene',
            prev='',
            next='',
        )
        for channel, view in info['images'].items():
            self._reading(
                channel,
                view['img_path'],
                view['timestamp'],
                array(view['cam2ego']),
                camera_pose(info, view),
                view['cam2img'],
            )
        lidar = info['lidar_points']
        self._reading(
            'LIDAR_TOP',
            lidar['lidar_path'],
            info['timestamp'],
            array(lidar['lidar2ego']),
            array(info['ego2global']),
            [],
        )
        for name in CATEGORIES.values():
            self._add('category', name, name=name)
        for number, box in enumerate(info['instances']):
            self._box(f'box-{number}', box)

    def _add(self, table: str, token: str, **row: object) -> None:
        self.tables[table].append(dict(token=token, **row))

    def _reading(
        self,
        channel: str,
        name: str,
        time: float,
        sensor2ego: np.ndarray,
        ego2global: np.ndarray,
        intrinsic: list,
    ) -> None:
        self._add('sensor', channel, channel=channel)
        self._add(
            'calibrated_sensor',
            channel,
            sensor_token=channel,
            camera_intrinsic=intrinsic,
            **split_pose(sensor2ego),
        )
        stamp = round(time * 1e6)
        self._add(
            'ego_pose', channel, timestamp=stamp, **split_pose(ego2global)
        )
        self._add(
            'sample_data',
            channel,
            sample_token=self.info['token'],
            ego_pose_token=channel,
            calibrated_sensor_token=channel,
            filename=f'samples/{channel}/{name}',
            timestamp=stamp,
            is_key_frame=True,
            width=SIZE[0] if intrinsic else 0,
            height=SIZE[1] if intrinsic else 0,
            prev='',
            next='',
        )

    def _box(self, token: str, box: dict) -> None:
        x, y, z, length, width, height, yaw = box['bbox_3d']
        lidar2global = array(self.info['ego2global']) @ array(
            self.info['lidar_points']['lidar2ego']
        )
        local = np.eye(4)
        local[:3, :3] = rotation_matrix(
            [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        )
        local[:3, 3] = x, y, z
        name = list(CATEGORIES.values())[box['bbox_label_3d']]
        self._add('instance', token, category_token=name)
        self._add(
            'sample_annotation',
            token,
            sample_token=self.info['token'],
            instance_token=token,
            attribute_tokens=[],
            visibility_token='4',
            size=[width, length, height],
            num_lidar_pts=int(box['num_lidar_pts']),
            num_radar_pts=int(box['num_radar_pts']),
            prev='',
            next='',
            **split_pose(lidar2global @ local),
        )

    def write(self, root: Path) -> None:
        folder = root / 'v1.0-mini'
        folder.mkdir(parents=True)
        for name, rows in self.tables.items():
            (folder / f'{name}.json').write_text(json.dumps(rows))
        for row in self.tables['sample_data']:
            path = root / row['filename']
            path.parent.mkdir(parents=True)
            # nuScenes' names are found whatever prefix the copy has.
            stem = Path(row['filename']).name
            path.symlink_to(next(self.images.glob(stem)))


def project(points: np.ndarray, view: dict) -> np.ndarray:
    """Pixels (N, 2) of points (N, 3) in the LiDAR frame."""
    lidar2cam = array(view['lidar2cam'])
    local = points @ lidar2cam[:3, :3].T + lidar2cam[:3, 3]
    pixels = local @ array(view['cam2img']).T
    return pixels[:, :2] / pixels[:, 2:]


def test_centres_of_real_boxes_project_to_where_mmdet3d_says(frame):
    centres = np.array([box['bbox_3d'][:3] for box in frame['instances']])
    compared = 0
    for name, instances in frame['cam_instances'].items():
        view = frame['images'][name]
        cam2lidar = np.linalg.inv(array(view['lidar2cam']))
        for instance in instances:
            local = np.array([*instance['bbox_3d'][:3], 1.0])
            gaps = np.linalg.norm(centres - (cam2lidar @ local)[:3], axis=1)
            assert gaps.min() < 0.01
            (pixel,) = project(centres[[gaps.argmin()]], view)
            np.testing.assert_allclose(
                pixel, instance['center_2d'], atol=PIXELS
            )
            compared += 1
    assert compared == sum(map(len, frame['cam_instances'].values())) == 84


def test_tables_of_the_real_frame_give_its_infos(frame, real_data, tmp_path):
    root = tmp_path / 'root'
    RealTables(frame, real_data / 'frame').write(root)
    train, _ = convert_nuscenes(ConvertOptions(root, 'v1.0-mini', root))
    (info,) = load_info_file(train.path)['data_list']
    for key in ('ego2global', 'timestamp'):
        np.testing.assert_allclose(info[key], frame[key], atol=METRES)
    for name, view in frame['images'].items():
        ours = info['images'][name]
        assert ours['img_path'] == view['img_path']
        assert (ours['width'], ours['height']) == SIZE
        for key in ('cam2img', 'cam2ego', 'lidar2cam'):
            np.testing.assert_allclose(ours[key], view[key], atol=METRES)
    assert len(info['instances']) == len(frame['instances']) == 69
    for ours, box in zip(info['instances'], frame['instances'], strict=True):
        np.testing.assert_allclose(
            ours['bbox_3d'][:6], box['bbox_3d'][:6], atol=METRES
        )
        turn = ours['bbox_3d'][6] - box['bbox_3d'][6]
        assert abs(np.exp(1j * turn) - 1) < METRES
        for key in ('bbox_label_3d', 'num_lidar_pts', 'num_radar_pts'):
            assert ours[key] == box[key]
        assert ours['bbox_3d_isvalid'] == box['bbox_3d_isvalid']
    for name, boxes in frame['cam_instances'].items():
        mine = info['cam_instances'][name]
        assert len(mine) == len(boxes)
        centres = np.array([b['center_2d'] for b in boxes])
        ours = np.array([b['center_2d'] for b in mine])
        assert np.median(np.abs(ours - centres)) < PIXELS


def test_the_real_frame_loads_from_tables(frame, real_data, tmp_path):
    root = tmp_path / 'root'
    RealTables(frame, real_data / 'frame').write(root)
    train, _ = convert_nuscenes(ConvertOptions(root, 'v1.0-mini', root))
    item = NuScenesOccDataset(str(train.path), data_root=str(root))[0]
    assert item['token'] == frame['token']
    for view in item['images'].values():
        assert Path(view['img_path']).is_file()


def test_two_real_key_frames_get_our_keys(real_data, tmp_path):
    path, out = real_data / 'two_keyframes_infos.pkl', tmp_path / 'ours.pkl'
    report = convert_foreign(path, 'mmdet3d', out)
    assert (report.samples, report.scenes) == (2, 1)
    first, second = load_info_file(out)['data_list']
    assert first['next'] == second['token'] and second['frame_idx'] == 1
    # The car stands.
    assert np.abs(first['ego']['fut_poses'][0]).max() < 0.05
    assert first['ego']['fut_mask'].tolist() == [True] + [False] * 5
    assert second['ego']['status']['speed'] < 0.1
    assert len(first['instances']) == 37


def test_the_real_frame_as_a_drive_of_ones_own(frame, real_data):
    """A third way to the same geometry: images, calibration and poses."""
    ego2global = array(frame['ego2global'])
    cameras, shots = {}, {}
    for name, view in frame['images'].items():
        cameras[name] = CameraCalibration(
            array(view['cam2img']), array(view['cam2ego']), *SIZE
        )
        shots[name] = CameraImage(
            view['img_path'], view['timestamp'], camera_pose(frame, view)
        )
    key = KeyFrame(frame['timestamp'], ego2global, shots)
    (info,) = drive_infos(
        Drive('real', '', cameras, [key]), real_data / 'frame'
    )
    lidar2ego = array(frame['lidar_points']['lidar2ego'])
    for name, view in frame['images'].items():
        ours = array(info['images'][name]['lidar2cam'])
        # Without a LiDAR its frame is that of the ego car.
        np.testing.assert_allclose(
            ours @ lidar2ego, view['lidar2cam'], atol=METRES
        )
        np.testing.assert_allclose(
            ours,
            invert_rigid(shots[name].ego2global @ cameras[name].cam2ego)
            @ ego2global,
        )
