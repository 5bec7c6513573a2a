"""PredictionFiles: what it writes is what was evaluated."""

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement

from mmocc.evaluation.files import NpzFile, PlanFiles
from mmocc.evaluation.metrics import PredictionFiles
from mmocc.structures import (
    DIRECTIONS,
    SPEEDS,
    DrivingQA,
    MetaAction,
    OccDataSample,
    parse_meta_action,
)
from mmocc.utils.json_files import read_json_lines


def make_sample(token, with_plan=True):
    """A frame whose best plan is one metre beside the true one."""
    sample = OccDataSample(
        metainfo={'token': token, 'scene_name': 'scene-0103', 'frame_idx': 2}
    )
    grid = torch.arange(8, dtype=torch.uint8).reshape(2, 2, 2)
    sample.gt_occ = BaseDataElement(semantics=grid, mask_camera=grid > 3)
    sample.pred_occ = BaseDataElement(semantics=grid.flip(0))
    if with_plan:
        path = torch.arange(12.0).reshape(6, 2)
        mask = torch.tensor([1, 1, 1, 1, 0, 0]).bool()
        sample.gt_ego = BaseDataElement(fut_trajs=path, fut_masks=mask)
        plans = torch.stack([path + torch.tensor([0.0, 1.0]), path - 9])
        sample.pred_ego = BaseDataElement(trajs=plans)
    return sample


def evaluate(samples, folder):
    evaluator = Evaluator(PredictionFiles(str(folder)))
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def test_files_hold_the_frames(tmp_path):
    samples = [make_sample('a'), make_sample('b', with_plan=False)]
    assert evaluate(samples, tmp_path / 'out') == {}
    out = tmp_path / 'out'
    with (
        NpzFile(out / 'occ.npz') as pred,
        NpzFile(out / 'occ_truth.npz') as truth,
    ):
        assert pred.tokens() == truth.tokens() == ('a', 'b')
        for name, file, expected in (
            ('semantics', pred, samples[0].pred_occ.semantics),
            ('semantics', truth, samples[0].gt_occ.semantics),
            ('mask_camera', truth, samples[0].gt_occ.mask_camera),
        ):
            np.testing.assert_array_equal(file.array(name)[0], expected)
    with (
        NpzFile(out / 'plans.npz') as pred,
        NpzFile(out / 'plan_truth.npz') as truth,
    ):
        (sample,) = PlanFiles(pred, truth)
    assert sample.mask.tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(sample.plan - sample.truth, [[0, 1]] * 6)
    frames = [line.values for line in read_json_lines(out / 'frames.jsonl')]
    assert frames[1] == {
        'token': 'b',
        'scene_name': 'scene-0103',
        'frame_idx': 2,
    }


def test_what_nobody_predicts_is_no_file(tmp_path):
    sample = OccDataSample(metainfo={'token': 'a'})
    evaluate([sample], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['frames.jsonl']


def test_a_second_evaluation_replaces_the_first(tmp_path):
    metric = PredictionFiles(str(tmp_path))
    for tokens in (('a', 'b'), ('c',)):
        metric.process(None, [make_sample(token) for token in tokens])
        metric.evaluate(len(tokens))
    with NpzFile(tmp_path / 'occ.npz') as file:
        assert file.tokens() == ('c',)


def test_nothing_is_there_before_the_end(tmp_path):
    metric = PredictionFiles(str(tmp_path))
    metric.process(None, [make_sample('a')])
    assert not list(tmp_path.glob('*.npz'))


def test_several_processes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        'mmocc.evaluation.metrics.prediction_files.get_world_size', lambda: 2
    )
    with pytest.raises(ValueError, match='one process'):
        PredictionFiles(str(tmp_path))


def test_without_truth_all_predictions_are_written(tmp_path):
    sample, other = make_sample('a'), make_sample('b')
    for name in ('gt_occ', 'gt_ego'):
        delattr(sample, name)
    sample.gt_text = BaseDataElement(
        questions=[DrivingQA('Rain?'), DrivingQA('Cars?')]
    )
    sample.pred_text = BaseDataElement(answers=['no', ''])
    sample.pred_meta = BaseDataElement(speed=1, direction=0)
    metric = PredictionFiles(str(tmp_path), truth=False)
    metric.process(None, [sample, other])
    metric.evaluate(2)
    assert {path.name for path in tmp_path.iterdir()} == {
        *('occ.npz', 'plans.npz', 'answers.jsonl', 'actions.jsonl'),
        'frames.jsonl',
    }
    with NpzFile(tmp_path / 'plans.npz') as file:
        assert file.tokens() == ('a', 'b')
        np.testing.assert_allclose(
            file.array('trajs')[0], sample.pred_ego.trajs[0]
        )
    (answer,) = read_json_lines(tmp_path / 'answers.jsonl')
    assert answer.values == {'token': 'a', 'question': 'Rain?', 'answer': 'no'}
    (action,) = read_json_lines(tmp_path / 'actions.jsonl')
    assert parse_meta_action(action.values['answer']) == MetaAction(
        SPEEDS[1], DIRECTIONS[0]
    )
