"""Recordings for Rerun, where it is installed, and without it."""

import sys

import numpy as np
import pytest

from mmocc.structures import OccGrid
from mmocc.visualization import (
    AgentBoxes,
    FrameOverlays,
    FramePicture,
    RoadLine,
    open_rrd,
)
from mmocc.visualization.road_lines import EDGE

GRID = OccGrid((0, 0, 0, 4, 4, 4), (1, 1, 1))


def make_frame(step):
    semantics = np.full(GRID.shape, 17, dtype=np.uint8)
    semantics[step] = 4
    return FramePicture(
        title=f'frame {step}',
        images=[np.zeros((90, 160, 3), dtype=np.uint8)],
        cam_names=['CAM_FRONT'],
        cam2img=np.eye(3)[None],
        cam2ego=np.eye(4)[None],
        pred_occ=semantics,
        pred_trajs=np.ones((2, 6, 2)),
        overlays=FrameOverlays(
            AgentBoxes(np.ones((1, 7)), np.array([4]), [np.zeros((0, 2))]),
            [RoadLine(EDGE, np.ones((2, 2)))],
        ),
    )


# Rerun warns of parts that it cannot take, and goes on without them.
@pytest.mark.filterwarnings('error')
def test_recording_holds_all_frames(tmp_path):
    rerun = pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    path = tmp_path / 'new' / 'a.rrd'
    with open_rrd(path, GRID) as add:
        add(make_frame(0))
        add(make_frame(1))
    assert [file.name for file in path.parent.iterdir()] == ['a.rrd']
    recording = rerun.dataframe.load_recording(path)
    view = recording.view(index='frame', contents='/ego/**')
    table = view.select().read_all()
    assert {0, 1} <= set(table['frame'].to_pylist())
    names = ' '.join(table.column_names)
    for thing in ('occupancy', 'plan', 'agents', 'road', 'CAM_FRONT'):
        assert thing in names


def test_error_leaves_no_file(tmp_path):
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    with pytest.raises(KeyError), open_rrd(tmp_path / 'a.rrd', GRID) as add:
        add(make_frame(0))
        raise KeyError('something else')
    assert list(tmp_path.iterdir()) == []


def test_without_rerun_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with (
        pytest.raises(ImportError, match=r'pip install rerun-sdk==0\.23\.1'),
        open_rrd(tmp_path / 'a.rrd'),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_other_endings_are_refused(tmp_path):
    with (
        pytest.raises(ValueError, match=r'\.rrd files'),
        open_rrd(tmp_path / 'a.mp4'),
    ):
        pass
