"""Frames that map and annotator disagree about."""

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
        map_action (MetaAction): What the map-matched label says.
        annotator_action (MetaAction): What the annotator says; None where it
            gave no usable answer.
        annotator (str): Its name.
        reason (str): In words.
    """

    map_action: MetaAction
    annotator_action: MetaAction | None
    annotator: str
    reason: str


def read_queue(path: str | Path) -> dict[str, QueueEntry]:
    """Read ``review_queue.jsonl``.

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
