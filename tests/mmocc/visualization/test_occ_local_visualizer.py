"""The visualizer: pages to files and backends, without display or open3d."""

import sys

import cv2
import numpy as np
import pytest
import torch
from mmdet3d.visualization import Det3DLocalVisualizer
from mmengine.structures import BaseDataElement

from mmocc.registry import VISUALIZERS
from mmocc.structures import OccDataSample

RANGE, SIZE = (-8.0, -8.0, -1.0, 8.0, 8.0, 2.2), (0.4, 0.4, 0.4)


@pytest.fixture
def visualizer(tmp_path, request):
    return VISUALIZERS.build(
        {
            'type': 'OccLocalVisualizer',
            'name': request.node.name,
            'vis_backends': [{'type': 'LocalVisBackend'}],
            'save_dir': str(tmp_path / 'backend'),
            'page_width': 500,
            'point_cloud_range': RANGE,
            'voxel_size': SIZE,
        }
    )


@pytest.fixture
def sample():
    sample = OccDataSample(metainfo={'token': 'abc'})
    semantics = torch.full((40, 40, 8), 17, dtype=torch.uint8)
    semantics[:, :, 0] = 11
    sample.pred_occ = BaseDataElement(semantics=semantics)
    return sample


def test_open3d_is_not_needed(visualizer, sample):
    assert visualizer.draw_frame(sample).dtype == np.uint8
    assert 'open3d' not in sys.modules


def test_page_is_written_whole(visualizer, sample, tmp_path):
    path = tmp_path / 'pages' / 'a.png'
    visualizer.add_datasample('a', {}, sample, out_file=str(path))
    page = visualizer.draw_frame(sample)
    assert (cv2.imread(str(path))[..., ::-1] == page).all()
    assert (visualizer.get_image() == page).all()
    assert not list(tmp_path.glob('backend/**/*.png'))


def test_pages_do_not_grow(visualizer, sample, tmp_path):
    first = visualizer.draw_frame(sample)
    visualizer.add_datasample('a', {}, sample, out_file=tmp_path / 'a.png')
    assert visualizer.draw_frame(sample).shape == first.shape


def test_without_a_file_the_backends_keep_the_page(
    visualizer, sample, tmp_path
):
    visualizer.add_datasample('page', {}, sample, step=3)
    (path,) = tmp_path.glob('backend/**/page_3.png')
    page = visualizer.draw_frame(sample)
    assert (cv2.imread(str(path))[..., ::-1] == page).all()


def test_tensorboard_keeps_the_page(sample, tmp_path):
    events = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator',
        reason='tensorboard is not installed',
    )
    visualizer = VISUALIZERS.build(
        {
            'type': 'OccLocalVisualizer',
            'name': 'on tensorboard',
            'vis_backends': [{'type': 'TensorboardVisBackend'}],
            'save_dir': str(tmp_path),
            'page_width': 500,
            'point_cloud_range': RANGE,
            'voxel_size': SIZE,
        }
    )
    visualizer.add_datasample('page', {}, sample, step=3)
    visualizer.close()
    (file,) = tmp_path.rglob('*tfevents*')
    log = events.EventAccumulator(str(file)).Reload()
    (image,) = log.Images('page')
    assert image.step == 3
    data = np.frombuffer(image.encoded_image_string, np.uint8)
    page = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    assert (page == visualizer.draw_frame(sample)).all()


def test_boxes_and_map_come_with_the_info(visualizer, sample, tmp_path):
    box = [5.0, 3.0, 0.0, 4.0, 2.0, 1.5, 0.0]
    info = {'instances': [{'bbox_3d': box, 'bbox_label_3d': 4}]}
    sample.pred_ego = BaseDataElement(trajs=torch.ones(1, 6, 2))
    visualizer.add_datasample('a', {'info': info}, sample)
    with_box = visualizer.get_image()
    visualizer.add_datasample('a', {'info': info}, sample, draw_gt=False)
    assert (
        visualizer.get_image().shape != with_box.shape
        or (visualizer.get_image() != with_box).any()
    )
    assert not list(tmp_path.glob('backend/**/open3d*'))


def test_cameras_are_drawn_when_given(visualizer, sample):
    sample.set_metainfo({'cam_names': ['one']})
    image = np.full((90, 160, 3), (1, 2, 3), dtype=np.uint8)
    with_camera = visualizer.draw_frame(sample, [image])
    assert (with_camera == (1, 2, 3)).all(axis=2).sum() > 5000


def test_other_tasks_are_the_parents(visualizer, sample, monkeypatch):
    calls = []
    monkeypatch.setattr(
        Det3DLocalVisualizer,
        'add_datasample',
        lambda self, *arguments: calls.append(arguments),
    )
    visualizer.add_datasample('a', {}, sample, vis_task='lidar_det', step=5)
    (arguments,) = calls
    assert arguments[:3] == ('a', {}, sample)
    assert 'lidar_det' in arguments
    assert 5 in arguments
