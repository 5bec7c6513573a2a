import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    pose_matrix,
)
from mmocc.projects.SyntheticNuScenes.synthetic.first_surface import (
    first_surfaces,
)
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    build_scene,
    cast_many,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes import solid


def test_rasterised_surfaces_equal_cast_rays():
    rng = np.random.default_rng(1)
    rows = np.stack(
        [
            solid(
                int(kind),
                rng.uniform((10, 10, 0), (90, 90, 5)),
                rng.uniform(0.2, 4, 3),
                (0, 0, 0),
                yaw=rng.uniform(-3, 3),
            )
            for kind in rng.integers(0, 4, 150)
        ]
    )
    pose = pose_matrix(50, 50, 0.7)
    rows = rows[np.hypot(rows[:, 1] - 50, rows[:, 2] - 50) > 8]
    scene = build_scene(rows, (0.0, 0.0), 100.0)
    width, height = 64, 36
    for camera in CAMERA_RIG:
        cam2global = pose @ camera.cam2ego()
        cam2img = camera.intrinsic((width, height))
        depth, found = first_surfaces(
            scene.solids, cam2global, cam2img, (width, height), 400.0
        )
        v, u = np.mgrid[:height, :width]
        pixels = np.stack([u + 0.5, v + 0.5, np.ones_like(u)], axis=-1)
        rays = pixels.reshape(-1, 3) @ np.linalg.inv(cam2img).T
        length = np.linalg.norm(rays, axis=1)
        rays = (rays / length[:, None]) @ cam2global[:3, :3].T
        ranges, index = cast_many(scene, cam2global[:3, 3], rays, 400.0)
        near = ranges < 390
        same = found.ravel()[near] == index[near]
        assert same.mean() > 0.999  # edges may fall either way
        np.testing.assert_allclose(
            (depth.ravel() * length)[near][same], ranges[near][same], rtol=1e-4
        )
        assert (index[near] >= 0).any()
