"""Questions, answers and meta-actions as a page of text."""

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
# The name of rows that the next row belongs to.
QUESTION = 'Question'


class TextRow(NamedTuple):
    """A paragraph with a name.

    Attributes:
        name (str): At the left edge.
        text (str): Wrapped to the panel's width.
        right (bool, optional): Whether what it says is true; None where
            nobody knows or asks.
    """

    name: str
    text: str
    right: bool | None = None


def meta_action_row(
    pred: MetaAction | None, truth: MetaAction | None
) -> TextRow:
    """The predicted meta-action, with its label where the two differ.

    Args:
        pred (MetaAction, optional): None where nothing could be parsed.
        truth (MetaAction, optional): None where there is no label.
    """
    right = None if truth is None else pred == truth
    text = str(pred or 'not parsable')
    if right is False:
        text = f'{text}   (label: {truth})'
    return TextRow('Meta-action', text, right)


def answer_rows(question: DrivingQA, answer: str) -> list[TextRow]:
    """A question and its answer, with the true one where the two differ."""
    known = question.task == CLOSED_ANSWERS and question.answer != ''
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
    """Set rows of text; what does not fit is counted in a last line.

    Args:
        rows (Sequence[TextRow]): From top to bottom.
        width (int): Pixels. Defaults to 900.
        height (int): Pixels. Defaults to 560.

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
    """Rows that stay together: a question and its answer, or one row."""
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
    """Lines of text from ``y`` downwards, and where they end."""
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
