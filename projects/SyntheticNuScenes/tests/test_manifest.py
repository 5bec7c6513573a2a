import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.manifest import (
    blind_meta_action,
    confusion,
)
from mmocc.structures import DIRECTIONS, SPEEDS


def test_confusion_by_hand():
    pairs = [('a', 'a'), ('a', 'b'), ('b', 'b'), ('b', 'b')]
    assert confusion(pairs, ('a', 'b', 'c')) == {
        'frames': 4,
        'agreement': 75.0,
        'matrix': {'a': {'a': 1, 'b': 1}, 'b': {'b': 2}},
    }
    assert confusion([], ('a',))['agreement'] == 0.0


def test_a_blind_guess_of_the_meta_action():
    histogram = {
        'train': {'Accelerate; Stop': 3, 'Decelerate; Turn Left': 5},
        'val': {'Decelerate; Stop': 6, 'Decelerate; Turn Left': 2},
    }
    scores = blind_meta_action(histogram)
    assert scores == {'pair': 25.0, 'speed': 100.0, 'direction': 25.0}


def test_the_labeller_agrees_with_the_script(unit_manifest):
    for kind, words in (('direction', DIRECTIONS), ('speed', SPEEDS)):
        found = unit_manifest['labeller'][kind]
        assert found['agreement'] >= 95.0
        cells = [n for row in found['matrix'].values() for n in row.values()]
        assert sum(cells) == found['frames'] > 0
        assert set(found['matrix']) <= set(words)
    labelled = sum(
        sum(x.values()) for x in unit_manifest['meta_actions'].values()
    )
    assert labelled >= unit_manifest['labeller']['direction']['frames']


@pytest.mark.parametrize('name', ['nuscenes_qa', 'occupancy_qa'])
def test_answers_are_counted(unit_manifest, name):
    for split in ('train', 'val'):
        answers = unit_manifest['answers'][name][split]
        total = unit_manifest['counts'][f'{name}_{split}']
        assert sum(answers.values()) == total > 0
