"""Anchor files: what is kept, and what is refused."""

import json

import numpy as np
import pytest
from planner_examples import drive, example_anchors

from mmocc.models.planners.anchor_set import (
    GT3S_COMMANDS,
    AnchorError,
    AnchorSet,
    gt3s_command,
)


@pytest.mark.parametrize('suffix', ['npz', 'json'])
def test_a_file_gives_back_what_was_saved(tmp_path, suffix):
    saved = example_anchors(mode='per_command', oracle_ade=1 / 3)
    saved.save(tmp_path / f'a.{suffix}')
    loaded = AnchorSet.load(tmp_path / f'a.{suffix}')
    assert loaded.hash == saved.hash
    np.testing.assert_array_equal(loaded.anchors, saved.anchors)
    assert loaded.split == 'train' and loaded.oracle_ade == 1 / 3
    assert [p.name for p in tmp_path.iterdir()] == [f'a.{suffix}']


@pytest.mark.parametrize(
    'change',
    [
        dict(split='val'),
        dict(seed=1),
        dict(anchors=example_anchors().anchors + 1e-9),
        dict(step_centre=[2.5, 0.1]),
    ],
)
def test_the_hash_covers_every_field(change):
    assert example_anchors(**change).hash != example_anchors().hash


def test_an_edited_file_is_refused(tmp_path):
    path = tmp_path / 'a.json'
    example_anchors(split='val').save(path)
    content = json.loads(path.read_text())
    content['split'] = 'train'
    path.write_text(json.dumps(content))
    with pytest.raises(AnchorError, match=r'a\.json has the hash .* edited'):
        AnchorSet.load(path)


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, anchors=np.array([{'x': 1}], dtype=object))
    with pytest.raises(AnchorError, match='allow_pickle=False'):
        AnchorSet.load(path)


@pytest.mark.parametrize(
    'name, content, message',
    [
        ('a.npz', b'PK\x03\x04cut', 'cannot be read'),
        ('a.npz', b'', 'cannot be read'),
        ('a.json', b'{"anchors": [', 'cannot be read'),
        ('a.json', b'[1, 2]', 'a list, expected an object'),
        ('a.json', b'{"anchors": []}', r"holds \['anchors'\], expected"),
        ('a.txt', b'', "ends in '.txt', expected .npz or .json"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AnchorError, match=message):
        AnchorSet.load(path)


def test_a_missing_file_names_the_tool(tmp_path):
    with pytest.raises(AnchorError, match=r'does not exist.*fit_anchors'):
        AnchorSet.load(tmp_path / 'a.npz')


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(anchors=np.full((6, 6, 2), np.nan)), 'NaN'),
        (dict(anchors=np.zeros((6, 12))), r'shape \(6, 12\)'),
        (dict(commands=[0, 1]), r'commands has shape \(2,\)'),
        (dict(step_half_range=[1.0, 0.0]), 'positive'),
        (dict(mode='gt3s'), "'gt3s'"),
    ],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(AnchorError, match=message):
        example_anchors(**change)


def test_commands_follow_the_lateral_offset_after_3_s():
    futures = np.stack(
        [drive(5.0, 0.4), drive(5.0), drive(5.0, -0.4), drive(0.0)]
    )
    names = [GT3S_COMMANDS[i] for i in gt3s_command(futures[:, -1])]
    assert names == ['left', 'straight', 'right', 'straight']
    assert gt3s_command(np.array([[9.0, 2.0], [9.0, 2.01]])).tolist() == [1, 0]
