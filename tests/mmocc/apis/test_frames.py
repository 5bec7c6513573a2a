"""Frames out of cameras, and out of info files."""

import shutil

import numpy as np
import pytest

from mmocc.apis import camera_frame, info_frame, load_images
from mmocc.datasets import SampleError
from mmocc.structures import CAMERAS


def broken(own_cameras, part, change):
    """Arguments of ``camera_frame`` with the front camera's part changed."""
    given = dict(
        zip(('images', 'intrinsics', 'extrinsics'), own_cameras(), strict=True)
    )
    given[part] = dict(given[part])
    given[part]['CAM_FRONT'] = change(given[part]['CAM_FRONT'])
    return given


def with_nan(matrix):
    matrix = matrix.copy()
    matrix[0, 0] = np.nan
    return matrix


def mirrored(matrix):
    return matrix @ np.diag([-1.0, 1, 1, 1])


@pytest.mark.parametrize(
    ('part', 'change', 'message'),
    [
        ('intrinsics', lambda m: m[:2], r'shape \(2, 3\).*3 x 3 finite'),
        ('intrinsics', lambda m: np.eye(4), r'\(4, 4\).*upper left 3 x 3'),
        ('intrinsics', with_nan, r'not finite in a matrix \(3, 3\)'),
        ('intrinsics', np.transpose, r'\[fx, 0, cx\]'),
        ('intrinsics', lambda m: 'f=500', "no matrix of numbers: 'f=500'"),
        ('extrinsics', lambda m: m[:3], r'cam2ego.*shape \(3, 4\)'),
        ('extrinsics', with_nan, 'not finite'),
        ('extrinsics', mirrored, 'a mirrored rotation'),
        ('extrinsics', lambda m: 2 * m, 'without scale'),
        ('images', lambda i: i / 255, r'type float64.*of uint8, BGR'),
        ('images', lambda i: i[..., 0], r'shape \(54, 96\)'),
        ('images', lambda i: None, 'a NoneType.*a path, or an array'),
    ],
)
def test_malformed_parts_are_named(own_cameras, part, change, message):
    with pytest.raises(SampleError, match=message) as error:
        camera_frame(**broken(own_cameras, part, change), token='mine')
    text = str(error.value)
    assert 'sample mine' in text and 'CAM_FRONT' in text


@pytest.mark.parametrize('part', [0, 1, 2])
@pytest.mark.parametrize('name', ['CAM_FRONT', 'FRONT'])
def test_cameras_got_and_expected_are_named(own_cameras, part, name):
    """One too few, and one under a wrong name."""
    given = [dict(values) for values in own_cameras()]
    view = given[part].pop('CAM_FRONT')
    if name != 'CAM_FRONT':
        given[part][name] = view
    with pytest.raises(SampleError) as error:
        camera_frame(*given)
    assert str(sorted(given[part])) in str(error.value)
    assert str(list(CAMERAS)) in str(error.value)


def test_other_rigs_than_six_cameras(own_cameras):
    pair = [
        {'LEFT': v['CAM_FRONT_LEFT'], 'RIGHT': v['CAM_FRONT_RIGHT']}
        for v in own_cameras()
    ]
    frame = camera_frame(*pair, cameras=('LEFT', 'RIGHT'))
    assert list(frame['images']) == ['LEFT', 'RIGHT']


def test_views_are_rgb_at_their_own_size(own_cameras, infos, root):
    images = own_cameras()[0]
    order = ('CAM_BACK', 'CAM_FRONT')
    for frame in (camera_frame(*own_cameras()), info_frame(infos[0], root)):
        for name, view in zip(order, load_images(frame, order), strict=True):
            assert np.array_equal(view[..., ::-1], images[name])


class TestInfoFrame:
    def test_does_not_change_the_info(self, infos, root):
        before = dict(infos[0]), dict(infos[0]['images']['CAM_BACK'])
        frame = info_frame(infos[0], root)
        assert before[0].keys() == infos[0].keys()
        assert before[1] == infos[0]['images']['CAM_BACK']
        assert frame['occ_path'] == str(root / infos[0]['occ_path'])

    def test_plain_file_of_mmdet3d(self, infos, root):
        """Language and ego motion are unknown, not errors."""
        plain = {
            key: infos[0][key]
            for key in ('token', 'images', 'lidar_points', 'instances')
        }
        frame = info_frame(plain, root)
        assert frame['his_meta_actions'] == [] and frame['qa'] == []
        assert 'ego' not in frame

    @pytest.mark.parametrize('nested', [False, True])
    def test_finds_images_by_name(self, infos, root, tmp_path, nested):
        for name, view in infos[0]['images'].items():
            folder = tmp_path / name if nested else tmp_path
            folder.mkdir(exist_ok=True)
            shutil.copy(root / 'samples' / name / view['img_path'], folder)
        expected = info_frame(infos[0], root)['images']
        found = info_frame(infos[0], root, images_dir=tmp_path)['images']
        for name in CAMERAS:
            path = found[name]['img_path']
            assert path.startswith(str(tmp_path))
            assert path.rpartition('/')[2] in expected[name]['img_path']
        if not nested:
            assert info_frame(infos[0], tmp_path)['images'] == found

    def test_own_layout(self, infos, root):
        prefix = {name: f'{name}' for name in CAMERAS}
        frame = info_frame(infos[0], root / 'samples', data_prefix=prefix)
        assert frame['images'] == info_frame(infos[0], root)['images']

    def test_missing_image_names_the_places(self, infos, tmp_path):
        with pytest.raises(SampleError) as error:
            info_frame(infos[0], tmp_path)
        name = infos[0]['images']['CAM_FRONT']['img_path']
        for place in (f'samples/CAM_FRONT/{name}', name):
            assert str(tmp_path / place) in str(error.value)

    def test_not_an_info(self, root):
        with pytest.raises(SampleError, match=r'abc: .* has no images; '):
            info_frame({'token': 'abc'}, root)
        views = {'CAM_BACK': {'data_path': 'x.jpg'}}
        with pytest.raises(
            SampleError, match=r'no images\.CAM_BACK\.img_path'
        ):
            info_frame({'token': 'abc', 'images': views}, root)
