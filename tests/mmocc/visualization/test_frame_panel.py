"""From a data sample to a page."""

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement

from mmocc.structures import CAMERAS, DrivingQA, OccDataSample, OccGrid
from mmocc.visualization import (
    AgentBoxes,
    FrameOverlays,
    FramePicture,
    TextRow,
    frame_panel,
    info_agents,
)
from mmocc.visualization.drawing import PLAN, TRUTH
from mmocc.visualization.frame_panel import MARGIN, _camera_legend

GRID = OccGrid((-8.0, -8.0, -1.0, 8.0, 8.0, 2.2), (0.4, 0.4, 0.4))


@pytest.fixture
def sample():
    sample = OccDataSample(
        metainfo={
            'token': 'abc',
            'scene_name': 'scene-0001',
            'frame_idx': 7,
            'cam2img': np.tile(np.diag([100.0, 50.0, 1.0]), (6, 1, 1)),
            'cam2ego': np.tile(np.eye(4), (6, 1, 1)),
            'img_shape': (50, 100),
            'cam_names': list(CAMERAS),
        }
    )
    semantics = torch.full(GRID.shape, 17, dtype=torch.uint8)
    semantics[:, :, 0] = 11
    sample.gt_occ = BaseDataElement(
        semantics=semantics, mask_camera=torch.ones(GRID.shape).bool()
    )
    sample.pred_occ = BaseDataElement(semantics=semantics.clone())
    sample.gt_ego = BaseDataElement(
        fut_trajs=torch.arange(12.0).reshape(6, 2),
        fut_masks=torch.tensor([1, 1, 1, 1, 0, 0]).bool(),
        his_trajs=torch.full((4, 3), -1.0),
        his_masks=torch.tensor([0, 0, 1, 1]).bool(),
    )
    sample.pred_ego = BaseDataElement(
        trajs=torch.ones(2, 6, 2, dtype=torch.bfloat16, requires_grad=True)
    )
    sample.gt_meta = BaseDataElement(
        speed=torch.tensor(1), direction=torch.tensor(1)
    )
    sample.pred_meta = BaseDataElement(
        speed=torch.tensor(1), direction=torch.tensor(2), text='Scene: road.'
    )
    sample.gt_text = BaseDataElement(
        questions=[DrivingQA('Any cars?', 'yes', 'qa', 'exist', 0)]
    )
    sample.pred_text = BaseDataElement(answers=['no'])
    return sample


def test_title_names_scene_frame_and_token(sample):
    assert FramePicture.from_sample(sample).title == (
        'scene-0001 · frame 7 · abc'
    )
    bare = OccDataSample(metainfo={'token': 'abc', 'frame_idx': -1})
    assert FramePicture.from_sample(bare).title == 'abc'


def test_only_existing_steps_are_drawn(sample):
    frame = FramePicture.from_sample(sample)
    assert frame.gt_trajs.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert frame.his_trajs.tolist() == [[-1, -1], [-1, -1]]
    assert frame.pred_trajs.shape == (2, 6, 2)


def test_calibration_follows_the_size_of_the_pictures(sample):
    images = [np.zeros((100, 400, 3), dtype=np.uint8)] * 6
    frame = FramePicture.from_sample(sample, images)
    # 4 times as wide, twice as high.
    assert frame.cam2img[0].diagonal().tolist() == [400.0, 100.0, 1.0]
    assert sample.cam2img[0, 0, 0] == 100.0


def test_rows_compare_predictions_with_the_truth(sample):
    assert FramePicture.from_sample(sample).rows == [
        TextRow(
            'Meta-action',
            'Accelerate; Turn Right.   (label: Accelerate; Turn Left.)',
            False,
        ),
        TextRow('Reasoning', 'Scene: road.'),
        TextRow('Question', 'Any cars?'),
        TextRow('Answer', 'no   (true: yes)', False),
    ]


def test_truth_stays_hidden_on_request(sample):
    frame = FramePicture.from_sample(sample, draw_gt=False)
    assert frame.gt_occ is frame.mask_camera is frame.gt_trajs is None
    assert [row.text for row in frame.rows] == [
        'Accelerate; Turn Right.',
        'Scene: road.',
        'Any cars?',
        'no',
    ]
    assert not any(row.right is not None for row in frame.rows)


def test_predictions_stay_hidden_on_request(sample):
    frame = FramePicture.from_sample(sample, draw_pred=False)
    assert frame.pred_occ is frame.pred_trajs is None
    assert [row.text for row in frame.rows] == [
        'Accelerate; Turn Left.',
        'Any cars?',
        'yes',
    ]
    assert not any(row.right is not None for row in frame.rows)


def test_unparsable_meta_action_is_wrong(sample):
    sample.pred_meta.speed = torch.tensor(-1)
    row = FramePicture.from_sample(sample).rows[0]
    assert row.text.startswith('not parsable')
    assert row.right is False


def test_page_has_one_width_whatever_is_known(sample):
    images = [np.zeros((50, 100, 3), dtype=np.uint8)] * 6
    pages = [
        frame_panel(FramePicture.from_sample(some, pictures), 600, GRID)
        for some, pictures in (
            (sample, images),
            (sample, ()),
            (OccDataSample(metainfo={'token': 'a'}), ()),
        )
    ]
    assert {page.shape[1] for page in pages} == {600 + 2 * MARGIN}
    heights = [len(page) for page in pages]
    assert heights == sorted(heights, reverse=True)


def test_plan_lies_over_the_truth_with_its_own_colours(sample):
    frame = FramePicture.from_sample(sample)
    assert [path.colour for path in frame.paths] == [PLAN, TRUTH]
    sample.pred_ego = BaseDataElement()
    assert [p.colour for p in FramePicture.from_sample(sample).paths] == [
        TRUTH
    ]


@pytest.mark.skipif(
    'MMOCC_REAL_DATA' not in os.environ,
    reason='MMOCC_REAL_DATA does not name the folder of real samples',
)
def test_real_frame_and_label_make_a_page():
    folder = Path(os.environ['MMOCC_REAL_DATA'])
    label = np.load(folder / 'occ3d_labels.npz')
    (info,) = (folder / 'frame').glob('*.pkl')
    with open(info, 'rb') as file:
        views = pickle.load(file)['data_list'][0]['images']
    ahead = np.stack([np.arange(2.0, 14.0, 2.0), np.zeros(6)], axis=-1)
    frame = FramePicture(
        title='real',
        images=[
            cv2.imread(str(folder / 'frame' / views[name]['img_path']))[
                ..., ::-1
            ]
            for name in CAMERAS
        ],
        cam_names=CAMERAS,
        cam2img=np.array([views[name]['cam2img'] for name in CAMERAS]),
        cam2ego=np.array([views[name]['cam2ego'] for name in CAMERAS]),
        pred_occ=label['semantics'],
        gt_occ=label['semantics'],
        mask_camera=label['mask_camera'],
        pred_trajs=ahead[None],
    )
    page = frame_panel(frame, 900)
    # The road is in the lower middle of the front view.
    front = page[40:220, 300 + MARGIN : 600 + MARGIN].astype(int)
    reddish = front[..., 0] - front[..., 1] > 60
    rows, columns = np.nonzero(reddish)
    assert len(rows) > 200
    assert rows.mean() > 90
    assert abs(columns.mean() - 150) < 40


@pytest.mark.parametrize('field', ['pred_ego.trajs', 'gt_ego.fut_trajs'])
def test_trajectories_that_are_not_finite_are_named(sample, field):
    element, key = field.split('.')
    sample.get(element).get(key).data[0] = torch.nan
    with pytest.raises(ValueError, match=rf'frame abc: {field} holds values'):
        FramePicture.from_sample(sample)


def test_misshapen_intrinsics_are_named(sample):
    images = [np.zeros((50, 100, 3), dtype=np.uint8)] * 6
    sample.set_metainfo({'cam2img': np.eye(3)})
    with pytest.raises(ValueError, match=r'cam2img has shape \(3, 3\)'):
        FramePicture.from_sample(sample, images)
    sample.set_metainfo({'cam2img': np.tile(np.eye(3), (4, 1, 1))})
    with pytest.raises(ValueError, match='shape'):
        FramePicture.from_sample(sample, images)


def test_true_forecast_stands_in_as_far_as_it_is_known(sample):
    future = torch.full((6, *GRID.shape), 17, dtype=torch.uint8)
    valid = torch.tensor([1, 1, 1, 0, 0, 0]).bool()
    sample.gt_occ.set_field(future, 'future_semantics')
    sample.gt_occ.set_field(valid, 'future_valid')
    assert FramePicture.from_sample(sample).forecast is None
    frame = FramePicture.from_sample(sample, draw_pred=False)
    assert len(frame.forecast) == 3
    sample.gt_occ.set_field(valid & False, 'future_valid')
    frame = FramePicture.from_sample(sample, draw_pred=False)
    assert frame.forecast is None


def test_boxes_are_truth(sample):
    agents = info_agents({})
    around = FrameOverlays(agents=agents)
    frame = FramePicture.from_sample(sample, overlays=around)
    assert frame.overlays.agents is agents
    frame = FramePicture.from_sample(sample, draw_gt=False, overlays=around)
    assert frame.overlays.agents is None


def test_the_camera_legend_names_each_class_of_a_box_once(sample):
    car, pedestrian, unknown = 4, 7, -1
    labels = np.array([pedestrian, car, unknown, car])
    agents = AgentBoxes(np.zeros((4, 7)), labels, [np.zeros((0, 2))] * 4)
    frame = FramePicture.from_sample(
        sample, overlays=FrameOverlays(agents=agents)
    )
    assert [name for name, _ in _camera_legend(frame)] == [
        'planned',
        'driven',
        'car',
        'pedestrian',
    ]
    assert _camera_legend(FramePicture('bare')) == []
