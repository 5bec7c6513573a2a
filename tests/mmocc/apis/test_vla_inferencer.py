"""Predictions without ground truth: the same as evaluation's, or an error."""

import copy
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from own_inputs import predict_own

from mmocc.apis import VLAInferencer, camera_frame, info_frame
from mmocc.datasets import SampleError
from mmocc.infos import load_info_file
from mmocc.registry import DATASETS, INFERENCERS
from mmocc.structures import CAMERAS, META_ACTIONS, MetaAction
from mmocc.utils.checkpoint import CheckpointError
from mmocc.utils.config import ConfigError


def assert_same(first, second, tolerance=1e-5, ties=0.0):
    """All that two samples predict.

    Voxels whose best classes are equal to the last bit, a share of ``ties``,
    may come out differently in batches of different sizes.
    """
    for field, keys in (
        ('pred_ego', ('trajs',)),
        ('pred_meta', ('speed_scores', 'direction_scores')),
    ):
        for key in keys:
            torch.testing.assert_close(
                getattr(first, field).get(key),
                getattr(second, field).get(key),
                rtol=0,
                atol=tolerance,
            )
    assert first.pred_meta.text == second.pred_meta.text
    assert first.pred_text.answers == second.pred_text.answers
    different = first.pred_occ.semantics != second.pred_occ.semantics
    assert different.float().mean() <= ties


@pytest.fixture(scope='module')
def evaluated(config, root, inferencer):
    """Val frames as tools/test.py predicts them."""
    dataset = DATASETS.build(
        dict(
            config.val_dataloader.dataset,
            type='mmocc.NuScenesOccDataset',
            data_root=str(root),
        )
    )
    samples = []
    with torch.no_grad():
        for i in range(len(dataset)):
            batch = pseudo_collate([dataset[i]])
            samples += inferencer.model.test_step(batch)
    return samples


@pytest.fixture(scope='module')
def from_infos(inferencer, infos, root):
    """The same frames through the inferencer."""
    return inferencer.predict([info_frame(info, root) for info in infos])


def test_info_file_gives_what_evaluation_gives(evaluated, from_infos):
    assert len(evaluated) == len(from_infos) == 3
    for expected, got in zip(evaluated, from_infos, strict=True):
        assert_same(expected, got)
    # Or else the comparison would show nothing.
    first, second = (sample.pred_ego.trajs for sample in from_infos[:2])
    assert (first - second).abs().max() > 1e-3


def test_arrays_give_what_evaluation_gives(
    evaluated, inferencer, own_cameras, ego_state, infos
):
    for index in (0, 2):
        got = predict_own(
            inferencer,
            *own_cameras(index),
            ego_state(index),
            [MetaAction(**a) for a in infos[index]['his_meta_actions']],
            [item['question'] for item in infos[index]['qa']],
            return_datasample=True,
        )
        assert_same(evaluated[index], got)
        np.testing.assert_allclose(
            got.cam2ego, evaluated[index].cam2ego, atol=1e-9
        )


def test_real_photographs(inferencer, real_data):
    """Files look as in training; arrays differ as JPEG files are shrunk."""
    folder = real_data / 'frame'
    dataset = DATASETS.build(
        dict(
            type='mmocc.NuScenesOccDataset',
            ann_file=str(next(folder.glob('*.pkl'))),
            data_prefix=dict(img=str(folder)),
            pipeline=[
                dict(type='LoadSurroundImages', size=(96, 96)),
                dict(type='ComputeLidar2Img'),
                dict(type='PackOccInputs'),
            ],
            test_mode=True,
        )
    )
    expected = dataset[0]
    info = load_info_file(dataset.ann_file)['data_list'][0]
    frame = info_frame(info, folder)
    [batch] = inferencer.preprocess([frame])
    assert torch.equal(batch['inputs']['img'][0], expected['inputs']['img'])
    for key in ('cam2img', 'cam2ego', 'lidar2ego'):
        np.testing.assert_array_equal(
            batch['data_samples'][0].get(key),
            expected['data_samples'].get(key),
        )
    [from_files] = inferencer.forward(batch)

    cameras = [{}, {}, {}]
    for name, view in frame['images'].items():
        cam2ego = expected['data_samples'].cam2ego[CAMERAS.index(name)]
        matrices = np.array(view['cam2img']), cam2ego
        photo = cv2.imread(view['img_path'])
        for values, value in zip(cameras, (photo, *matrices), strict=True):
            values[name] = value
    from_arrays = predict_own(inferencer, *cameras, return_datasample=True)
    # Random weights leave many voxels with two classes that are nearly even.
    assert_same(from_files, from_arrays, tolerance=2e-3, ties=0.15)


def test_ground_truth_is_not_read(from_infos, inferencer, infos, root):
    info = dict(infos[0], occ_path='nowhere/labels.npz', instances=[])
    for key in ('meta_action', 'cot'):
        info.pop(key)
    info['ego'] = {
        k: v for k, v in info['ego'].items() if not k.startswith('fut')
    }
    info['qa'] = [dict(item, answer='') for item in info['qa']]
    [got] = inferencer.predict([info_frame(info, root)])
    assert 'gt_occ' not in got and 'gt_meta' not in got
    assert_same(from_infos[0], got)


def test_result_is_plain_and_says_what_the_sample_says(inferencer, from_infos):
    sample = from_infos[0]
    [result] = inferencer.postprocess([sample])['predictions']
    assert json.loads(json.dumps(result)) == result
    np.testing.assert_allclose(
        result['trajectory'], sample.pred_ego.trajs[0], atol=1e-5
    )
    assert result['seconds'] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    action = result['meta_action']
    pair = MetaAction(action['speed'], action['direction'])
    assert pair in META_ACTIONS
    assert result['chain_of_thought'].endswith(f'Action: {pair}')
    for part in ('speed', 'direction'):
        scores = action[f'{part}_probabilities']
        assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
    voxels = result['occupancy']['voxels']
    assert sum(voxels.values()) == 200 * 200 * 16
    cars = int((sample.pred_occ.semantics == 4).sum())
    assert voxels['car'] == cars
    assert result['answers'][0] == result['chain_of_thought']
    assert len(result['answers']) == len(result['questions']) == 6


def test_velocity_and_past_actions_are_what_the_model_gets(
    inferencer, own_cameras
):
    cameras = own_cameras()
    unknown = predict_own(inferencer, *cameras)
    still = predict_own(inferencer, *cameras, {'velocity': 0.0})
    fast = predict_own(
        inferencer, *cameras, {'velocity': 10.0}, ['Accelerate; Turn Left']
    )
    assert unknown['trajectory'] == still['trajectory']
    # The planner of this config adds to driving on.
    assert fast['trajectory'][-1][0] - still['trajectory'][-1][0] > 25
    assert unknown['questions'] == [
        'What should the ego car do next? Past actions: none.'
    ]
    assert '(Accelerate, Turn Left)' in fast['questions'][0]


def test_a_question_does_not_change_the_others(inferencer, own_cameras):
    frame = camera_frame(*own_cameras())
    [alone] = inferencer.predict([frame], 'Is there a car?')
    [among] = inferencer.predict([frame], ['How many?', 'Is there a car?'])
    assert alone.pred_text.answers[1] == among.pred_text.answers[2]
    assert alone.pred_meta.text == among.pred_meta.text


def test_missing_parts_give_no_prediction(config, weights, own_cameras):
    """Weights of stage 3 serve the config of stage 1."""
    small = copy.deepcopy(config)
    small.model = dict(config.model, planner=None, occ_head=None)
    inferencer = VLAInferencer(small, weights)
    sample = predict_own(inferencer, *own_cameras(), return_datasample=True)
    assert 'pred_ego' not in sample and 'pred_occ' not in sample
    [result] = inferencer.postprocess([sample])['predictions']
    assert result['trajectory'] is None and result['occupancy'] is None
    assert result['meta_action']['speed']


def test_is_registered_and_takes_a_path(config, weights):
    registered = INFERENCERS.module_dict['VLAInferencer']
    inferencer = registered(config.filename, str(weights))
    assert inferencer.cameras == CAMERAS


def test_unequal_batch_equals_single_frames(inferencer, infos, root):
    """Texts are padded in number and length."""
    frames = [info_frame(info, root) for info in infos[:2]]
    frames[1]['qa'] = frames[1]['qa'][:1]
    together = inferencer.predict(frames, batch_size=2)
    for frame, sample in zip(frames, together, strict=True):
        assert_same(inferencer.predict([frame])[0], sample, ties=1e-4)


class TestBaseInferencer:
    """The workflow of mmengine's inferencers, as in mmdet3d."""

    def test_files_and_pages(self, inferencer, infos, root, tmp_path, capsys):
        frames = [info_frame(info, root) for info in infos[:2]]
        results = inferencer(
            frames,
            batch_size=2,
            out_dir=tmp_path,
            return_vis=True,
            print_result=True,
        )
        tokens = [frame['token'] for frame in frames]
        for folder, suffix in (('preds', '.json'), ('vis', '.png')):
            names = {path.name for path in (tmp_path / folder).iterdir()}
            assert names == {f'{token}{suffix}' for token in tokens}
        for token, result, page in zip(tokens, *results.values(), strict=True):
            path = tmp_path / 'preds' / f'{token}.json'
            assert json.loads(path.read_text()) == result
            drawn = cv2.imread(str(tmp_path / 'vis' / f'{token}.png'))
            np.testing.assert_array_equal(drawn[..., ::-1], page)
        assert f'"token": "{tokens[1]}"' in capsys.readouterr().out

    def test_files_only_on_request(self, inferencer, infos, root, tmp_path):
        results = inferencer(
            info_frame(infos[0], root),
            out_dir=tmp_path,
            no_save_vis=True,
            no_save_pred=True,
        )
        assert results['visualization'] == []
        assert list(tmp_path.iterdir()) == []

    def test_drawing_labels_leaves_the_prediction(
        self, inferencer, infos, root
    ):
        frame = info_frame(infos[0], root)
        [sample] = inferencer.predict([frame])
        picture = inferencer.make_picture(frame, sample)
        assert picture.gt_occ is not None and 'gt_occ' not in sample
        picture = inferencer.make_picture(frame, sample, draw_gt=False)
        assert picture.gt_occ is None and picture.pred_occ is not None

    def test_an_info_file_is_a_source(self, inferencer, root, from_infos):
        results = inferencer(root / 'nuscenes_infos_occ_val.pkl')
        expected = inferencer.postprocess(from_infos)['predictions']
        for got, frame in zip(results['predictions'], expected, strict=True):
            assert got['token'] == frame['token']
            assert got['trajectory'] == frame['trajectory']

    def test_unknown_keywords_and_inputs_are_refused(
        self, inferencer, own_cameras
    ):
        images, intrinsics, extrinsics = own_cameras()
        given = dict(
            images=images, intrinsics=intrinsics, extrinsics=extrinsics
        )
        with pytest.raises(ValueError, match='pred_score_thr'):
            inferencer(given, pred_score_thr=0.3)
        with pytest.raises(SampleError, match=r"the keys \['speed'\]"):
            inferencer(dict(given, speed=3))

    def test_models_are_found_by_name(self, weights):
        names = VLAInferencer.list_models()
        assert 'occvla_tiny_stage3-planner_synthetic' in names
        assert VLAInferencer.list_models(patterns='nothing') == []
        with pytest.raises(ConfigError, match='neither a file nor one of'):
            VLAInferencer('occvla_huge')
        with pytest.raises(CheckpointError, match='OccVLA'):
            VLAInferencer('occvla_tiny_stage3-planner_synthetic', weights)


class TestRefuses:
    def test_frames_without_a_camera(self, inferencer, infos, root):
        frame = info_frame(infos[0], root)
        frame['images'] = {
            name: view
            for name, view in frame['images'].items()
            if name != 'CAM_BACK'
        }
        with pytest.raises(SampleError) as error:
            inferencer.predict([frame])
        message = str(error.value)
        assert infos[0]['token'] in message
        assert "without ['CAM_BACK']" in message
        assert 'CAM_FRONT_LEFT' in message

    @pytest.mark.parametrize('question', ['', '  \n'])
    def test_empty_questions(self, inferencer, own_cameras, question):
        with pytest.raises(SampleError, match='leave the empty question out'):
            predict_own(
                inferencer, *own_cameras(), questions=['Is it?', question]
            )

    def test_missing_weights(self, config, tmp_path):
        with pytest.raises(FileNotFoundError, match=r'nothing\.pth'):
            VLAInferencer(config, tmp_path / 'nothing.pth')

    def test_weights_of_a_smaller_model(self, config, weights, tmp_path):
        state = torch.load(weights, weights_only=True)['state_dict']
        part = {k: v for k, v in state.items() if 'planner' not in k}
        torch.save(part, tmp_path / 'stage2.pth')
        with pytest.raises(CheckpointError, match=r'lacks \d+ of.*planner\.'):
            VLAInferencer(config, tmp_path / 'stage2.pth')

    def test_weights_of_another_size(self, config, weights, tmp_path):
        state = torch.load(weights, weights_only=True)['state_dict']
        state['planner.query'] = torch.zeros(7)
        torch.save(state, tmp_path / 'wide.pth')
        with pytest.raises(CheckpointError, match=r'query \(7,\) for \(32,\)'):
            VLAInferencer(config, tmp_path / 'wide.pth')

    def test_a_gpu_that_is_not_there(self, config, monkeypatch):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
        with pytest.raises(ConfigError, match=r"'cuda:1'.*'cpu'"):
            VLAInferencer(config, device='cuda:1')
