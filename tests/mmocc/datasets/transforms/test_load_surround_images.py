import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmocc_testing import make_occ_info

from mmocc.datasets import LoadSurroundImages, SampleError
from mmocc.registry import TRANSFORMS
from mmocc.structures import CAMERAS


def frame(root):
    info = make_occ_info(num_frames=3)
    for camera, view in info['images'].items():
        view['img_path'] = str(root / 'samples' / camera / view['img_path'])
    return info


@pytest.fixture
def info(tiny_root):
    return frame(tiny_root)


def stock(info, size):
    """mmdet3d's own loader and resize."""
    results = TRANSFORMS.build(
        {'type': 'LoadMultiViewImageFromFiles', 'num_views': 6}
    )(info)
    return TRANSFORMS.build(
        {
            'type': 'MultiViewWrapper',
            'transforms': [
                {
                    'type': 'Resize3D',
                    'scale': size[::-1],
                    'keep_ratio': False,
                    'interpolation': 'area',
                }
            ],
        }
    )(results)


def test_calibration_equals_mmdet3ds_resize_in_both_axes(tiny_root):
    size = (20, 30)
    ours = LoadSurroundImages(size=size)(frame(tiny_root))
    theirs = stock(frame(tiny_root), size)
    for key in ('cam2img', 'lidar2cam', 'ori_cam2img', 'img'):
        np.testing.assert_allclose(ours[key], theirs[key], atol=1e-9)
    # By hand: f = 0.8 W, so 30 / 96 of it in x and 20 / 54 of it in y.
    assert ours['cam2img'][0][0, 0] == pytest.approx(76.8 * 30 / 96)
    assert ours['cam2img'][0][1, 1] == pytest.approx(76.8 * 20 / 54)


def test_views_come_in_the_order_of_the_names(info):
    expected = LoadSurroundImages()(info)
    shuffled = dict(info, images=dict(reversed(info['images'].items())))
    results = LoadSurroundImages()(shuffled)
    assert results['cam_names'] == list(CAMERAS)
    for key in ('img', 'lidar2cam', 'cam2img', 'filename'):
        for got, wanted in zip(results[key], expected[key], strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_other_rigs_name_their_cameras(info):
    cameras = ('CAM_BACK', 'CAM_FRONT')
    results = LoadSurroundImages(cameras)(info)
    assert results['num_views'] == len(results['img']) == 2
    assert [Path(p).parent.name for p in results['filename']] == list(cameras)


def test_fewer_cameras_than_the_model_has_is_an_error(info):
    del info['images']['CAM_BACK']
    with pytest.raises(SampleError, match='no CAM_BACK') as error:
        LoadSurroundImages()(info)
    assert info['token'] in str(error.value)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize(
    ('keep', 'message'),
    [(0, 'no image'), (0.001, 'no image|damaged'), (0.6, 'damaged')],
)
@pytest.mark.parametrize('size', [None, (90, 160), (10, 18)])
def test_truncated_image_is_an_error(
    info, tmp_path, suffix, keep, message, size
):
    noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3))
    whole = cv2.imencode(suffix, noise.astype(np.uint8))[1].tobytes()
    path = tmp_path / f'cut{suffix}'
    path.write_bytes(whole[: int(keep * len(whole))])
    info['images']['CAM_FRONT']['img_path'] = str(path)
    with pytest.raises(SampleError, match=message) as error:
        LoadSurroundImages(size=size)(info)
    assert info['token'] in str(error.value) and str(path) in str(error.value)


def test_missing_image_is_an_error(info):
    info['images']['CAM_BACK_LEFT']['img_path'] += '.gone'
    with pytest.raises(SampleError, match='no such file') as error:
        LoadSurroundImages()(info)
    message = str(error.value)
    assert info['token'] in message and '.jpg.gone' in message


def test_views_of_different_sizes_need_a_size(info, tmp_path):
    path = tmp_path / 'small.png'
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    info['images']['CAM_BACK']['img_path'] = str(path)
    with pytest.raises(SampleError, match='different sizes'):
        LoadSurroundImages()(info)
    info['images']['CAM_BACK']['cam2img'][0][2] = 4.0
    info['images']['CAM_BACK']['cam2img'][1][2] = 4.0
    info['images']['CAM_BACK']['cam2img'][0][0] = 76.8
    results = LoadSurroundImages(size=(16, 24))(info)
    # Each view is scaled by its own factor.
    assert results['cam2img'][3][0, 0] == pytest.approx(76.8 * 24 / 8)
    assert results['cam2img'][0][0, 0] == pytest.approx(76.8 * 24 / 96)


@pytest.mark.parametrize('key', ['cam2img', 'lidar2cam'])
def test_broken_calibration_is_an_error(info, key):
    info['images']['CAM_FRONT'][key] = [[1.0, float('nan')]]
    with pytest.raises(SampleError, match=f'{key} of CAM_FRONT'):
        LoadSurroundImages()(info)


def test_missing_extrinsics_follow_from_the_mounting_pose(info):
    expected = LoadSurroundImages()(info)['lidar2cam']
    for view in info['images'].values():
        del view['lidar2cam']
    results = LoadSurroundImages()(info)
    np.testing.assert_allclose(results['lidar2cam'], expected, atol=1e-12)


def test_fast_decoding_of_a_real_frame_hardly_changes_a_pixel():
    folder = os.environ.get('MMOCC_REAL_DATA')
    if not folder:
        pytest.skip('MMOCC_REAL_DATA does not name a folder of real samples')
    path = next((Path(folder) / 'frame').glob('*.pkl'))

    def real():
        info = pickle.loads(path.read_bytes())['data_list'][0]
        for view in info['images'].values():
            view['img_path'] = str(path.parent / view['img_path'])
        return info

    ours = LoadSurroundImages(size=(224, 224))(real())
    theirs = stock(real(), (224, 224))
    np.testing.assert_allclose(ours['cam2img'], theirs['cam2img'])
    difference = np.abs(
        np.array(ours['img'], dtype=float) - np.array(theirs['img'])
    )
    assert difference.mean() < 0.5  # of 255


@pytest.mark.parametrize(
    ('oversampling', 'flag'),
    [
        (1, cv2.IMREAD_REDUCED_COLOR_4),
        (2, cv2.IMREAD_REDUCED_COLOR_2),
        (np.inf, cv2.IMREAD_COLOR),
    ],
)
def test_oversampling_decides_how_far_decoding_shrinks(
    tmp_path, oversampling, flag
):
    path = str(tmp_path / 'noise.jpg')
    noise = np.random.default_rng(0).integers(0, 255, (64, 128, 3))
    cv2.imwrite(path, noise.astype(np.uint8))
    info = make_occ_info(num_frames=3)
    for view in info['images'].values():
        view['img_path'] = path
    # 4.3 and 4.1 times smaller.
    load = LoadSurroundImages(size=(15, 31), oversampling=oversampling)
    by_hand = cv2.resize(
        cv2.imread(path, flag), (31, 15), interpolation=cv2.INTER_AREA
    )
    np.testing.assert_array_equal(load(info)['img'][0], by_hand)


def test_decoding_to_less_than_the_wanted_size_is_refused():
    with pytest.raises(ValueError, match=r'oversampling is 0\.5'):
        LoadSurroundImages(oversampling=0.5)
