"""The benchmark of the pictures draws what it names; no times here."""

import numpy as np
import pytest

from mmocc.visualization import camera_panel


@pytest.fixture(scope='module')
def rendering(load_tool):
    return load_tool('projects/Benchmarks/tools/benchmark_rendering.py')


def test_every_camera_of_the_frame_sees_voxels(rendering):
    frame = rendering.street_frame(0)
    calibration = frame.cam2img, frame.cam2ego
    cameras = frame.images, frame.cam_names
    plain = camera_panel(*cameras, (), *calibration, 600)
    drawn = camera_panel(*cameras, (), *calibration, 600, None, frame.pred_occ)
    changed = (plain != drawn).any(axis=2)
    height, width = changed.shape
    for rows in np.split(changed[: height // 2 * 2], 2):
        for tile in np.split(rows[:, : width // 3 * 3], 3, axis=1):
            assert tile.mean() > 0.3
