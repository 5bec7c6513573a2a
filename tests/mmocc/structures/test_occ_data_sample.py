"""What a sample says of what it does not hold."""

import pickle

import pytest
from mmengine.structures import BaseDataElement

from mmocc.structures import OccDataSample


@pytest.mark.parametrize(
    'name, remedy',
    [
        ('gt_occ', 'put LoadOcc3DFromFile into the pipeline'),
        ('gt_ego', 'put LoadEgoStatus into the pipeline'),
        ('gt_text', 'put LoadDrivingQA and TokenizeQA into the pipeline'),
        ('gt_meta', 'put LoadMetaAction into the pipeline'),
        ('pred_ego', 'the model has not predicted it'),
    ],
)
def test_a_missing_field_names_the_sample_and_the_remedy(name, remedy):
    sample = OccDataSample(metainfo=dict(token='frame7'))
    assert name not in sample and not hasattr(sample, name)
    with pytest.raises(
        AttributeError, match=f'frame7 has no {name}; {remedy}'
    ):
        getattr(sample, name)


def test_a_field_comes_and_goes():
    sample = OccDataSample(metainfo=dict(token='frame7'))
    sample.gt_ego = BaseDataElement(speed=3)
    for twin in (sample.clone(), pickle.loads(pickle.dumps(sample))):
        assert 'gt_ego' in twin and twin.gt_ego.speed == 3
    del sample.gt_ego
    assert 'gt_ego' not in sample
