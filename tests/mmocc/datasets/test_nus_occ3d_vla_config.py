"""The base config's pipelines, run as they are on a small data set."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmocc.registry import HOOKS
from mmocc.structures import OCC3D_CLASSES

CONFIGS = Path(__file__).parents[3] / 'configs' / '_base_'


@pytest.fixture(scope='module')
def cfg():
    return Config.fromfile(CONFIGS / 'datasets' / 'nus-occ3d-vla.py')


def local(loader, root):
    """The loader on local data, without processes or downloads."""
    loader = loader.copy()
    loader.update(num_workers=0, persistent_workers=False, pin_memory=False)
    loader.dataset.data_root = str(root)
    for step in loader.dataset.pipeline:
        if step.type == 'TokenizeQA':
            step.tokenizer = 'mmocc://tiny_tokenizer'
    return Runner.build_dataloader(loader, seed=0)


def test_names_are_occ3ds(cfg):
    assert tuple(cfg.class_names) == OCC3D_CLASSES


def test_training_batches_have_answers(cfg, tiny_root):
    loader = local(cfg.train_dataloader, tiny_root)
    for batch in loader:
        for image, sample in zip(
            batch['inputs']['img'], batch['data_samples'], strict=True
        ):
            assert image.shape == (6, 3, 224, 224)
            # The meta-action question and the questions drawn.
            assert len(sample.gt_text.questions) == 1 + cfg.num_questions
            assert all((ids >= 0).any() for ids in sample.gt_text.labels)
    assert sum(1 for _ in loader) == 2  # three frames, two at a time


def test_validation_batches_have_questions_and_ground_truth(cfg, tiny_root):
    for batch in local(cfg.val_dataloader, tiny_root):
        for sample in batch['data_samples']:
            assert len(sample.gt_text.questions) == 6
            assert all((ids == -100).all() for ids in sample.gt_text.labels)
            assert 'gt_occ' in sample and 'gt_ego' in sample
            assert 'gt_meta' in sample


def test_run_time_base_names_what_it_uses():
    cfg = Config.fromfile(CONFIGS / 'default_runtime.py')
    assert cfg.default_scope == 'mmocc'
    for hook in cfg.default_hooks.values():
        assert HOOKS.get(hook.type) is not None, hook.type
