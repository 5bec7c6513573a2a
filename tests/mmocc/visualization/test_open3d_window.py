"""The window, where open3d is installed, and without it."""

import sys

import numpy as np
import pytest

from mmocc.structures import OccGrid
from mmocc.visualization import (
    AgentBoxes,
    FrameOverlays,
    FramePicture,
    show_frame,
)

GRID = OccGrid((0, 0, 0, 4, 4, 4), (1, 1, 1))


@pytest.fixture
def frame():
    semantics = np.full(GRID.shape, 17, dtype=np.uint8)
    semantics[1, 2, 3] = 4
    return FramePicture(
        title='a frame',
        gt_occ=semantics,
        gt_trajs=np.ones((6, 2)),
        overlays=FrameOverlays(
            AgentBoxes(np.ones((1, 7)), np.array([4]), [np.zeros((0, 2))])
        ),
    )


def test_window_gets_voxels_path_and_boxes(frame, monkeypatch):
    try:
        import open3d
    except (ImportError, OSError) as error:
        pytest.skip(f'open3d cannot be imported: {error}')
    shown = []
    monkeypatch.setattr(
        open3d.visualization,
        'draw_geometries',
        lambda geometries, title: shown.append((geometries, title)),
    )
    show_frame(frame, GRID)
    ((geometries, title),) = shown
    assert title == 'a frame'
    mesh, path, box = geometries
    assert np.asarray(mesh.vertices).mean(axis=0) == pytest.approx(
        [1.5, 2.5, 3.5]
    )
    assert len(path.lines) == 6
    assert box.center.tolist() == [1, 1, 1]


def test_without_open3d_the_way_out_is_named(frame, monkeypatch):
    monkeypatch.setitem(sys.modules, 'open3d', None)
    with pytest.raises(ImportError, match=r'pip install open3d==0\.20\.0'):
        show_frame(frame, GRID)
