"""The labeller of real data and the scripts of the scenes agree."""

import numpy as np
import pytest

from mmocc.annotation import LaneGraph, label_scene
from mmocc.projects.SyntheticNuScenes.synthetic.intent import scripted_intent
from mmocc.projects.SyntheticNuScenes.synthetic.map_expansion import (
    MapExpansion,
)
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.structures import DIRECTIONS, SPEEDS


@pytest.fixture(scope='module')
def frames(stages):
    """(split, scripted intent, label) of every key frame with both."""
    found = []
    for name, scenario, split in PRESETS['mini'].scenes:
        stage = stages[scenario]
        expansion = MapExpansion('test')
        expansion.add(name, stage.world)
        graph = LaneGraph.from_map(expansion.as_dict((400.0, 400.0)))
        ego, simulation = stage.cast.agents[0], stage.cast.simulation
        poses = np.array([simulation.state(ego, t)[0] for t in stage.times])
        labels = label_scene(poses, stage.times, graph)
        for time, label in zip(stage.times, labels, strict=True):
            intent = scripted_intent(stage.scenario, stage.cast, float(time))
            if label is not None and intent['complete']:
                found.append((split, intent, label.action))
    return found


def test_directions_agree_with_the_script(frames):
    same = [i['direction'] == label.direction for _, i, label in frames]
    assert len(same) >= 140
    assert np.mean(same) >= 0.95


def test_speed_words_agree_with_the_simulator(frames):
    same = [i['speed_word'] == label.speed for _, i, label in frames]
    assert np.mean(same) >= 0.9


@pytest.mark.parametrize('split', ['train', 'val'])
def test_every_word_is_a_label_in_both_splits(frames, split):
    labels = [label for mine, _, label in frames if mine == split]
    assert {label.speed for label in labels} == set(SPEEDS)
    assert {label.direction for label in labels} == set(DIRECTIONS)
