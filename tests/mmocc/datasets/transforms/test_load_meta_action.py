import pytest

from mmocc.datasets import LoadMetaAction, SampleError
from mmocc.structures import DIRECTIONS, META_ACTIONS, SPEEDS


@pytest.mark.parametrize('action', META_ACTIONS)
def test_words_become_their_indices(action):
    label = {'speed': action.speed, 'direction': action.direction}
    meta = LoadMetaAction()({'token': 'tok', 'meta_action': label})['gt_meta']
    assert SPEEDS[meta['speed']] == action.speed
    assert DIRECTIONS[meta['direction']] == action.direction


def test_short_future_has_no_label():
    meta = LoadMetaAction()({'token': 'tok', 'meta_action': None})['gt_meta']
    assert meta == {'speed': -1, 'direction': -1}


@pytest.mark.parametrize(
    'results',
    [
        {'token': 'tok'},
        {
            'token': 'tok',
            'meta_action': {'speed': 'Fly', 'direction': 'Stop'},
        },
    ],
    ids=['missing', 'unknown'],
)
def test_anything_else_is_an_error(results):
    with pytest.raises(SampleError, match='sample tok'):
        LoadMetaAction()(results)
