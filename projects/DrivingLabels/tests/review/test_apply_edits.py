"""Decisions in labels, and what follows from labels."""

import copy
import json

import pytest
from handmade_scene import edit_line, make_infos

from mmocc.projects.DrivingLabels.driving_labels.review import (
    ReviewError,
    apply_decisions,
    decide,
    edit_statistics,
    read_edits,
)

LEFT = ('Maintain speed', 'Turn Left')
STRAIGHT = ('Maintain speed', 'Go Straight')
FASTER = ('Accelerate', 'Go Straight')


@pytest.fixture
def settle(tmp_path):
    def settle(*lines):
        path = tmp_path / 'edits.jsonl'
        path.write_text('\n'.join(map(json.dumps, lines)))
        return decide([read_edits(path)])

    return settle


def test_edit_changes_label_and_text_alone(settle):
    infos = make_infos()
    untouched = copy.deepcopy(infos)
    new = apply_decisions(infos, settle(edit_line())).infos
    assert new[0]['meta_action'] == {
        'speed': 'Maintain speed',
        'direction': 'Go Straight',
        'source': 'review',
        'confidence': 1.0,
    }
    assert new[0]['cot'] == ''  # it argued for a left turn
    assert new[0]['his_meta_actions'] == untouched[0]['his_meta_actions']
    assert new[1:] == infos[1:]
    assert [i['meta_action'] for i in infos] == [
        i['meta_action'] for i in untouched
    ]


def test_accepted_label_keeps_its_text(settle):
    infos = make_infos()
    new = apply_decisions(infos, settle(edit_line(after=LEFT))).infos[0]
    assert new['meta_action']['source'] == 'review'
    assert new['meta_action']['direction'] == 'Turn Left'
    assert new['cot'] == infos[0]['cot']


def test_applying_again_changes_nothing(settle):
    decisions = settle(edit_line(), edit_line('a1', 1, FASTER, FASTER))
    once = apply_decisions(make_infos(), decisions)
    twice = apply_decisions(once.infos, decisions)
    assert (once.already, twice.already) == (0, 2)
    for old, new in zip(once.infos, twice.infos, strict=True):
        assert new is old
    before, after = edit_statistics(once), edit_statistics(twice)
    assert before.pop('already_applied') == 0
    assert after.pop('already_applied') == 2
    assert after == before


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (edit_line(before=FASTER), "'before' is"),
        (edit_line('zz'), 'no such token'),
        (edit_line('a0', 1), 'frame 1'),
        (edit_line(scene_name='scene-9'), 'scene-9'),
        (edit_line('a3', 3), 'no label'),
    ],
)
def test_edit_that_does_not_fit_is_refused(settle, line, message):
    with pytest.raises(ReviewError, match=message) as caught:
        apply_decisions(make_infos(), settle(line))
    assert f'edits.jsonl, line 1, token {line["token"]!r}' in str(caught.value)


def test_text_that_was_made_anew_stays(settle):
    decisions = settle(edit_line())
    infos = apply_decisions(make_infos(), decisions).infos
    infos[0]['cot'] = 'Scene: new. Action: Maintain speed; Go Straight.'
    outcome = apply_decisions(infos, decisions)
    assert outcome.infos[0]['cot'] == infos[0]['cot']
    assert edit_statistics(outcome)['texts_to_make_anew'] == []


def test_statistics_by_hand(settle):
    outcome = apply_decisions(
        make_infos(),
        settle(
            edit_line(),
            edit_line('a1', 1, FASTER, FASTER, reviewer='Bo'),
            edit_line('a2', 2, STRAIGHT, ('Decelerate', 'Go Straight')),
        ),
    )
    found = edit_statistics(outcome)
    assert (found['frames'], found['labelled']) == (4, 3)
    assert (found['reviewed'], found['accepted'], found['edited']) == (3, 1, 2)
    assert found['edit_rate'] == pytest.approx(2 / 3)
    assert found['reviewers']['Ada']['edit_rate'] == 1.0
    assert found['reviewers']['Bo']['edit_rate'] == 0.0
    # Turn Left -> Go Straight once, Go Straight kept twice.
    direction = found['direction']
    assert (direction[1][0], direction[0][0]) == (1, 2)
    assert sum(map(sum, direction)) == 3
    # Maintain kept, Accelerate kept, Decelerate -> Maintain.
    assert found['speed'] == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert found['texts_to_make_anew'] == ['a0', 'a2']
    assert sum(pair['count'] for pair in found['pairs']) == 3


def test_statistics_of_nothing():
    found = edit_statistics(apply_decisions(make_infos(), {}))
    assert found['edit_rate'] is None and found['pairs'] == []
