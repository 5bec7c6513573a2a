"""A picture of text: meta-action, questions and answers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmocc.structures import DrivingQA, MetaAction
from mmocc.visualization.drawing import (
    BAD,
    GOOD,
    INK,
    MUTED,
    TEXT_SIZE,
    Label,
    blank,
    wrap_text,
    write_labels,
)

LINE_HEIGHT = 20
ROW_GAP = 7
TEXT_COLUMN = 104

# The task of ``DrivingQA`` whose answers are right or wrong as a whole.
CLOSED_ANSWERS = 'qa'
# The name of a row that is kept together with the next one.
QUESTION = 'Question'


class TextRow(NamedTuple):
    """A paragraph with a name at its left.

    Attributes:
        name (str): Text at the left edge.
        text (str): Text that is wrapped to the panel's width.
        right (bool, optional): Whether the text agrees with ground truth;
            None where it is not compared.
    """

    name: str
    text: str
    right: bool | None = None


def meta_action_row(pred: MetaAction | None, gt: MetaAction | None) -> TextRow:
    """Format the predicted meta-action, with its label where they differ.

    Args:
        pred (MetaAction, optional): None if the text could not be parsed.
        gt (MetaAction, optional): None if there is no label.
    """
    right = None if gt is None else pred == gt
    text = str(pred or 'not parsable')
    if right is False:
        text = f'{text}   (label: {gt})'
    return TextRow('Meta-action', text, right)


def answer_rows(question: DrivingQA, answer: str) -> list[TextRow]:
    """Format a question and its answer, with the true one if they differ."""
    known = question.task == CLOSED_ANSWERS and question.answered
    right = answer == question.answer if known else None
    text = answer or '(no answer)'
    if right is False:
        text = f'{text}   (true: {question.answer})'
    return [
        TextRow(QUESTION, question.question),
        TextRow('Answer', text, right),
    ]


def text_panel(
    rows: Sequence[TextRow], width: int = 900, height: int = 560
) -> np.ndarray:
    """Draw rows of text; a last line counts those that do not fit.

    Args:
        rows (Sequence[TextRow]): Rows from top to bottom.
        width (int): Width of the picture in pixels. Defaults to 900.
        height (int): Height of the picture in pixels. Defaults to 560.

    Returns:
        np.ndarray: (height, width, 3) uint8 RGB.
    """
    labels: list[Label] = []
    y = 4
    blocks = _blocks(rows)
    for place, block in enumerate(blocks):
        drawn, bottom = _set_block(block, y, width)
        last = place == len(blocks) - 1
        if bottom > height - (0 if last else LINE_HEIGHT + ROW_GAP):
            more = f'… and {len(blocks) - place} more'
            labels.append(Label(more, TEXT_COLUMN, y, colour=MUTED))
            break
        labels += drawn
        y = bottom + ROW_GAP
    return write_labels(blank(width, height), labels)


def _blocks(rows: Sequence[TextRow]) -> list[list[TextRow]]:
    """Group rows that stay together: a question and its answer, or one."""
    blocks: list[list[TextRow]] = []
    for place, row in enumerate(rows):
        if place and rows[place - 1].name == QUESTION:
            blocks[-1].append(row)
        else:
            blocks.append([row])
    return blocks


def _set_block(
    rows: Sequence[TextRow], y: int, width: int
) -> tuple[list[Label], int]:
    """Lay out rows from ``y`` downwards; return labels and their end."""
    labels = []
    for name, text, right in rows:
        colour = {None: INK, True: GOOD, False: BAD}[right]
        mark = {None: '', True: '✓ ', False: '✗ '}[right]
        bold = right is not None
        labels.append(Label(name, 2, y, colour=MUTED))
        room = width - TEXT_COLUMN - 8
        for line in wrap_text(mark + text, TEXT_SIZE, room, bold):
            labels.append(
                Label(line, TEXT_COLUMN, y, colour=colour, bold=bold)
            )
            y += LINE_HEIGHT
    return labels, y
