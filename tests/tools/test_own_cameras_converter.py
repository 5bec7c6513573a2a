import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

import create_data

from dataset_converters.own_cameras import OwnCamerasError, read_drive
from dataset_converters.own_cameras import write_drives as write
from mmocc.datasets import NuScenesOccDataset
from mmocc.infos import load_info_file
from mmocc.structures import CAMERAS

HEADINGS = dict(zip(CAMERAS, (0, -60, 60, 180, 120, -120), strict=True))
SIZE = (64, 36)
FRAMES = 8
SPEED = 4.0
DELAY = -0.05  # seconds of the front camera


def mounting(degrees: float) -> list:
    """cam2ego of a level camera that looks to the left by ``degrees``."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return [[s, 0, c, c], [-c, 0, s, s], [0, -1, 0, 1.5], [0, 0, 0, 1]]


def pose(time: float) -> list:
    matrix = np.eye(4)
    matrix[0, 3] = SPEED * time
    return matrix.tolist()


def drive_content() -> dict:
    cameras = {
        name: dict(
            cam2img=[[50.0, 0, 32.0], [0, 50.0, 18.0], [0, 0, 1]],
            cam2ego=mounting(degrees),
            width=SIZE[0],
            height=SIZE[1],
        )
        for name, degrees in HEADINGS.items()
    }
    frames = []
    for k in range(FRAMES):
        time = 0.5 * k
        images = {name: f'{name}/{k}.png' for name in CAMERAS}
        images['CAM_FRONT'] = dict(
            path=images['CAM_FRONT'],
            timestamp=time + DELAY,
            ego2global=pose(time + DELAY),
        )
        frames.append(
            dict(timestamp=time, ego2global=pose(time), images=images)
        )
    return dict(name='yard', cameras=cameras, frames=frames)


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('own')
    for name in CAMERAS:
        (root / name).mkdir()
        for k in range(FRAMES):
            image = np.full((SIZE[1], SIZE[0], 3), 10 * k, np.uint8)
            cv2.imwrite(str(root / name / f'{k}.png'), image)
    return root


def command(root: Path, folder: Path, content: object) -> int:
    path = folder / 'drive.json'
    path.write_text(json.dumps(content))
    out = str(folder / 'infos.pkl')
    return create_data.main(
        ['own-cameras', str(path), '--root', str(root), '--out', out]
    )


def test_infos_of_a_drive(root, tmp_path):
    assert command(root, tmp_path, drive_content()) == 0
    infos = load_info_file(tmp_path / 'infos.pkl')['data_list']
    assert len(infos) == FRAMES
    ego = infos[1]['ego']
    steps = SPEED * 0.5 * np.arange(1, 7)
    np.testing.assert_allclose(ego['fut_poses'][:, 0], steps)
    assert ego['status']['speed'] == pytest.approx(SPEED)
    assert infos[1]['meta_action']['direction'] == 'Go Straight'
    view = infos[1]['images']['CAM_FRONT']
    # A point 10 m ahead of the car, 1.5 m high. The camera, 1 m ahead of the
    # ego origin, fired when the car was 0.2 m behind.
    lidar2cam = np.array(view['lidar2cam'])
    np.testing.assert_allclose(
        lidar2cam @ [10, 0, 1.5, 1], [0, 0, 9.2, 1], atol=1e-9
    )
    # One metre to its left is one metre to the left of the image's middle.
    pixel = np.array(view['cam2img']) @ (lidar2cam @ [10, 1, 1.5, 1])[:3]
    assert pixel[0] / pixel[2] == pytest.approx(32 - 50 / 9.2)


def test_the_data_set_of_the_configs_reads_them(root, tmp_path):
    command(root, tmp_path, drive_content())
    dataset = NuScenesOccDataset(
        ann_file=str(tmp_path / 'infos.pkl'),
        data_root=str(root),
        data_prefix=dict(img=''),
        num_history=2,
    )
    item = dataset[3]
    for name in CAMERAS:
        assert Path(item['images'][name]['img_path']).is_file()
    assert [f['frame_idx'] for f in item['history']] == [2, 1]


def _without_camera(content: dict) -> None:
    del content['cameras']['CAM_BACK']


def _fisheye(content: dict) -> None:
    content['cameras']['CAM_BACK']['distortion'] = [0.1, 0, 0, 0]


def _left_handed(content: dict) -> None:
    matrix = np.array(content['cameras']['CAM_BACK']['cam2ego'])
    matrix[:, 0] *= -1
    content['cameras']['CAM_BACK']['cam2ego'] = matrix.tolist()


def _other_size(content: dict) -> None:
    content['cameras']['CAM_BACK'].update(width=128, height=72)


def _centre_outside(content: dict) -> None:
    content['cameras']['CAM_BACK']['cam2img'][0][2] = 320.0


def _no_focal_length(content: dict) -> None:
    content['cameras']['CAM_BACK']['cam2img'][0][0] = 0.0


def _ten_hertz(content: dict) -> None:
    for k, frame in enumerate(content['frames']):
        frame['timestamp'] = 0.1 * k


def _image_missing(content: dict) -> None:
    content['frames'][2]['images']['CAM_BACK'] = 'CAM_BACK/none.png'


def _view_missing(content: dict) -> None:
    del content['frames'][2]['images']['CAM_BACK']


def _late(content: dict) -> None:
    content['frames'][2]['images']['CAM_FRONT']['timestamp'] = 1.4


def _z_down(content: dict) -> None:
    content['frames'][2]['ego2global'] = np.diag([1.0, -1, -1, 1]).tolist()


def _no_number(content: dict) -> None:
    content['frames'][2]['ego2global'][0][3] = float('nan')


def _no_frames(content: dict) -> None:
    content['frames'] = []


def _no_key(content: dict) -> None:
    del content['frames'][0]['ego2global']


@pytest.mark.parametrize(
    ('breakage', 'message'),
    [
        (_without_camera, 'read exactly'),
        (_fisheye, 'undistort'),
        (_left_handed, 'right-handed'),
        (_other_size, r'about \(64, 36\)'),
        (_centre_outside, 'principal point'),
        (_no_focal_length, 'pinhole'),
        (_ten_hertz, 'grid of 2 Hz'),
        (_image_missing, 'missing, cut off or cannot be decoded'),
        (_view_missing, 'expected one of each'),
        (_late, 'pair images by time'),
        (_z_down, 'x forward, y left, z up'),
        (_no_number, 'rigid 4 x 4'),
        (_no_frames, 'has no frames'),
        (_no_key, r'docs/data\.md'),
    ],
)
def test_what_cannot_be_served_is_refused(
    root, tmp_path, capsys, breakage: Callable, message
):
    content = drive_content()
    breakage(content)
    assert command(root, tmp_path, content) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith('error: ')
    with pytest.raises(OwnCamerasError, match=message):
        write([read_drive(tmp_path / 'drive.json')], root, tmp_path / 'x.pkl')
    assert not (tmp_path / 'infos.pkl').exists()


def test_an_image_that_is_cut_off_is_refused(root, tmp_path):
    (tmp_path / 'drive.json').write_text(json.dumps(drive_content()))
    drive = read_drive(tmp_path / 'drive.json')
    root = shutil.copytree(root, tmp_path / 'root')
    image = root / drive.frames[0].shots['CAM_BACK'].path
    _, content = cv2.imencode('.jpg', cv2.imread(str(image)))
    image.write_bytes(content.tobytes()[:-9])
    with pytest.raises(OwnCamerasError, match=rf'{image.name} is .*cut off'):
        write([drive], root, tmp_path / 'x.pkl')


def test_drives_need_names_of_their_own(root, tmp_path):
    (tmp_path / 'drive.json').write_text(json.dumps(drive_content()))
    drive = read_drive(tmp_path / 'drive.json')
    with pytest.raises(OwnCamerasError, match='share a name'):
        write([drive, drive], root, tmp_path / 'x.pkl')


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(OwnCamerasError, match='cannot be read'):
        read_drive(tmp_path / 'none.json')
    (tmp_path / 'x.json').write_text('{')
    with pytest.raises(OwnCamerasError, match='is cut off'):
        read_drive(tmp_path / 'x.json')
