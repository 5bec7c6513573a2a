"""Six views in figure order, and paths projected by hand."""

import numpy as np
import pytest

from mmocc.structures import CAMERAS
from mmocc.visualization import GroundPath, camera_panel
from mmocc.visualization.camera_panel import (
    PATH_REACH,
    PATH_SPACING,
    TILE_GAP,
    _path_edges,
    draw_path,
    project,
)
from mmocc.visualization.drawing import SHADE

# 1.5 m above the ego origin, looking forward: camera x is ego -y, camera y
# is ego -z, camera z is ego x.
CAM2EGO = np.array(
    [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]]
)
CAM2IMG = np.array([[100.0, 0, 160], [0, 100, 90], [0, 0, 1]])
RED = (255, 0, 0)
STRAIGHT = np.stack([np.arange(2, 14, 2), np.zeros(6)], axis=-1)


def test_ground_points_project_by_hand():
    points = np.array([[10.0, 0, 0], [10, 2, 0], [5, -1, 1.5], [-3, 0, 0]])
    pixels, depth = project(points, CAM2IMG, CAM2EGO)
    assert depth.tolist() == [10, 10, 5, -3]
    # 1.5 m below the camera at 10 m: 15 pixels below the centre.
    assert pixels[0] == pytest.approx([160, 105])
    # 2 m to the left: 20 pixels to the left.
    assert pixels[1] == pytest.approx([140, 105])
    assert pixels[2] == pytest.approx([180, 90])


def test_path_lands_on_its_pixels():
    image = np.zeros((180, 320, 3), dtype=np.uint8)
    draw_path(image, GroundPath(STRAIGHT, RED, 1.0), CAM2IMG, CAM2EGO)
    # At 5 m the ribbon is 20 pixels wide around (160, 120).
    row = image[120, :, 0]
    assert np.nonzero(row)[0].min() == pytest.approx(150, abs=1)
    assert np.nonzero(row)[0].max() == pytest.approx(170, abs=1)
    assert not image[:95].any()


def test_left_turn_bends_to_the_left():
    image = np.zeros((180, 320, 3), dtype=np.uint8)
    turn = STRAIGHT + np.array([0, 1]) * STRAIGHT[:, :1] ** 2 / 20
    draw_path(image, GroundPath(turn, RED, 1.0), CAM2IMG, CAM2EGO)
    far = np.nonzero(image[106, :, 0])[0].mean()
    near = np.nonzero(image[140, :, 0])[0].mean()
    assert far < near < 165


@pytest.mark.parametrize(
    'points', [-STRAIGHT, np.zeros((6, 2)), np.zeros((0, 2))]
)
def test_path_behind_or_nowhere_draws_nothing(points):
    image = np.full((180, 320, 3), 7, dtype=np.uint8)
    draw_path(image, GroundPath(points, RED, 1.0), CAM2IMG, CAM2EGO)
    assert (image == 7).all()


def flat_images():
    return [
        np.full((90, 160, 3), 20 * (place + 1), dtype=np.uint8)
        for place in range(6)
    ]


def middles(panel, width, height):
    """Colour in the middle of each of the six places."""
    return [
        int(
            panel[
                row * (height + TILE_GAP) + height // 2,
                column * (width + TILE_GAP) + width // 2,
                0,
            ]
        )
        for row in range(2)
        for column in range(3)
    ]


def test_views_take_their_places_in_figure_order():
    panel = camera_panel(flat_images(), CAMERAS, width=3 * 160 + 2 * TILE_GAP)
    assert panel.shape == (2 * 90 + TILE_GAP, 488, 3)
    shade = {name: 20 * (place + 1) for place, name in enumerate(CAMERAS)}
    assert middles(panel, 160, 90) == [
        shade['CAM_FRONT_LEFT'],
        shade['CAM_FRONT'],
        shade['CAM_FRONT_RIGHT'],
        shade['CAM_BACK_LEFT'],
        shade['CAM_BACK'],
        shade['CAM_BACK_RIGHT'],
    ]


def test_missing_camera_leaves_its_place_grey():
    panel = camera_panel(
        flat_images()[1:], CAMERAS[1:], width=3 * 160 + 2 * TILE_GAP
    )
    # The front camera's place is the second; beside its text.
    assert tuple(panel[20, 164 + 150]) == SHADE
    assert middles(panel, 160, 90)[0] == 60


def test_other_cameras_keep_their_own_order():
    panel = camera_panel(
        flat_images()[:4], ['a', 'b', 'c', 'd'], width=3 * 160 + 2 * TILE_GAP
    )
    assert panel.shape[0] == 2 * 90 + TILE_GAP
    assert middles(panel, 160, 90)[:4] == [20, 40, 60, 80]
    assert middles(panel, 160, 90)[4:] == [255, 255]


def test_path_is_scaled_with_the_picture():
    images = [np.zeros((180, 320, 3), dtype=np.uint8)]
    panel = camera_panel(
        images,
        ['one'],
        [GroundPath(STRAIGHT, RED, 1.0)],
        CAM2IMG[None],
        CAM2EGO[None],
        width=3 * 160 + 2 * TILE_GAP,
    )
    # Half the size: the ribbon at 5 m is 10 pixels wide around (80, 60).
    columns = np.nonzero(panel[60, :160, 0])[0]
    assert columns.min() == pytest.approx(75, abs=1)
    assert columns.max() == pytest.approx(85, abs=1)
    assert not images[0].any()


def test_images_and_names_must_match():
    with pytest.raises(ValueError, match='6 images for 2 camera names'):
        camera_panel(flat_images(), CAMERAS[:2])


def test_paths_need_calibration():
    with pytest.raises(ValueError, match='cam2img and cam2ego'):
        camera_panel(flat_images(), CAMERAS, [GroundPath(STRAIGHT, RED, 1.0)])


def test_images_of_other_shapes_are_shown_whole_and_paths_fit():
    """Half the width: the tile's left half, and the path within it."""
    wide = np.full((180, 320, 3), 40, dtype=np.uint8)
    narrow = np.full((180, 160, 3), 80, dtype=np.uint8)
    lens = CAM2IMG.copy()
    lens[0, 2] = 80  # the optical axis in the middle of the narrow image
    panel = camera_panel(
        [wide, narrow],
        ['CAM_FRONT_LEFT', 'CAM_FRONT'],
        [GroundPath(STRAIGHT, RED, 1.0)],
        np.stack([CAM2IMG, lens]),
        np.stack([CAM2EGO] * 2),
        width=3 * 320 + 2 * TILE_GAP,
    )
    tile = panel[:180, 320 + TILE_GAP : 640 + TILE_GAP]
    assert (tile[150, 155] == 80).all()
    assert (tile[150, 165] == SHADE).all()
    red = np.nonzero(tile[120, :, 0] > 150)[0]
    red = red[red < 160]
    assert red.mean() == pytest.approx(80, abs=1)


@pytest.mark.parametrize(
    ('cam2img', 'cam2ego', 'words'),
    [
        (np.eye(3), CAM2EGO[None], r'cam2img has shape \(3, 3\)'),
        (CAM2IMG[None], CAM2EGO[None] * np.nan, 'cam2ego of CAM_FRONT holds'),
    ],
)
def test_bad_calibration_is_refused(cam2img, cam2ego, words):
    image = np.zeros((90, 160, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=words):
        camera_panel(
            [image], ['CAM_FRONT'], [GroundPath(STRAIGHT, RED, 1.0)],
            cam2img, cam2ego,
        )  # fmt: skip


def test_a_path_that_has_gone_astray_is_painted_as_far_as_one_can_see():
    edges = _path_edges(GroundPath(np.array([[3e5, 4e5]]), RED, 1.0))
    assert len(edges) == PATH_REACH / PATH_SPACING + 1
    # 200 m along 3 : 4.
    np.testing.assert_allclose(
        edges[-1].mean(axis=0), [120.0, 160.0, 0.0], atol=1e-6
    )
