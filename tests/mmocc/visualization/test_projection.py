"""What calibration and images must be like before anything is drawn."""

import numpy as np
import pytest

from mmocc.visualization.projection import check_calibration, check_images

NAMES = ['CAM_FRONT', 'CAM_BACK']
LENSES, POSES = np.stack([np.eye(3)] * 2), np.stack([np.eye(4)] * 2)


def test_good_calibration_passes():
    check_calibration(LENSES, POSES, NAMES)


@pytest.mark.parametrize(
    ('cam2img', 'cam2ego', 'words'),
    [
        (np.eye(3), POSES, r'cam2img has shape \(3, 3\), expected \(2, 3, 3'),
        (LENSES[:1], POSES, r'cam2img has shape \(1, 3, 3\)'),
        (POSES, POSES, r'cam2img has shape \(2, 4, 4\)'),
        (LENSES, LENSES, r'cam2ego has shape \(2, 3, 3\), expected \(2, 4, 4'),
        (LENSES, POSES * [[[1]], [[np.nan]]], 'cam2ego of CAM_BACK holds'),
        (LENSES * [[[np.nan]], [[1]]], POSES, 'cam2img of CAM_FRONT holds'),
    ],
)
def test_bad_calibration_is_named(cam2img, cam2ego, words):
    with pytest.raises(ValueError, match=words):
        check_calibration(cam2img, cam2ego, NAMES)


@pytest.mark.parametrize(
    ('images', 'words'),
    [
        ([np.zeros((4, 6, 3), np.uint8)], '1 images for 2 camera names'),
        ([np.zeros((4, 6, 3), np.uint8)] * 3, '3 images for 2 camera names'),
        ([np.zeros((4, 6), np.uint8)] * 2, r'CAM_FRONT has shape \(4, 6\)'),
        ([np.zeros((4, 6, 3))] * 2, 'type float64'),
        ([np.zeros((0, 6, 3), np.uint8)] * 2, r'shape \(0, 6, 3\)'),
        ([None, None], 'type None'),
    ],
)
def test_what_is_no_picture_is_named(images, words):
    with pytest.raises(ValueError, match=words):
        check_images(images, NAMES)
