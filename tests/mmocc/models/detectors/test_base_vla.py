import pytest
import torch
from mmengine.structures import BaseDataElement

from mmocc.models.detectors.base_vla import BaseVLA
from mmocc.structures import OccDataSample


def sample(**text) -> OccDataSample:
    made = OccDataSample(metainfo=dict(token='f7'))
    if text:
        made.gt_text = BaseDataElement(**text)
    return made


@pytest.mark.parametrize(
    ('texts', 'error', 'advice'),
    [
        ({}, KeyError, 'put LoadDrivingQA and TokenizeQA'),
        (dict(input_ids=[], labels=[]), ValueError, 'filter_cfg=dict'),
    ],
)
def test_frames_without_text_are_named_with_advice(texts, error, advice):
    with pytest.raises(error, match=f'sample f7 .*{advice}'):
        BaseVLA.stack_text([sample(**texts)], torch.device('cpu'))
