"""Pages for every N-th frame of validation and test."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.visualization import Visualizer

from mmocc.engine.hooks import OccVisualizationHook
from mmocc.registry import HOOKS, VISUALIZERS
from mmocc.structures import OccDataSample


@pytest.fixture
def runner(tmp_path, request):
    visualizer = VISUALIZERS.build(
        {
            'type': 'OccLocalVisualizer',
            'name': request.node.name,
            'page_width': 300,
        }
    )
    return SimpleNamespace(
        work_dir=str(tmp_path / 'run'), iter=40, visualizer=visualizer
    )


def make_samples(tmp_path, count=5):
    image = tmp_path / 'image.png'
    cv2.imwrite(str(image), np.full((90, 160, 3), (30, 20, 10), np.uint8))
    return [
        OccDataSample(
            metainfo={
                'token': f'token{index}',
                'scene_name': 'scene-0001',
                'frame_idx': index,
                'cam_names': ['one'],
                'img_paths': [str(image)],
            }
        )
        for index in range(count)
    ]


def written(runner):
    folder = Path(runner.work_dir)
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob('*')
        if path.is_file()
    )


def test_hook_builds_from_its_name_alone():
    assert isinstance(
        HOOKS.build({'type': 'OccVisualizationHook'}), OccVisualizationHook
    )


def test_every_third_frame_of_an_epoch_is_drawn(runner, tmp_path):
    hook = OccVisualizationHook(interval=3)
    samples = make_samples(tmp_path)
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, outputs=samples[:2])
    hook.after_val_iter(runner, 1, outputs=samples[2:4])
    hook.after_val_iter(runner, 2, outputs=samples[4:])
    expected = [
        'vis/val_40/scene-0001_000_token0.png',
        'vis/val_40/scene-0001_003_token3.png',
    ]
    assert written(runner) == expected
    page = cv2.imread(f'{runner.work_dir}/{expected[0]}')
    assert (page == (30, 20, 10)).all(axis=2).sum() > 500


def test_each_epoch_counts_anew(runner, tmp_path):
    hook = OccVisualizationHook(interval=10)
    samples = make_samples(tmp_path, 1)
    for iteration in (40, 80):
        runner.iter = iteration
        hook.before_val_epoch(runner)
        hook.after_val_iter(runner, 0, outputs=samples)
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, outputs=samples)
    assert written(runner) == [
        'vis/test/scene-0001_000_token0.png',
        'vis/val_40/scene-0001_000_token0.png',
        'vis/val_80/scene-0001_000_token0.png',
    ]


def test_frames_outside_of_scenes_are_named_by_token(runner, tmp_path):
    (sample,) = make_samples(tmp_path, 1)
    sample.set_metainfo({'scene_name': '', 'frame_idx': -1})
    hook = OccVisualizationHook(draw_images=False, out_dir='pages')
    hook.after_test_iter(runner, 0, outputs=[sample])
    assert written(runner) == ['pages/test/token0.png']


@pytest.mark.parametrize('content', [b'no image', b''])
def test_broken_image_names_frame_and_file(content, runner, tmp_path):
    samples = make_samples(tmp_path, 1)
    (tmp_path / 'image.png').write_bytes(content)
    hook = OccVisualizationHook()
    with pytest.raises(ValueError, match=r'frame token0: .*image\.png'):
        hook.after_val_iter(runner, 0, outputs=samples)
    assert written(runner) == []


def test_other_visualizers_are_refused_before_the_run(runner):
    hook = OccVisualizationHook()
    hook.before_run(runner)
    runner.visualizer = Visualizer(name='plain')
    with pytest.raises(TypeError, match="type='OccLocalVisualizer'"):
        hook.before_run(runner)


def test_interval_must_be_positive():
    with pytest.raises(ValueError, match='interval is 0'):
        OccVisualizationHook(interval=0)
