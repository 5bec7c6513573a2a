import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import CAMERA_RIG
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import BOX
from mmocc.projects.SyntheticNuScenes.synthetic.shapes import place, solid
from mmocc.projects.SyntheticNuScenes.synthetic.visibility import (
    ObjectView,
    solids_of,
    visibility_level,
    visible_share,
)

SIZE = (320, 180)
CORNERS = np.array(
    [[x, y, z] for x in (11, 13) for y in (-1, 1) for z in (0, 2)], float
)


def share_where(hidden):
    box = solid(BOX, (0, 0, 1), (1, 1, 1), (0, 0, 0))
    rows = place(box[None], 12, 0, 0.0, instance=4)
    camera = CAMERA_RIG[0]
    owners = np.full(SIZE[::-1], 4, np.int32)
    owners[:, hidden] = 9
    view = (camera.cam2ego(), camera.intrinsic(SIZE), owners)
    return visible_share([ObjectView(solids_of(rows, 4), CORNERS, *view)], 4)


def test_share_of_a_box_that_is_not_half_or_wholly_hidden():
    free, pixels = share_where(slice(0, 0))
    assert free == 1.0
    # The front face is 2 m wide and high at 9.3 m; 253 px focal length.
    assert pixels == pytest.approx((2 / 9.3 * 253) ** 2, rel=0.15)
    middle = int(CAMERA_RIG[0].centre[0] / 5) - 1
    assert share_where(slice(0, middle))[0] == pytest.approx(0.5, abs=0.08)
    assert share_where(slice(0, 320)) == (0.0, 0)


def test_a_box_behind_all_cameras_has_no_pixels():
    camera = CAMERA_RIG[0]
    owners = np.zeros(SIZE[::-1], np.int32)
    view = (camera.cam2ego(), camera.intrinsic(SIZE), owners)
    rows = np.empty((0, 16), np.float32)
    shot = ObjectView(rows, CORNERS - (40, 0, 0), *view)
    assert visible_share([shot], 4) == (0.0, 0)


@pytest.mark.parametrize(
    ('share', 'level'),
    [(0.0, 1), (0.39, 1), (0.4, 2), (0.6, 3), (0.8, 4), (1.0, 4)],
)
def test_levels(share, level):
    assert visibility_level(share) == level
