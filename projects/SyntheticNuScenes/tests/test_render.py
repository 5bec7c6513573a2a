"""The sensors of one scene look at one world."""

import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.actors import (
    agent_box,
    dynamic_solids,
)
from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    lidar2ego,
    pose_matrix,
)
from mmocc.projects.SyntheticNuScenes.synthetic.lidar import Sweep
from mmocc.projects.SyntheticNuScenes.synthetic.light import draw_light
from mmocc.projects.SyntheticNuScenes.synthetic.occupancy import semantics
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import build_scene
from mmocc.projects.SyntheticNuScenes.synthetic.render import make_look, render
from mmocc.projects.SyntheticNuScenes.synthetic.world import EXTENT
from mmocc.structures import FREE, OccGrid

SIZE = (320, 180)


@pytest.fixture(scope='module')
def shot(stages):
    """One instant: sweep, pose, labels and six rendered cameras."""
    stage = stages['change_and_left']
    world, cast, time = stage.world, stage.cast, 4.0
    pose, _ = cast.simulation.state(cast.agents[0], time)
    boxes = [agent_box(cast, i, time) for i in range(1, len(cast.agents))]
    solids = np.concatenate([world.solids, dynamic_solids(cast, boxes, time)])
    scene = build_scene(solids, world.origin, EXTENT)
    ego2global = pose_matrix(*pose)
    rng = np.random.default_rng(0)
    sweep = Sweep(scene, world.ground, ego2global @ lidar2ego(), 180, rng)
    look = make_look(draw_light(rng), rng)
    views = {
        camera.name: render(
            scene,
            world.ground,
            look,
            ego2global @ camera.cam2ego(),
            camera.intrinsic(SIZE),
            SIZE,
        )
        for camera in CAMERA_RIG
    }
    labels = semantics(solids, world.ground, pose)
    return sweep, labels, views


def in_ego(sweep):
    pose = lidar2ego()
    return sweep.points[:, :3] @ pose[:3, :3].T + pose[:3, 3]


@pytest.mark.parametrize('camera', CAMERA_RIG, ids=lambda c: c.name)
def test_lidar_points_land_on_the_surface_in_the_image(shot, camera):
    sweep, _, views = shot
    _, ranges, owners = views[camera.name]
    points = in_ego(sweep)
    local = (
        np.linalg.inv(camera.cam2ego()) @ np.c_[points, np.ones(len(points))].T
    )
    front = local[2] > 1.0
    pixel = camera.intrinsic(SIZE) @ local[:3]
    u, v = np.floor(pixel[:2] / np.where(front, pixel[2], 1)).astype(int)
    seen = front & (u >= 0) & (v >= 0) & (u < SIZE[0]) & (v < SIZE[1])
    assert seen.sum() > 200
    away = np.linalg.norm(local[:3, seen], axis=0)
    gap = np.abs(ranges[v[seen], u[seen]] - away)
    assert np.median(gap) < 0.3
    same = owners[v[seen], u[seen]] == sweep.owner[seen]
    assert same.mean() > 0.9


def test_returns_fall_in_voxels_of_their_class(shot):
    sweep, labels, _ = shot
    index, inside = OccGrid().to_index(in_ego(sweep))
    found = labels[tuple(index[inside].T)]
    assert (found != FREE).mean() > 0.99
    # A voxel on the border of two classes can hold one of them only.
    assert (found == sweep.label[inside]).mean() > 0.95


def test_images_have_content(shot):
    for image, _, _ in shot[2].values():
        assert image.shape == (180, 320, 3)
        assert image.std() > 10  # of 255; an empty overcast street has 14
        assert 20 < image.mean() < 230  # a bush before a lens is dark
