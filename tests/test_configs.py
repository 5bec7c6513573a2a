"""Every config builds, and every tiny one trains two steps."""

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

from mmocc.registry import METRICS, MODELS, TRANSFORMS

ROOT = Path(__file__).parents[1]
TINY_TOKENIZER = 'mmocc://tiny_tokenizer'
CONFIGS = sorted(
    path.relative_to(ROOT)
    for folder in (ROOT / 'configs', *ROOT.glob('projects/*/configs'))
    for path in folder.rglob('*.py')
    if '_base_' not in path.parts
)
# Configs of a split without labels train as the config that they change.
TINY = [
    path
    for path in CONFIGS
    if '_tiny_' in path.name and 'test-split' not in path.name
]
ABLATIONS = [path for path in CONFIGS if 'ablations' in path.parts]
CROSSINGS = [path for path in CONFIGS if 'crossings' in path.parts]


def load(path):
    """A config without what only a download could give."""
    cfg = Config.fromfile(ROOT / path)
    init_default_scope(cfg.default_scope)
    _offline(cfg._cfg_dict)
    return cfg


def _offline(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == 'tokenizer':
                node[key] = TINY_TOKENIZER
            elif key == 'pretrained':
                node[key] = None
            elif key == 'init_cfg' and value is not None:
                node[key] = None
            elif key == 'anchors':
                value['file'] = None
            else:
                _offline(value)
    elif isinstance(node, list | tuple):
        for value in node:
            _offline(value)


def test_there_are_configs():
    assert len(TINY) >= 4 and len(ABLATIONS) >= 8 and len(CROSSINGS) == 4


@pytest.mark.parametrize('path', CONFIGS, ids=str)
def test_config_builds(path, tiny_data):
    cfg = load(path)
    with torch.device('meta'):  # shapes without memory: 3 B parameters
        model = MODELS.build(cfg.model)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trainable > 0
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for transform in cfg[loader].dataset.pipeline:
            TRANSFORMS.build(transform)
    for metric in cfg.val_evaluator:
        if 'ann_file' in metric:
            metric.ann_file = str(tiny_data / Path(metric.ann_file).name)
        METRICS.build(metric)


@pytest.mark.parametrize('path', ABLATIONS, ids=str)
def test_ablation_is_a_short_diff(path):
    lines = (ROOT / path).read_text().splitlines()
    code = [line for line in lines if line and not line.startswith('#')]
    assert len(code) <= 15
    assert lines[0].startswith('_base_')
    assert any(line.startswith('# ') for line in lines), 'which table?'


@pytest.fixture(scope='module')
def tiny_data(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def anchors_file(tmp_path_factory):
    """Straight drives at 0 to 17 m/s."""
    path = tmp_path_factory.mktemp('anchors') / 'anchors_18_train.npz'
    make_anchor_set(straight_anchors(18, 6)).save(path)
    return path


@pytest.mark.parametrize('path', TINY, ids=str)
def test_tiny_config_trains_two_steps(path, tiny_data, anchors_file, tmp_path):
    cfg = load(path)
    if 'anchors' in (cfg.model.get('planner') or {}):
        cfg.model.planner.anchors.file = str(anchors_file)
    cfg.work_dir = str(tmp_path)
    cfg.load_from = None
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].num_workers = 0
        cfg[loader].persistent_workers = False
        cfg[loader].batch_size = 1
        cfg[loader].dataset.data_root = str(tiny_data)
    cfg.train_dataloader.dataset.indices = 2
    cfg.train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
    cfg.val_dataloader.dataset.indices = 1
    if 'tokenizer' in cfg.model:
        cfg.model.max_new_tokens = 4
    runner = Runner.from_cfg(cfg)
    before = {
        name: value.clone()
        for name, value in runner.model.named_parameters()
        if value.requires_grad
    }
    runner.train()
    assert runner.iter == 2
    assert all(torch.isfinite(p).all() for p in runner.model.parameters())
    moved = [
        name
        for name, value in runner.model.named_parameters()
        if name in before and not torch.equal(value, before[name])
    ]
    assert moved
    if cfg.model.get('planner'):
        assert any(name.startswith('planner.') for name in moved)
        scores = runner.message_hub.log_scalars
        assert any(key.startswith('val/plan') for key in scores)
    assert list(tmp_path.glob('epoch_1.pth'))
