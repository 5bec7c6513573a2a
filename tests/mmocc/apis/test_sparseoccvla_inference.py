"""SparseOccVLA through the inferencer: past frames, forecasts, candidates."""

import copy
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from own_inputs import predict_own

from mmocc.apis import (
    VLAInferencer,
    camera_frame,
    frame_with_past,
    info_frame,
    with_history,
)
from mmocc.datasets import SampleError
from mmocc.infos import load_info_file
from mmocc.registry import DATASETS
from mmocc.structures import MetaAction
from mmocc.utils.config import ConfigError

STEPS, ANCHORS = 6, 6


@pytest.fixture
def config(sparse_config):
    return sparse_config


@pytest.fixture
def weights(sparse_weights):
    return sparse_weights


@pytest.fixture(scope='module')
def inferencer(sparse_inferencer):
    return sparse_inferencer


def assert_same(first, second, atol=1e-5):
    for key in ('semantics', 'future_semantics'):
        different = first.pred_occ.get(key) != second.pred_occ.get(key)
        assert different.float().mean() <= atol
    for key in ('trajs', 'scores'):
        torch.testing.assert_close(
            first.pred_ego.get(key),
            second.pred_ego.get(key),
            rtol=0,
            atol=atol,
        )
    assert first.pred_text.answers == second.pred_text.answers


@pytest.fixture(scope='module')
def from_infos(inferencer, infos, root):
    frames = [frame_with_past(infos, info, 1, root) for info in infos]
    return inferencer.predict(frames)


@torch.no_grad()
def test_info_file_gives_what_evaluation_gives(
    config, root, inferencer, from_infos
):
    """At the start of the scene, and with a frame before it."""
    dataset = DATASETS.build(
        dict(
            config.val_dataloader.dataset,
            type='mmocc.NuScenesOccDataset',
            data_root=str(root),
        )
    )
    assert len(dataset) == len(from_infos) == 3
    for index, got in enumerate(from_infos):
        batch = pseudo_collate([dataset[index]])
        [expected] = inferencer.model.test_step(batch)
        assert_same(expected, got)
        np.testing.assert_array_equal(expected.cam2ego, got.cam2ego)
    # Or else the comparison would show nothing.
    first, second = (sample.pred_ego.trajs for sample in from_infos[:2])
    assert (first - second).abs().max() > 1e-3


def test_own_cameras_with_their_past_give_what_the_info_file_gives(
    inferencer, own_cameras, ego_state, infos, from_infos
):
    """Arrays and poses in place of an info file."""
    now, before = infos[2], infos[1]
    past = camera_frame(
        *own_cameras(1), ego2global=np.array(before['ego2global'])
    )
    got = predict_own(
        inferencer,
        *own_cameras(2),
        ego_state(2),
        [MetaAction(**action) for action in now['his_meta_actions']],
        [item['question'] for item in now['qa']],
        ego2global=np.array(now['ego2global']),
        past=[past],
        return_datasample=True,
    )
    assert_same(from_infos[2], got)
    np.testing.assert_allclose(got.cam2ego, from_infos[2].cam2ego, atol=1e-9)


def test_without_a_past_the_frame_stands_in_for_it(
    inferencer, infos, root, from_infos
):
    """Wherever the car is: as at a scene's start."""
    frame = info_frame(infos[1], root)
    [alone] = inferencer.predict([frame])
    [again] = inferencer.predict([with_history(frame, [frame])])
    [away] = inferencer.predict([{**frame, 'ego2global': np.eye(4)}])
    assert_same(alone, again)
    assert_same(alone, away)
    changed = alone.pred_ego.trajs - from_infos[1].pred_ego.trajs
    assert changed.abs().max() > 1e-3
    # More of the past than the model reads changes nothing.
    longer = frame_with_past(infos, infos[2], 2, root)
    assert_same(inferencer.predict([longer])[0], from_infos[2])


def test_result_is_plain_and_says_what_the_sample_says(inferencer, from_infos):
    sample = from_infos[1]
    [result] = inferencer.postprocess([sample])['predictions']
    assert json.loads(json.dumps(result)) == result
    candidates = result['candidates']
    assert len(candidates) == ANCHORS
    assert candidates[0]['trajectory'] == result['trajectory']
    scores = [candidate['score'] for candidate in candidates]
    assert scores == sorted(scores, reverse=True)
    assert len(result['forecast']) == len(result['seconds']) == STEPS
    for step, counted in enumerate(result['forecast']):
        future = sample.pred_occ.future_semantics[step]
        assert counted['voxels']['car'] == int((future == 4).sum())
    # Random weights write nothing that could be read.
    assert result['meta_action']['speed'] is None
    assert result['meta_action']['speed_probabilities'] is None
    assert result['chain_of_thought'] == result['answers'][0]
    assert len(result['answers']) == len(result['questions']) == 6


@pytest.mark.parametrize('stage', [1, 2])
def test_earlier_stages_predict_what_they_have(
    config, weights, root, infos, stage
):
    smaller = copy.deepcopy(config)
    smaller.model.update(forecaster=None, planner=None)
    if stage == 1:
        smaller.model.update(bridge=None)
        smaller.test_dataloader.dataset.pipeline = [
            step for step in config.test_pipeline if 'QA' not in step['type']
        ]
    inferencer = VLAInferencer(smaller, weights)
    frame = frame_with_past(infos, infos[1], 1, root)
    frame.pop('ego')
    [sample] = inferencer.predict([frame], questions='Is there a car?')
    [result] = inferencer.postprocess([sample])['predictions']
    assert result['occupancy']['shape'] == [200, 200, 16]
    for key in ('trajectory', 'candidates', 'forecast'):
        assert result[key] is None
    assert len(result['answers']) == (0 if stage == 1 else 2)
    assert (result['meta_action'] is None) == (stage == 1)


def test_real_photographs(inferencer, real_data):
    """A plain info file of mmdet3d: no past, no ego motion, no language."""
    folder = real_data / 'frame'
    [info] = load_info_file(next(folder.glob('*.pkl')))['data_list']
    [sample] = inferencer.predict([info_frame(info, folder)], 'Is it day?')
    assert torch.isfinite(sample.pred_ego.trajs).all()
    assert sample.pred_occ.future_semantics.shape == (6, 200, 200, 16)
    assert len(sample.pred_text.answers) == 2


class TestHistory:
    def test_a_past_without_poses_is_refused(self, own_cameras):
        frame = camera_frame(*own_cameras(), token='mine')
        with pytest.raises(SampleError, match=r'mine.*no ego2global'):
            with_history(frame, [frame])
        assert with_history(frame, [None])['history'] == [None]

    def test_a_malformed_pose_is_refused(self, own_cameras):
        with pytest.raises(SampleError, match=r'ego2global: .*without scale'):
            camera_frame(*own_cameras(), ego2global=2 * np.eye(4))

    def test_a_missing_past_image_is_named(
        self, inferencer, infos, root, own_cameras
    ):
        frame = frame_with_past(infos, infos[1], 1, root)
        [past] = frame['history']
        view = dict(past['images']['CAM_BACK'], img_path='gone.jpg')
        past['images'] = {**past['images'], 'CAM_BACK': view}
        with pytest.raises(SampleError, match=r'CAM_BACK, gone\.jpg'):
            inferencer.predict([frame])

    def test_past_images_matter(self, inferencer, infos, root, from_infos):
        frame = frame_with_past(infos, infos[1], 1, root)
        [past] = frame['history']
        path = past['images']['CAM_FRONT']['img_path']
        dark = dict(
            past['images']['CAM_FRONT'], img=np.zeros_like(cv2.imread(path))
        )
        past['images'] = {**past['images'], 'CAM_FRONT': dark}
        [sample] = inferencer.predict([frame])
        moved = sample.pred_ego.trajs - from_infos[1].pred_ego.trajs
        assert moved.abs().max() > 1e-4


def test_a_command_from_the_future_is_refused(config, weights):
    told = copy.deepcopy(config)
    told.model.planner.condition = dict(command='gt3s')
    with pytest.raises(ConfigError, match=r"'gt3s'.*inference has none"):
        VLAInferencer(told, weights)
