"""Read the queue of frames that a person should review."""

from pathlib import Path
from typing import NamedTuple

from mmocc.projects.DrivingLabels.driving_labels.review.review_lines import (
    ReviewError,
    read_review_lines,
)
from mmocc.structures import MetaAction


class QueueEntry(NamedTuple):
    """Why a person should look at a frame.

    Attributes:
        map_action (MetaAction): Label of the rules.
        annotator_action (MetaAction or None): Label of the annotator; None
            without a usable answer.
        annotator (str): Name of the annotator.
        reason (str): Reason of the review, in words.
    """

    map_action: MetaAction
    annotator_action: MetaAction | None
    annotator: str
    reason: str


def read_queue(path: str | Path) -> dict[str, QueueEntry]:
    """Read a ``review_queue.jsonl`` that ``tools/annotate.py`` wrote.

    Args:
        path (str | Path): One object a line with ``token``, ``map`` and
            ``annotator`` (each with ``speed`` and ``direction``, the latter
            with ``name``, and with None for words where it gave no answer)
            and ``reason``.

    Returns:
        dict[str, QueueEntry]: By sample token.

    Raises:
        ReviewError: The file is broken or names a token twice.
    """
    queue = {}
    for line in read_review_lines(path):
        token = line.get_field('token', str)
        if token in queue:
            raise ReviewError(
                f'{line}: the token is in the queue twice; write the queue '
                'again'
            )
        annotator = line.get_field('annotator', dict)
        queue[token] = QueueEntry(
            map_action=line.get_pair(line.get_field('map', dict), "'map'"),
            annotator_action=(
                None
                if annotator.get('direction') is None
                else line.get_pair(annotator, "'annotator'")
            ),
            annotator=str(annotator.get('name', 'annotator')),
            reason=line.get_field('reason', str),
        )
    return queue
