import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import CAMERA_RIG
from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    ROAD,
    WALK,
    Ground,
)
from mmocc.projects.SyntheticNuScenes.synthetic.occupancy import (
    camera_mask,
    lidar_mask,
    semantics,
)
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import BOX, CYLINDER
from mmocc.projects.SyntheticNuScenes.synthetic.shapes import solid
from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid

CAR = OCC3D_CLASSES.index('car')
MANMADE = OCC3D_CLASSES.index('manmade')
EGO = np.array([50.0, 50.0, np.pi / 2])
GRID = OccGrid()


@pytest.fixture
def ground():
    plane = Ground((0.0, 0.0), 100.0)
    plane.codes[:] = WALK
    plane.codes[:, :500] = ROAD  # x < 50 m: left of an ego that looks north
    return plane


def test_ground_is_one_layer_at_height_zero(ground):
    labels = semantics(np.empty((0, 16), np.float32), ground, EGO)
    assert set(np.unique(np.nonzero(labels != FREE)[2])) == {2}
    index, _ = GRID.to_index(np.array([[5, 3, 0], [5, -3, 0.1]]))
    names = [OCC3D_CLASSES[labels[tuple(i)]] for i in index]
    assert names == ['driveable_surface', 'sidewalk']


def test_a_box_ahead_fills_the_voxels_it_reaches_into(ground):
    # 10 m north of the ego: x 9.05 to 10.95, y -0.45 to 0.45, z 0.3 to 1.3.
    box = solid(BOX, (50, 60, 0.8), (0.95, 0.45, 0.5), (0, 0, 0), label=CAR)
    box[7:9] = 0, 1
    labels = semantics(box[None], ground, EGO)
    i, j, k = np.nonzero(labels == CAR)
    assert (i.min(), i.max()) == (122, 127)  # 8.8 to 11.2 m
    assert (j.min(), j.max()) == (98, 101)  # -0.8 to 0.8 m
    assert (k.min(), k.max()) == (3, 5)  # 0.2 to 1.4 m
    assert len(i) == 6 * 4 * 3


def test_thin_posts_are_never_lost(ground):
    rng = np.random.default_rng(0)
    for _ in range(40):
        x, y = rng.uniform(40, 60, 2)
        post = solid(CYLINDER, (x, y, 2), (0.06, 0.06, 2), (0, 0, 0))
        pose = np.array([50, 50, rng.uniform(-3, 3)])
        labels = semantics(post[None], ground, pose)
        column = (labels == MANMADE).any((0, 1))
        assert column[3:12].all()


def test_things_win_over_stuff(ground):
    rows = [
        solid(BOX, (50, 60, 0.8), (1, 1, 0.8), (0, 0, 0), label=CAR),
        solid(BOX, (50, 60, 0.8), (1, 1, 0.8), (0, 0, 0)),
    ]
    for order in (rows, rows[::-1]):
        labels = semantics(np.stack(order), ground, EGO)
        assert (labels == CAR).sum() > 50
        assert (labels == MANMADE).sum() == 0


def test_a_ray_marks_all_it_crosses_and_no_more():
    pose = np.zeros(3)
    origin = np.array([0.1, 0.1, 1.9])
    mask = lidar_mask([(origin, np.array([[8.1, 0.1, 1.9]]))], pose)
    i, j, k = np.nonzero(mask)
    assert (i.min(), i.max(), len(i)) == (100, 120, 21)
    assert set(j) == {100} and set(k) == {7}


def test_rays_mark_every_voxel_of_dense_samples():
    rng = np.random.default_rng(1)
    origin = np.array([0.94, 0.0, 1.84])
    ends = rng.uniform((-60, -60, -1), (60, 60, 8), (50, 3))
    mask = lidar_mask([(origin, ends)], np.zeros(3))
    share = np.linspace(0, 1, 20001)[:, None]
    wanted = np.zeros_like(mask)
    for end in ends:
        index, inside = GRID.to_index(origin + share * (end - origin))
        wanted[tuple(index[inside].T)] = 1
    assert (mask >= wanted).all()
    assert mask.sum() <= 1.01 * wanted.sum()


def test_a_wall_hides_what_is_behind_it():
    camera = CAMERA_RIG[0]
    cam2img = camera.intrinsic((64, 36))
    everything = np.ones(GRID.shape, np.uint8)
    ranges = np.full((36, 64), 10.0, np.float32)
    seen = camera_mask(everything, [(camera.cam2ego(), cam2img, ranges)])
    centres = GRID.centres()[seen > 0]
    away = np.linalg.norm(centres - camera.translation, axis=1)
    assert away.max() <= 10.45 + 1e-6
    assert away.max() > 10.2
    assert (centres[:, 0] > camera.translation[0]).all()
    bearing = np.degrees(np.arctan2(centres[:, 1], centres[:, 0] - 1.7))
    # Half of 64.6 degrees, and half a voxel's diagonal (0.28 m) at 5 metres.
    assert np.abs(bearing[away > 5]).max() < 32.3 + 3.3
    nothing = np.zeros(GRID.shape, np.uint8)
    assert not camera_mask(
        nothing, [(camera.cam2ego(), cam2img, ranges)]
    ).any()
