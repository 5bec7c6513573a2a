"""Rows of text: what is marked right, what fits."""

import numpy as np

from mmocc.structures import DrivingQA, MetaAction
from mmocc.visualization import (
    TextRow,
    answer_rows,
    meta_action_row,
    text_panel,
)
from mmocc.visualization.drawing import BAD, GOOD

STRAIGHT = MetaAction('Maintain speed', 'Go Straight')
LEFT = MetaAction('Accelerate', 'Turn Left')


def test_meta_action_is_compared_with_its_label():
    assert meta_action_row(LEFT, LEFT).right is True
    wrong = meta_action_row(LEFT, STRAIGHT)
    assert wrong.right is False
    assert str(LEFT) in wrong.text
    assert str(STRAIGHT) in wrong.text
    assert meta_action_row(LEFT, None).right is None
    assert meta_action_row(None, LEFT).right is False


def test_only_closed_answers_are_compared():
    closed = DrivingQA('Any cars?', 'yes', 'qa', 'exist', 0)
    assert answer_rows(closed, 'yes')[1] == TextRow('Answer', 'yes', True)
    wrong = answer_rows(closed, 'no')[1]
    assert wrong.right is False
    assert wrong.text.endswith('(true: yes)')
    caption = DrivingQA('Describe.', 'A road.', 'caption')
    assert answer_rows(caption, 'A street.')[1].right is None
    assert answer_rows(DrivingQA('Any?'), '')[1].text == '(no answer)'


def has(picture, colour):
    return (picture == colour).all(axis=2).any()


def test_marks_show_in_colour():
    right = text_panel([TextRow('Answer', 'yes', True)], 300, 60)
    wrong = text_panel([TextRow('Answer', 'yes', False)], 300, 60)
    neutral = text_panel([TextRow('Answer', 'yes')], 300, 60)
    assert (has(right, GOOD), has(right, BAD)) == (True, False)
    assert (has(wrong, GOOD), has(wrong, BAD)) == (False, True)
    assert (has(neutral, GOOD), has(neutral, BAD)) == (False, False)


def lines_of(picture):
    """Number of rows of text."""
    inked = (picture != 255).any(axis=(1, 2)).astype(int)
    return int((np.diff(inked, prepend=0) == 1).sum())


def test_size_is_kept_and_overflow_is_counted():
    rows = [TextRow('Answer', 'xx')] * 20
    picture = text_panel(rows, 400, 120)
    assert picture.shape == (120, 400, 3)
    assert lines_of(picture) == 4
    assert lines_of(text_panel(rows[:4], 400, 120)) == 4
    everything = text_panel(rows, 400, 800)
    assert lines_of(everything) == 20


def test_question_without_room_for_its_answer_is_left_out():
    rows = [
        row
        for _ in range(4)
        for row in answer_rows(DrivingQA('xx', 'xx', template_type='e'), 'xx')
    ]
    # Two lines of 20 pixels and a gap of 7 for each question.
    for height in (141, 160, 170):
        picture = text_panel(rows, 400, height)
        assert lines_of(picture) % 2 == 1, height
    assert lines_of(text_panel(rows, 400, 400)) == 8
