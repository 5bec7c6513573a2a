"""``init_cfg=dict(type='Pretrained')`` fills the module, or says why not."""

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

import mmocc.models  # noqa: F401, registers the initialiser
from mmocc.utils.checkpoint import CheckpointError


class Stem(BaseModule):
    """A linear layer and a normalisation."""

    def __init__(self, **init_cfg):
        super().__init__(dict(type='Pretrained', **init_cfg))
        self.fc = nn.Linear(2, 2)
        self.bn = nn.BatchNorm1d(2)


@pytest.fixture
def written(tmp_path):
    """Return a function that saves weights, and these weights."""
    weights = Stem(checkpoint='').state_dict()
    path = tmp_path / 'stem.pth'

    def write(content):
        torch.save(dict(state_dict=content), path)
        return str(path)

    return write, weights


def test_a_part_of_a_file_fills_a_module(written):
    write, weights = written
    del weights['bn.num_batches_tracked']  # files of other libraries
    path = write(
        {f'module.stem.{name}': value for name, value in weights.items()}
        | {'module.head.weight': torch.ones(1)}
    )
    stem = Stem(checkpoint=path, prefix='stem.')
    stem.init_weights()
    for name, value in weights.items():
        assert torch.equal(stem.state_dict()[name], value)


@pytest.mark.parametrize(
    ('change', 'options', 'message'),
    [
        (lambda w: w.pop('bn.bias'), {}, r'lacks 1 .*bn\.bias.*may_lack'),
        (lambda w: w['fc.bias'].fill_(float('nan')), {}, r'finite.*fc\.bias'),
        (
            lambda w: w.update({'fc.bias': torch.ones(3)}),
            {},
            r'another shape .*fc\.bias',
        ),
        (lambda w: None, dict(prefix='neck'), r"'neck\.'.*bn\.bias"),
    ],
)
def test_what_does_not_fit_is_refused(written, change, options, message):
    write, weights = written
    change(weights)
    stem = Stem(checkpoint=write(weights), **options)
    with pytest.raises(CheckpointError, match=message):
        stem.init_weights()


def test_what_may_be_absent_keeps_its_first_values(written):
    write, weights = written
    path = write({n: w for n, w in weights.items() if n.startswith('bn')})
    stem = Stem(checkpoint=path, may_lack=['fc.'])
    before = stem.fc.weight.clone()
    stem.init_weights()
    assert torch.equal(stem.fc.weight, before)
