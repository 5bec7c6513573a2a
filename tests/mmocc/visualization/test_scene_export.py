"""A scene to files, whatever one of its frames is like."""

import numpy as np
import pytest
from PIL import Image

from mmocc.structures import OccGrid
from mmocc.visualization import (
    ExportError,
    FramePicture,
    export_frames,
    scene_export,
)

GRID = OccGrid((0, 0, 0, 4, 4, 4), (1, 1, 1))


def read(step):
    semantics = np.full(GRID.shape, 17, dtype=np.uint8)
    semantics[step] = 4
    return FramePicture(title=f'frame {step}', gt_occ=semantics)


def broken():
    raise FileNotFoundError('CAM_FRONT.jpg is gone')


@pytest.fixture
def warnings(monkeypatch):
    said = []
    logger = type('Logger', (), {'warning': lambda _, text: said.append(text)})
    monkeypatch.setattr(scene_export.MMLogger, 'get_current_instance', logger)
    return said


def test_frame_that_is_missing_is_skipped_and_the_rest_goes_on(
    tmp_path, warnings
):
    frames = {'a': lambda: read(0), 'b': broken, 'c': lambda: read(2)}
    export = export_frames(frames, tmp_path, video=True, ply=True, grid=GRID)
    assert (export.drawn, export.skipped) == (['a', 'c'], ['b'])
    (text,) = warnings
    assert text == 'frame b is left out: CAM_FRONT.jpg is gone'
    names = {'a.png', 'a.ply', 'c.png', 'c.ply', 'scene.mp4', 'scene.gif'}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert {path.name for path in export.files} == names
    with Image.open(tmp_path / 'scene.gif') as image:
        assert image.n_frames == 2


def test_nothing_at_all_is_an_error(tmp_path, warnings):
    with pytest.raises(ExportError, match='none of the 2 frames'):
        export_frames({'a': broken, 'b': broken}, tmp_path, video=True)
    assert list(tmp_path.iterdir()) == []
