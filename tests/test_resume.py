"""Shipped configs resume to the bit with the loaders that they ship."""

import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmocc_testing import (
    make_anchor_set,
    straight_anchors,
    write_tiny_dataset,
)

ROOT = Path(__file__).parents[1]
CONFIGS = (
    'configs/occworld_vqvae/occworld-vqvae_tiny_synthetic.py',
    'projects/OccVLA/configs/occvla/occvla_tiny_stage2-joint_synthetic.py',
    'projects/SparseOccVLA/configs/sparseoccvla/'
    'sparseoccvla_tiny_stage3-forecast-planner_synthetic.py',
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = write_tiny_dataset(tmp_path_factory.mktemp('data'))
    make_anchor_set(straight_anchors(18, 6)).save(folder / 'anchors.npz')
    return folder


def train(path, data, work_dir, persistent, resume):
    cfg = Config.fromfile(ROOT / path)
    init_default_scope(cfg.default_scope)
    if 'planner' in cfg.model and 'anchors' in (cfg.model.planner or {}):
        cfg.model.planner.anchors.file = str(data / 'anchors.npz')
    if 'vqvae' in (cfg.model.get('occ_head') or {}):
        cfg.model.occ_head.vqvae.init_cfg = None
    cfg.work_dir = str(work_dir)
    cfg.load_from, cfg.resume = None, resume
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=2)
    assert cfg.train_dataloader.persistent_workers
    cfg.train_dataloader.persistent_workers = persistent
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert cfg[loader].num_workers > 0
        cfg[loader].dataset.data_root = str(data)
    cfg.train_dataloader.batch_size = 1
    cfg.train_dataloader.dataset.indices = 2
    cfg.train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=9)
    cfg.experiment_name = f'{work_dir.name}-{persistent}'
    Runner.from_cfg(cfg).train()
    return torch.load(work_dir / 'epoch_2.pth', weights_only=True)


@pytest.mark.parametrize(
    'path, persistent',
    [*((path, True) for path in CONFIGS), (CONFIGS[0], False)],
    ids=lambda value: Path(value).stem if isinstance(value, str) else value,
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    path, persistent, data, tmp_path
):
    whole = train(path, data, tmp_path / 'whole', persistent, resume=False)
    cut = tmp_path / 'cut'
    cut.mkdir()
    shutil.copy(tmp_path / 'whole' / 'epoch_1.pth', cut)
    (cut / 'last_checkpoint').write_text(str(cut / 'epoch_1.pth'))
    resumed = train(path, data, cut, persistent, resume=True)
    assert resumed['meta']['iter'] == whole['meta']['iter'] == 4
    for name, weight in whole['state_dict'].items():
        assert torch.equal(weight, resumed['state_dict'][name]), name
    for key, state in whole['optimizer']['state'].items():
        for name, value in state.items():
            other = resumed['optimizer']['state'][key][name]
            assert torch.equal(value, other), (key, name)
