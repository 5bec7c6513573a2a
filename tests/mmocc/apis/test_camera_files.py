"""One's own cameras from files."""

import json

import cv2
import numpy as np
import pytest

from mmocc.apis.camera_files import (
    read_camera_frame,
    read_ego,
)
from mmocc.apis.ego_state import parse_ego_state, parse_past_actions
from mmocc.apis.frames import camera_frame
from mmocc.datasets import SampleError
from mmocc.structures import CAMERAS
from mmocc.utils.frame_arguments import CALIBRATION_EXAMPLE, EGO_EXAMPLE


@pytest.fixture
def files(own_cameras, tmp_path):
    """A folder of images and a calibration, and what is in them."""
    images, intrinsics, extrinsics = own_cameras()
    folder = tmp_path / 'images'
    folder.mkdir()
    for name, image in images.items():
        cv2.imwrite(str(folder / f'n008-2018__{name}__153.png'), image)
    (folder / 'notes.txt').write_text('CAM_FRONT is dirty')
    calibration = tmp_path / 'calibration.json'
    calibration.write_text(
        json.dumps(
            {
                name: {
                    'cam2img': intrinsics[name].tolist(),
                    'cam2ego': extrinsics[name].tolist(),
                }
                for name in CAMERAS
            }
        )
    )
    return folder, calibration


def test_files_say_what_arrays_say(files, own_cameras):
    """CAM_FRONT is not taken for CAM_FRONT_LEFT."""
    frame = read_camera_frame(*files, None, CAMERAS)
    expected = camera_frame(*own_cameras())
    for name in CAMERAS:
        got, wanted = frame['images'][name], expected['images'][name]
        assert np.array_equal(cv2.imread(got['img_path']), wanted['img'])
        for key in ('cam2img', 'cam2ego'):
            np.testing.assert_array_equal(got[key], wanted[key])
    assert 'ego' not in frame


def test_images_by_name_and_ego(files, tmp_path):
    folder, calibration = files
    listing = tmp_path / 'images.json'
    paths = {name: f'images/n008-2018__{name}__153.png' for name in CAMERAS}
    listing.write_text(json.dumps(paths))
    ego = tmp_path / 'ego.json'
    ego.write_text(EGO_EXAMPLE)
    frame = read_camera_frame(listing, calibration, ego, CAMERAS)
    by_folder = read_camera_frame(folder, calibration, ego, CAMERAS)
    assert frame['images'].keys() == by_folder['images'].keys()
    for name in CAMERAS:
        assert (
            frame['images'][name]['img_path']
            == by_folder['images'][name]['img_path']
        )
    assert frame['ego']['status']['vx'] == 5.2
    assert len(frame['his_meta_actions']) == 2


def test_examples_in_the_help_are_right(tmp_path):
    path = tmp_path / 'ego.json'
    path.write_text(EGO_EXAMPLE)
    state, past_actions = read_ego(path)
    parse_ego_state('t', state)
    parse_past_actions('t', past_actions)
    content = json.loads(CALIBRATION_EXAMPLE.rpartition(',')[0] + '}')
    view = content['CAM_FRONT']
    image = np.zeros((900, 1600, 3), dtype=np.uint8)
    camera_frame(
        {'C': image}, {'C': view['cam2img']}, {'C': view['cam2ego']},
        cameras=['C'],
    )  # fmt: skip


def test_two_moments_in_a_folder(files):
    folder, calibration = files
    (folder / 'n008-2018__CAM_BACK__154.png').write_bytes(b'')
    with pytest.raises(SampleError, match=r'CAM_BACK__153.*CAM_BACK__154'):
        read_camera_frame(folder, calibration, None, CAMERAS)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'No such file'),
        ('{"CAM_FRONT": ', 'cut off'),
        ('[1, 2]', 'a list'),
        ('{"CAM_FRONT": 3}', "'CAM_FRONT' holds 3"),
        ('{"CAM_FRONT": {"K": 1}}', "'CAM_FRONT' holds .'K'"),
    ],
)
def test_broken_calibration(files, tmp_path, content, message):
    path = tmp_path / 'broken.json'
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read_camera_frame(files[0], path, None, CAMERAS)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_missing_image_of_a_camera(files):
    next(files[0].glob('*CAM_BACK_RIGHT*')).unlink()
    with pytest.raises(SampleError, match=r'images.*CAM_BACK_RIGHT'):
        read_camera_frame(*files, None, CAMERAS)


def test_missing_folder(files, tmp_path):
    with pytest.raises(SampleError, match=r'nowhere: no such file or folder'):
        read_camera_frame(tmp_path / 'nowhere', files[1], None, CAMERAS)
