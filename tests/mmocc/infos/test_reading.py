import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from mmocc.infos import InfoFileError, load_info_file


def write(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def new_schema() -> dict:
    return dict(
        metainfo=dict(dataset='nuscenes', info_version='1.1'),
        data_list=[
            dict(
                token='a',
                poses=np.arange(6.0).reshape(2, 3),
                mask=np.array([True, False]),
                points=np.int64(7),
                size=(1, 2),
                extra=OrderedDict(x=None),
            )
        ],
    )


def old_schema() -> dict:
    turned = [np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]
    camera = dict(
        data_path='./data/nuscenes/samples/CAM_FRONT/image.jpg',
        type='CAM_FRONT',
        sample_data_token='c',
        sensor2ego_translation=[1.5, 0.0, 1.6],
        sensor2ego_rotation=[0.5, -0.5, 0.5, -0.5],
        ego2global_translation=[10.0, 20.0, 0.0],
        ego2global_rotation=turned,
        timestamp=1_500_000,
        sensor2lidar_rotation=np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]]),
        sensor2lidar_translation=np.array([0.0, 1.0, -0.3]),
        cam_intrinsic=np.diag([1000.0, 1000.0, 1.0]),
    )
    return dict(
        metadata=dict(version='v1.0-mini'),
        infos=[
            dict(
                lidar_path='./data/nuscenes/samples/LIDAR_TOP/x.pcd.bin',
                token='t',
                sweeps=[{**camera, 'type': 'lidar'}],
                cams=dict(CAM_FRONT=camera),
                lidar2ego_translation=[0.9, 0.0, 1.8],
                lidar2ego_rotation=[turned[0], 0.0, 0.0, -turned[3]],
                ego2global_translation=[10.0, 20.0, 0.0],
                ego2global_rotation=turned,
                timestamp=1_500_000,
                gt_boxes=np.array([[1.0, 2.0, 0.0, 4.0, 2.0, 1.5, 0.3]] * 2),
                gt_names=np.array(['car', 'animal']),
                gt_velocity=np.array([[0.5, np.nan], [0.0, 0.0]]),
                num_lidar_pts=np.array([5, 0]),
                num_radar_pts=np.array([0, 0]),
                valid_flag=np.array([True, False]),
            )
        ],
    )


class Innocent:
    """A class that does not belong into an info file."""


class Malicious:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ('touch ran',)


@pytest.mark.parametrize('protocol', range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_content_comes_back_unchanged(tmp_path, protocol):
    path = write(tmp_path / 'infos.pkl', new_schema(), protocol)
    np.testing.assert_equal(load_info_file(path), new_schema())


@pytest.mark.parametrize('content', [Innocent(), Malicious()])
@pytest.mark.parametrize('depth', ['top', 'inside', 'array'])
def test_foreign_objects_are_refused(tmp_path, monkeypatch, content, depth):
    monkeypatch.chdir(tmp_path)
    whole = {
        'top': content,
        'inside': dict(metainfo={}, data_list=[dict(x=[content])]),
        'array': dict(metainfo={}, data_list=[np.array([content, None])]),
    }[depth]
    path = write(tmp_path / 'infos.pkl', whole)
    with pytest.raises(
        InfoFileError, match=r'infos\.pkl holds an (object|array) of'
    ):
        load_info_file(path)
    assert not (tmp_path / 'ran').exists()


def test_missing_file_names_the_way_out(tmp_path):
    with pytest.raises(InfoFileError, match=r'none\.pkl.*create_data\.py'):
        load_info_file(tmp_path / 'none.pkl')
    with pytest.raises(InfoFileError, match='cannot be read'):
        load_info_file(tmp_path)


@pytest.mark.parametrize('keep', [0, 1, 40, 200])
def test_cut_off_file_is_named(tmp_path, keep):
    path = write(tmp_path / 'infos.pkl', new_schema())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InfoFileError, match=r'infos\.pkl.*create_data\.py'):
        load_info_file(path)


@pytest.mark.parametrize(
    'data', [b'not a pickle', b'{"json": 1}', b'version https://git-lfs', b'R']
)
def test_other_bytes_are_named(tmp_path, data):
    path = tmp_path / 'infos.pkl'
    path.write_bytes(data)
    with pytest.raises(InfoFileError, match=r'infos\.pkl'):
        load_info_file(path)


@pytest.mark.parametrize(
    'content',
    [[1, 2], dict(data_list=[]), dict(metainfo={}, data_list={}), dict(a=1)],
)
def test_wrong_schema_says_what_was_found(tmp_path, content):
    path = write(tmp_path / 'infos.pkl', content)
    with pytest.raises(InfoFileError, match=r'expected .*metainfo'):
        load_info_file(path)


def test_old_schema_is_converted_with_one_message(tmp_path):
    path = write(tmp_path / 'old.pkl', old_schema())
    with pytest.warns(UserWarning, match='create_data.py') as messages:
        infos = load_info_file(path)
    assert len(messages) == 1
    assert 'old.pkl' in str(messages[0].message)

    assert infos['metainfo']['info_version'] == '1.1'
    assert infos['metainfo']['categories']['animal'] == -1
    info = infos['data_list'][0]
    assert (info['token'], info['timestamp']) == ('t', 1.5)
    # A quarter turn to the left at (10, 20).
    np.testing.assert_allclose(
        info['ego2global'],
        [[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 0], [0, 0, 0, 1]],
        atol=1e-6,
    )
    camera = info['images']['CAM_FRONT']
    assert camera['img_path'] == 'image.jpg'
    # The camera sits one metre ahead of the LiDAR (y) and 0.3 m below.
    np.testing.assert_allclose(
        np.array(camera['lidar2cam'])[:3, 3], [0, -0.3, -1], atol=1e-6
    )
    # The optical axis of the camera looks forward in the ego frame.
    np.testing.assert_allclose(
        np.array(camera['cam2ego'])[:3, 2], [1, 0, 0], atol=1e-6
    )
    assert [i['bbox_label'] for i in info['instances']] == [0, -1]
    assert len(info['lidar_sweeps']) == 1


def test_old_schema_of_another_dataset_is_refused(tmp_path):
    content = old_schema()
    del content['infos'][0]['cams']
    path = write(tmp_path / 'old.pkl', content)
    with pytest.raises(InfoFileError, match=r"frame 0 .*'cams'"):
        load_info_file(path)


@pytest.mark.parametrize(
    ('name', 'count'),
    [
        ('frame/n015-2018-07-24-11-22-45+0800.pkl', 1),
        ('two_keyframes_infos.pkl', 2),
    ],
)
def test_real_info_files_load(name, count):
    folder = os.environ.get('MMOCC_REAL_DATA')
    if not folder:
        pytest.skip('MMOCC_REAL_DATA is not set: no real samples')
    infos = load_info_file(Path(folder) / name)
    assert len(infos['data_list']) == count
    assert len(infos['data_list'][0]['images']) == 6


def test_intrinsics_under_the_name_of_bevfusion_are_read(tmp_path):
    content = old_schema()
    for camera in content['infos'][0]['cams'].values():
        camera['camera_intrinsics'] = camera.pop('cam_intrinsic')
    path = write(tmp_path / 'old.pkl', content)
    with pytest.warns(UserWarning, match=r'before 1\.1'):
        (info,) = load_info_file(path)['data_list']
    assert np.shape(info['images']['CAM_FRONT']['cam2img']) == (3, 3)
