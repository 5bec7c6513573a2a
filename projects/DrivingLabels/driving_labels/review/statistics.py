"""Count how often reviewers agreed with the labels."""

from collections import Counter
from collections.abc import Sequence

from mmocc.projects.DrivingLabels.driving_labels.review.apply_edits import (
    ReviewedInfos,
    without_text,
)
from mmocc.projects.DrivingLabels.driving_labels.review.edits import (
    ACCEPTED,
    EDITED,
    Edit,
)
from mmocc.structures import DIRECTIONS, SPEEDS


def edit_statistics(outcome: ReviewedInfos) -> dict:
    """Count accepted and edited labels, by reviewer and by pair.

    Returns:
        dict: ``frames`` of the file, ``labelled`` ones, and of the edits:
        ``reviewed``, ``accepted``, ``edited``, ``edit_rate`` (edited by
        reviewed, None without any), ``already_applied``; ``pairs``, a list of
        ``before``, ``after`` and ``count``, the most frequent first;
        ``speed`` (3, 3) and ``direction`` (6, 6), counts by word before (row)
        and after (column) in the order of ``words``; ``reviewers``, the first
        four by name; ``texts_to_make_anew``, tokens of reviewed frames
        without a chain of thought.
    """
    pairs = Counter((edit.before, edit.after) for edit in outcome.edits)
    return {
        'frames': len(outcome.infos),
        'labelled': sum(
            info.get('meta_action') is not None for info in outcome.infos
        ),
        **_agreement(outcome.edits),
        'already_applied': outcome.already,
        'pairs': [
            {'before': list(before), 'after': list(after), 'count': count}
            for (before, after), count in sorted(
                pairs.items(), key=lambda item: (-item[1], item[0])
            )
        ],
        'words': {'speed': list(SPEEDS), 'direction': list(DIRECTIONS)},
        'speed': _table(outcome.edits, 'speed_index', len(SPEEDS)),
        'direction': _table(outcome.edits, 'direction_index', len(DIRECTIONS)),
        'reviewers': {
            name: _agreement([e for e in outcome.edits if e.reviewer == name])
            for name in sorted({edit.reviewer for edit in outcome.edits})
        },
        'texts_to_make_anew': without_text(outcome.infos),
    }


def _agreement(edits: Sequence[Edit]) -> dict:
    count = Counter(edit.status for edit in edits)
    return {
        'reviewed': len(edits),
        'accepted': count[ACCEPTED],
        'edited': count[EDITED],
        'edit_rate': count[EDITED] / len(edits) if edits else None,
    }


def _table(edits: Sequence[Edit], index: str, size: int) -> list[list[int]]:
    table = [[0] * size for _ in range(size)]
    for edit in edits:
        table[getattr(edit.before, index)][getattr(edit.after, index)] += 1
    return table
