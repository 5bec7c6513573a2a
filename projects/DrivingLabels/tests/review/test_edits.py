"""Exported decisions: what is read, what is refused, what wins."""

import json

import pytest
from handmade_scene import edit_line

from mmocc.annotation.meta_action_labels import legal_pair
from mmocc.projects.DrivingLabels.driving_labels.review import (
    LABEL_PAIRS,
    ReviewError,
    decide,
    read_edits,
)
from mmocc.structures import META_ACTIONS, MetaAction

LEFT = ('Maintain speed', 'Turn Left')
STRAIGHT = ('Maintain speed', 'Go Straight')
RIGHT = ('Maintain speed', 'Turn Right')


@pytest.fixture
def write(tmp_path):
    def write(*lines, name='edits.jsonl'):
        path = tmp_path / name
        path.write_text('\n'.join(map(json.dumps, lines)) + '\n\n')
        return path

    return write


def test_pairs_are_those_of_the_labeller():
    assert set(LABEL_PAIRS) == {legal_pair(*pair) for pair in META_ACTIONS}


def test_lines_are_read(write):
    accepted = edit_line('a1', 1, LEFT, LEFT)
    first, second = read_edits(write(edit_line(), accepted))
    assert first.before == MetaAction(*LEFT)
    assert first.after == MetaAction(*STRAIGHT)
    assert (first.status, second.status) == ('edited', 'accepted')
    assert (second.token, second.frame_idx) == ('a1', 1)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'speed': 'Fly'}, 'vocabulary'),
        ({'speed': 'Accelerate', 'direction': 'Stop'}, 'is no label'),
        ({'before': {'speed': 'Fly'}}, "'before'"),
        ({'before': None}, 'an object'),
        ({'status': 'accepted'}, 'status'),
        ({'reviewer': ' '}, 'reviewer'),
        ({'frame_idx': '0'}, 'whole number'),
        ({'frame_idx': True}, 'whole number'),
        ({'token': None}, 'a string'),
    ],
)
def test_broken_line_is_named(write, changes, message):
    path = write(edit_line(), edit_line() | changes)
    with pytest.raises(ReviewError, match=message) as caught:
        read_edits(path)
    where = f'{path}, line 2, token {changes.get("token", "a0")!r}'
    assert str(caught.value).startswith(where)


@pytest.mark.parametrize('text', ['{"token"', '[1]'])
def test_text_that_is_no_object_is_refused(tmp_path, text):
    path = tmp_path / 'x.jsonl'
    path.write_text(f'\n{text}\n')
    with pytest.raises(ReviewError, match=r'x\.jsonl, line 2'):
        read_edits(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ReviewError, match=r'nowhere\.jsonl'):
        read_edits(tmp_path / 'nowhere.jsonl')


def test_equal_edits_agree(write):
    edits = read_edits(write(edit_line(), edit_line(reviewer='Bo')))
    assert decide([edits, edits])['a0'].edit.after == MetaAction(*STRAIGHT)


def test_contradiction_is_refused_unless_the_later_file_wins(write):
    one = read_edits(write(edit_line(), name='one.jsonl'))
    two = read_edits(write(edit_line(after=RIGHT), name='two.jsonl'))
    with pytest.raises(ReviewError, match=r'two\.jsonl.*one\.jsonl'):
        decide([one, two])
    chosen = decide([one, two], later_wins=True)['a0']
    assert chosen.edit.after == MetaAction(*RIGHT)
    chosen = decide([two, one], later_wins=True)['a0']
    assert chosen.edit.after == MetaAction(*STRAIGHT)


def test_contradiction_within_a_file_is_always_refused(write):
    edits = read_edits(write(edit_line(), edit_line(after=RIGHT)))
    with pytest.raises(ReviewError, match='line 2'):
        decide([edits], later_wins=True)


def test_second_review_may_follow_the_first(write):
    one = read_edits(write(edit_line(), name='one.jsonl'))
    follows = edit_line(before=STRAIGHT, after=RIGHT)
    two = read_edits(write(follows, name='two.jsonl'))
    known = decide([one, two], later_wins=True)['a0'].known
    assert known == {MetaAction(*LEFT), MetaAction(*STRAIGHT)}


def test_review_of_another_info_file_does_not_follow(write):
    one = read_edits(write(edit_line(), name='one.jsonl'))
    foreign = edit_line(before=('Decelerate', 'Stop'), after=RIGHT)
    two = read_edits(write(foreign, name='two.jsonl'))
    with pytest.raises(ReviewError, match='different info files'):
        decide([one, two], later_wins=True)
