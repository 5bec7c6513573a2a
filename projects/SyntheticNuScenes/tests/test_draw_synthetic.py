"""The pictures of the documentation."""

import cv2
import numpy as np
import pytest

NAMES = (
    'synthetic_views.jpg',
    'synthetic_lidar.jpg',
    'synthetic_occupancy.png',
    'synthetic_intents.png',
)


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('projects/SyntheticNuScenes/tools/draw_synthetic.py')


def test_four_pictures_of_a_frame(tool, unit_root, tmp_path):
    tool.main(
        [
            *(str(unit_root), '--scene', 'scene-0103'),
            *('--frame', '2', '--out', str(tmp_path)),
        ]
    )
    assert {path.name for path in tmp_path.iterdir()} == set(NAMES)
    for name in NAMES:
        image = cv2.imread(str(tmp_path / name))
        assert min(image.shape[:2]) > 300
        assert image.std() > 20


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (('--scene', 'scene-9999'), 'scene-9999.*scene-0061'),
        (('--frame', '8'), 'key frames 0 to 7, got 8'),
    ],
)
def test_what_is_not_there_is_named(tool, unit_root, tmp_path, options, words):
    with pytest.raises(SystemExit, match=words):
        tool.main([str(unit_root), '--out', str(tmp_path), *options])
    assert not list(tmp_path.iterdir())


def test_the_map_is_turned_so_that_the_car_starts_upwards(tool):
    """It heads north-west for 10 m: straight up in the picture."""
    step = 10 / np.sqrt(2)
    yaw = 0.75 * np.pi
    poses = np.array([[100.0, 50.0, yaw], [100 - step, 50 + step, yaw]])
    picture = tool.MapPicture(poses)
    start, end = picture.pixels(poses)
    assert start[0] == pytest.approx(end[0])
    assert start[1] - end[1] == pytest.approx(10 * tool.BEV_SCALE)
    height, width = picture.image.shape[:2]
    margin = tool.BEV_MARGIN * tool.BEV_SCALE
    np.testing.assert_allclose(end, (margin, margin))
    assert (width, height) == (2 * margin, 2 * margin + 10 * tool.BEV_SCALE)
