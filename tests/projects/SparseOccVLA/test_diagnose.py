"""What each part of SparseOccVLA adds: the rows, and where they come from."""

import json
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from mmocc_testing import (
    make_anchor_set,
    straight_anchors,
    write_tiny_dataset,
)

from mmocc.registry import MODELS
from mmocc.structures import EGO_STATUS, FREE, OccDataSample

CONFIG = (
    'projects/SparseOccVLA/configs/sparseoccvla/'
    'sparseoccvla_tiny_stage3-forecast-planner_synthetic.py'
)
GRID = (200, 200, 16)


@pytest.fixture
def diagnose(load_tool):
    return load_tool('projects/SparseOccVLA/tools/diagnose.py')


def frame(future=None, valid=True):
    sample = OccDataSample()
    status = np.zeros(len(EGO_STATUS), dtype=np.float32)
    status[EGO_STATUS.index('vx')] = 2.0
    ahead = torch.arange(1.0, 7.0)
    sample.gt_ego = BaseDataElement(
        fut_trajs=torch.stack([ahead, torch.zeros(6)], dim=-1),
        fut_masks=torch.ones(6, dtype=torch.bool),
        status=torch.from_numpy(status),
    )
    if future is not None:
        sample.gt_occ = BaseDataElement(
            future_semantics=torch.from_numpy(future),
            future_mask_camera=torch.ones(future.shape, dtype=torch.bool),
            future_valid=torch.full((len(future),), valid),
        )
    return sample


def test_rows_of_planners_by_hand(diagnose):
    rows = diagnose.Rows()
    truth = frame().gt_ego.fut_trajs
    aside = truth + torch.tensor([0.0, 0.5])
    rows.add_plans({'plan': truth[None], 'zero_step': aside[None]}, [frame()])
    far = truth[None].numpy() + np.array([3.0, 4.0])
    scores = rows.planning(lambda status: far)
    assert scores['plan']['L2_mean_avg'] == 0
    assert scores['zero_step']['L2_mean_avg'] == pytest.approx(0.5)
    assert scores['ego_mlp']['L2_mean_avg'] == pytest.approx(5)
    # 2 m/s for half a second is the first metre, and so on.
    assert scores['constant_velocity']['L2_mean_avg'] == pytest.approx(0)


def test_a_still_world_is_forecast_by_moving_the_present(diagnose):
    present = np.full(GRID, FREE, dtype=np.uint8)
    present[120:160, 90:110, 2:6] = 4
    # 0.4 m, one voxel, in each step.
    poses = np.stack([0.4 * np.arange(1, 7), np.zeros(6), np.zeros(6)], axis=1)
    future = np.stack(
        [np.roll(present, -step, axis=0) for step in range(1, 7)]
    )
    rows = diagnose.Rows()
    rows.add_forecast(present, future, dict(moved_copy=poses), frame(future))
    rows.add_forecast(
        present, future, dict(moved_copy=poses), frame(future, valid=False)
    )
    assert rows.windows == 1
    scores = rows.forecasting()
    assert scores['forecast/all']['mIoU_avg'] == pytest.approx(100)
    assert scores['moved_copy/camera']['mIoU_avg'] == pytest.approx(100)
    # Two of 40 rows are new after a second: 38 of 42.
    assert scores['copy/all']['mIoU_1s'] == pytest.approx(100 * 38 / 42)
    assert scores['copy/all']['mIoU_3s'] == pytest.approx(100 * 34 / 46)


def test_the_whole_command(diagnose, repository, tmp_path, monkeypatch):
    data = write_tiny_dataset(tmp_path / 'data', num_frames=7)
    cfg = Config.fromfile(repository / CONFIG)
    make_anchor_set(straight_anchors(18, 6)).save(tmp_path / 'anchors.npz')
    cfg.model.planner.anchors.file = str(tmp_path / 'anchors.npz')
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    weights, out = tmp_path / 'weights.pth', tmp_path / 'diagnosis.json'
    torch.save(dict(state_dict=model.state_dict()), weights)
    monkeypatch.setattr(
        sys,
        'argv',
        [
            'diagnose.py', str(repository / CONFIG), str(weights),
            '--data-root', str(data), '--out', str(out), '--cfg-options',
            'test_dataloader.num_workers=0',
            'test_dataloader.persistent_workers=False',
        ],
    )  # fmt: skip
    diagnose.main()
    report = json.loads(out.read_text())
    assert (report['frames'], report['windows']) == (7, 1)
    assert set(report['planning']) == {
        'plan', 'anchor_oracle', 'anchor_oracle_zero_step', 'zero_step',
        'random_winner', 'ego_mlp', 'constant_velocity',
    }  # fmt: skip
    assert 'own_moved_copy/camera' in report['forecasting']
    best = report['planning']['anchor_oracle_zero_step']['L2_mean_avg']
    assert best <= report['planning']['zero_step']['L2_mean_avg']


def test_a_config_without_all_parts_is_refused(
    diagnose, repository, tmp_path, monkeypatch
):
    config = CONFIG.replace('stage3-forecast-planner', 'stage1-encoder')
    monkeypatch.setattr(
        sys,
        'argv',
        [
            'diagnose.py', str(repository / config), 'none.pth',
            '--out', str(tmp_path / 'out.json'),
        ],
    )  # fmt: skip
    with pytest.raises(SystemExit, match='no planner or no forecaster'):
        diagnose.main()
    assert not (tmp_path / 'out.json').exists()
