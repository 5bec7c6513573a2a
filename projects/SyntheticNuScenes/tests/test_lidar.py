import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    lidar2ego,
    pose_matrix,
)
from mmocc.projects.SyntheticNuScenes.synthetic.ground import ROAD, Ground
from mmocc.projects.SyntheticNuScenes.synthetic.lidar import (
    DEPTH,
    Sweep,
    survey_rays,
    sweep_rays,
)
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import BOX, build_scene
from mmocc.projects.SyntheticNuScenes.synthetic.shapes import place, solid
from mmocc.structures import OCC3D_CLASSES

TRUCK = OCC3D_CLASSES.index('truck')


def test_rays_come_firing_by_firing_and_clockwise():
    rays = sweep_rays(8)
    assert rays.shape == (256, 3)
    elevation = np.degrees(np.arcsin(rays[:, 2])).reshape(8, 32)
    np.testing.assert_allclose(
        elevation[0, [0, 31]], [-30.67, 10.66], atol=0.1
    )
    assert (np.diff(elevation, axis=1) > 0).all()
    azimuth = np.arctan2(rays[::32, 1], rays[::32, 0])
    np.testing.assert_allclose(np.diff(np.unwrap(azimuth)), -np.pi / 4)


def test_survey_rays_meet_the_ground_evenly():
    rays = survey_rays(48, 4, np.random.default_rng(0)).reshape(4, 48, 3)
    down = rays[0][rays[0, :, 2] < -0.03]
    reach = 1.84 * np.hypot(down[:, 0], down[:, 1]) / -down[:, 2]
    assert reach.min() < 4 and 44 < reach.max() < 48
    assert np.diff(np.sort(reach)).max() < 2.5


def test_returns_lie_on_the_ground_or_just_inside_a_solid():
    ground = Ground((0.0, 0.0), 100.0)
    ground.codes[:] = ROAD
    box = solid(BOX, (0, 0, 1.5), (3, 1.2, 1.5), (0, 0, 0), label=TRUCK)
    scene = build_scene(place(box[None], 62, 50, 0.0, 7), (0.0, 0.0), 100.0)
    lidar2global = pose_matrix(50, 50, 0) @ lidar2ego()
    sweep = Sweep(scene, ground, lidar2global, 720, np.random.default_rng(0))
    points = sweep.points[:, :3] @ lidar2global[:3, :3].T + lidar2global[:3, 3]
    near = (points[:, :2] > 0).all(1) & (points[:, :2] < 100).all(1)
    truck = sweep.owner == 7
    assert (sweep.label[truck] == TRUCK).all()
    assert (
        sweep.label[near & ~truck] == OCC3D_CLASSES.index('driveable_surface')
    ).all()
    assert truck.sum() > 50
    np.testing.assert_allclose(points[~truck, 2], 0, atol=0.05)
    # The rear face is at 59 m.
    np.testing.assert_allclose(points[truck, 0], 59 + DEPTH, atol=0.06)
    local = np.abs(points[truck] - (62, 50, 1.5))
    assert (local <= (3.0, 1.2, 1.5)).all(1).mean() > 0.97
    assert sweep.points.dtype == np.float32
    assert set(np.unique(sweep.points[:, 4])) <= set(range(32))
