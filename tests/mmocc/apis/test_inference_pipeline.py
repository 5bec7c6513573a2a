"""What becomes of a config's test pipeline."""

import copy

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmocc.apis.given_images import GivenImages
from mmocc.apis.pipeline import build_inference_pipeline, expected_cameras
from mmocc.datasets import LoadSurroundImages
from mmocc.utils.config import ConfigError


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmocc')


def names(transforms):
    return [type(transform).__name__ for transform in transforms]


def test_loaders_of_ground_truth_go_and_the_rest_stays(config):
    assert names(build_inference_pipeline(config)) == [
        'GivenImages',
        'LoadEgoStatus',
        'LoadDrivingQA',
        'ComputeLidar2Img',
        'TokenizeQA',
        'PackOccInputs',
    ]


def test_settings_stay_but_for_what_inference_needs(config):
    changed = copy.deepcopy(config)
    pipeline = [dict(step) for step in config.test_pipeline]
    for step in pipeline:
        if step['type'] == 'LoadSurroundImages':
            step.update(
                cameras=('LEFT', 'RIGHT'), type='mmocc.' + step['type']
            )
        if step['type'] == 'LoadDrivingQA':
            step.update(answer_style='action', max_questions=1)
    changed.test_dataloader.dataset.pipeline = pipeline
    built = build_inference_pipeline(changed)
    by_name = dict(zip(names(built), built, strict=True))
    assert expected_cameras(built) == ('LEFT', 'RIGHT')
    assert by_name['GivenImages'].size == (96, 96)
    assert by_name['LoadDrivingQA'].answer_style == 'action'
    assert by_name['LoadDrivingQA'].max_questions is None
    assert by_name['LoadEgoStatus'].allow_missing
    assert not by_name['TokenizeQA'].with_answer


def test_pipelines_of_other_models_are_refused(config):
    changed = copy.deepcopy(config)
    changed.test_dataloader.dataset.pipeline = [
        step for step in config.test_pipeline if 'QA' not in step['type']
    ]
    with pytest.raises(ConfigError, match='lacks LoadDrivingQA, TokenizeQA'):
        build_inference_pipeline(changed)
    for key in ('test_dataloader', 'test_pipeline'):
        changed.pop(key)
    with pytest.raises(ConfigError, match='neither test_dataloader'):
        build_inference_pipeline(changed)


class TestGivenImages:
    @pytest.fixture(scope='class')
    def photo(self):
        """Smooth, as photographs are, and of nuScenes' size."""
        noise = np.random.default_rng(0).integers(0, 256, (18, 32, 3))
        return cv2.resize(
            noise.astype(np.uint8), (1600, 900), interpolation=cv2.INTER_CUBIC
        )

    @pytest.mark.parametrize('size', [None, (160, 160), (896, 1600)])
    def test_array_equals_lossless_file(self, photo, size, tmp_path):
        path = tmp_path / 'photo.png'
        cv2.imwrite(str(path), photo)
        from_file, shape = LoadSurroundImages(size=size)._load(
            'token', 'CAM', {'img_path': str(path)}
        )
        from_array, same_shape = GivenImages(size=size)._load(
            'token', 'CAM', {'img_path': '', 'img': photo}
        )
        assert shape == same_shape == (900, 1600)
        assert np.array_equal(from_file, from_array)

    def test_array_of_a_large_jpeg_is_close(self, photo, tmp_path):
        path = tmp_path / 'photo.jpg'
        cv2.imwrite(str(path), photo)
        loader = GivenImages(size=(160, 160))
        from_file, _ = loader._load('token', 'CAM', {'img_path': str(path)})
        decoded = cv2.imread(str(path))[:, ::-1][:, ::-1]  # not contiguous
        from_array, _ = loader._load('token', 'CAM', {'img': decoded})
        difference = np.abs(from_file.astype(int) - from_array)
        assert 0 < difference.mean() < 0.5
        assert difference.max() < 8
