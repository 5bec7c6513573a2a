"""Pictures look as they did when somebody last looked at them."""

import cv2
import numpy as np
import pytest
from golden import FOLDER, PICTURES

from mmocc.visualization.drawing import PLAN

# Grey levels. Other builds of OpenCV and FreeType smooth edges otherwise; a
# line, a box or a colour that is gone costs more.
MEAN_DIFFERENCE = 0.4


@pytest.mark.parametrize('name', PICTURES)
def test_picture_is_as_it_was(name):
    picture = PICTURES[name]()
    expected = cv2.imread(str(FOLDER / f'{name}.png'))[..., ::-1]
    way_out = (
        'if the change is wanted, run golden.py beside this test, look at '
        'the pictures and commit them'
    )
    assert picture.shape == expected.shape, way_out
    difference = np.abs(picture.astype(int) - expected).mean()
    assert difference < MEAN_DIFFERENCE, way_out


def test_the_tolerance_notices_a_missing_plan():
    with_plan = PICTURES['plan']()
    without = with_plan.copy()
    without[(with_plan == PLAN).all(axis=2)] = 255
    difference = np.abs(with_plan.astype(int) - without).mean()
    assert difference > MEAN_DIFFERENCE


def test_pictures_are_few_and_small():
    sizes = [path.stat().st_size for path in FOLDER.iterdir()]
    assert len(sizes) == len(PICTURES)
    assert sum(sizes) <= 300 * 1024
