"""Write the edits of reviewers into the labels of an info file."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mmocc.infos import InfoFrame
from mmocc.projects.DrivingLabels.driving_labels.review.edits import (
    Edit,
    SettledEdit,
)
from mmocc.projects.DrivingLabels.driving_labels.review.review_lines import (
    ReviewError,
)
from mmocc.structures import MetaAction

SOURCE_REVIEW = 'review'
# A person has decided.
REVIEW_CONFIDENCE = 1.0
# An info file's chain of thought that is not there; training skips it.
NO_TEXT = ''


class ReviewedInfos(NamedTuple):
    """Entries of an info file after the review.

    Attributes:
        infos (list[dict]): The entries of the new info file.
        edits (list[Edit]): The edits that counted, in the order of frames.
        already (int): How many of them the file held already.
    """

    infos: list[dict]
    edits: list[Edit]
    already: int


def apply_decisions(
    infos: Iterable[dict], decisions: Mapping[str, SettledEdit]
) -> ReviewedInfos:
    """Write the edits that count into the labels of frames.

    ``meta_action`` gets the decided pair, the source ``review`` and
    confidence 1. Where the pair changed, ``cot`` is emptied, because it
    argues for another action. ``his_meta_actions`` come from past poses, not
    from labels, and stay. The entries given are not changed.

    Args:
        infos (Iterable[dict]): ``data_list`` of an info file.
        decisions (Mapping[str, SettledEdit]): By sample token.

    Raises:
        ReviewError: An edit is of an unknown token, another scene or place,
            a frame without a label, or of a label that is not the file's.
    """
    changed, edits, already, met = [], [], 0, set()
    for info in infos:
        frame = InfoFrame(info)
        decision = decisions.get(frame.token)
        if decision is None:
            changed.append(info)
            continue
        met.add(frame.token)
        _check_frame(frame, decision)
        edit = decision.edit
        edits.append(edit)
        label = frame.meta_label
        if _is_applied(label, edit):
            already += 1
            changed.append(info)
            continue
        info = info | {'meta_action': _reviewed(edit.after)}
        if edit.after != frame.meta_action and frame.cot:
            info = info | {'cot': NO_TEXT}
        changed.append(info)
    for token, decision in decisions.items():
        if token not in met:
            raise ReviewError(
                f'{decision.edit.line}: the info file has no such token; '
                'give the file that the page was built from, for example '
                '..._val.pkl instead of ..._train.pkl'
            )
    return ReviewedInfos(changed, edits, already)


def without_text(infos: Iterable[Mapping]) -> list[str]:
    """Return the tokens of reviewed frames without a chain of thought."""
    return [
        frame.token
        for frame in map(InfoFrame, infos)
        if 'cot' in frame
        and frame.cot == NO_TEXT
        and (frame.meta_label or {}).get('source') == SOURCE_REVIEW
    ]


def _pair(label: Mapping) -> MetaAction:
    return MetaAction(label['speed'], label['direction'])


def _reviewed(pair: MetaAction) -> dict:
    return {
        'speed': pair.speed,
        'direction': pair.direction,
        'source': SOURCE_REVIEW,
        'confidence': REVIEW_CONFIDENCE,
    }


def _is_applied(label: Mapping, edit: Edit) -> bool:
    return label['source'] == SOURCE_REVIEW and _pair(label) == edit.after


def _check_frame(frame: InfoFrame, decision: SettledEdit) -> None:
    edit, label = decision.edit, frame.meta_label
    place = (frame.scene_name, frame.frame_idx)
    if place != (edit.scene_name, edit.frame_idx):
        raise ReviewError(
            f'{edit.line}: the line says frame {edit.frame_idx} of '
            f'{edit.scene_name!r}, the info file frame {place[1]} of '
            f'{place[0]!r}; build the review pages again from this file'
        )
    if label is None:
        raise ReviewError(
            f'{edit.line}: the frame has no label in the info file, because '
            'its recording ends too early; leave the line out'
        )
    if not _is_applied(label, edit) and _pair(label) not in decision.known:
        raise ReviewError(
            f"{edit.line}: 'before' is {tuple(edit.before)!r}, but the label "
            f'in the info file is {tuple(_pair(label))!r} (source '
            f'{label["source"]!r}); build the review page again and look at '
            'this frame'
        )
