"""Pages for every N-th frame of validation and test."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
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
    loader = SimpleNamespace(dataset=[])
    said = []
    return SimpleNamespace(
        work_dir=str(tmp_path / 'run'),
        iter=40,
        visualizer=visualizer,
        val_dataloader=loader,
        test_dataloader=loader,
        model=torch.nn.Identity(),
        logger=SimpleNamespace(warning=said.append, said=said),
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
def test_broken_image_is_told_once_and_the_run_goes_on(
    content, runner, tmp_path
):
    samples = make_samples(tmp_path, 3)
    (tmp_path / 'broken.png').write_bytes(content)
    for sample in samples[:2]:
        sample.set_metainfo({'img_paths': [str(tmp_path / 'broken.png')]})
    hook = OccVisualizationHook(interval=1)
    hook.after_val_iter(runner, 0, outputs=samples)
    (text,) = runner.logger.said
    assert 'frame token0' in text
    assert 'broken.png is no image' in text
    assert written(runner) == ['vis/val_40/scene-0001_002_token2.png']


@pytest.mark.parametrize('trouble', ['missing', 'full disk', 'nan', 'matrix'])
def test_no_trouble_ends_the_run(trouble, runner, tmp_path, monkeypatch):
    (sample,) = make_samples(tmp_path, 1)
    if trouble == 'missing':
        (tmp_path / 'image.png').unlink()
    elif trouble == 'full disk':
        monkeypatch.setattr(runner.visualizer, 'add_datasample', no_space_left)
    elif trouble == 'nan':
        sample.pred_ego = BaseDataElement(
            trajs=torch.full((1, 6, 2), torch.nan)
        )
    else:
        sample.set_metainfo(
            {
                'cam2img': np.eye(3),
                'cam2ego': np.eye(4)[None],
                'img_shape': (90, 160),
            }
        )
    hook = OccVisualizationHook()
    for _ in range(2):
        hook.before_val_epoch(runner)
        hook.after_val_iter(runner, 0, outputs=[sample])
    assert len(runner.logger.said) == 1
    assert 'frame token0 cannot be drawn' in runner.logger.said[0]
    assert written(runner) == []


def no_space_left(*args, **kwargs):
    raise OSError(28, 'No space left on device')


def test_views_of_past_frames_are_not_read(runner, tmp_path):
    (sample,) = make_samples(tmp_path, 1)
    sample.set_metainfo(
        {
            'cam_names': ['one', 'one@1'],
            'img_paths': [str(tmp_path / 'image.png'), 'gone.png'],
        }
    )
    OccVisualizationHook().after_val_iter(runner, 0, outputs=[sample])
    assert runner.logger.said == []
    assert len(written(runner)) == 1


def test_boxes_come_from_the_data_set_and_anchors_from_the_planner(
    runner, tmp_path, monkeypatch
):
    (sample,) = make_samples(tmp_path, 1)
    infos = [{'token': 'other'}, {'token': 'token0', 'instances': []}]

    class Infos(list):
        data_root = 'root'
        get_data_info = list.__getitem__

    runner.val_dataloader = SimpleNamespace(dataset=Infos(infos))
    runner.model.planner = torch.nn.Identity()
    runner.model.planner.bank = SimpleNamespace(anchors=torch.ones(2, 6, 2))
    given = []
    monkeypatch.setattr(
        runner.visualizer,
        'add_datasample',
        lambda name, data, *args, **kwargs: given.append(data),
    )
    OccVisualizationHook().after_val_iter(runner, 0, outputs=[sample])
    (data,) = given
    assert data['info'] == infos[1]
    assert data['data_root'] == 'root'
    assert data['anchors'].shape == (2, 6, 2)


def test_testing_does_not_ask_for_the_iteration(runner, tmp_path):
    """mmengine builds the training loop, and its data, to answer that."""
    del runner.iter
    hook = OccVisualizationHook()
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, outputs=make_samples(tmp_path, 1))
    assert len(written(runner)) == 1
    assert runner.logger.said == []


def test_other_processes_draw_nothing(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(
        'mmocc.engine.hooks.occ_visualization_hook.is_main_process',
        lambda: False,
    )
    hook = OccVisualizationHook()
    hook.after_val_iter(runner, 0, outputs=make_samples(tmp_path, 1))
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
