"""Read the edits of reviewers and settle which of them count."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmocc.projects.DrivingLabels.driving_labels.review.review_lines import (
    ReviewError,
    ReviewLine,
    read_review_lines,
)
from mmocc.structures import META_ACTIONS, MetaAction

ACCEPTED = 'accepted'
EDITED = 'edited'
# A car that stops does not accelerate: neither the rules nor a reviewer may
# say so.
NO_LABEL = MetaAction('Accelerate', 'Stop')
LABEL_PAIRS = tuple(pair for pair in META_ACTIONS if pair != NO_LABEL)


@dataclass(frozen=True)
class Edit:
    """Decision of a reviewer about a frame: a line of an exported file.

    Attributes:
        token (str): Sample token.
        scene_name (str): Its scene.
        frame_idx (int): Its place in the scene.
        before (MetaAction): The label that the reviewer saw.
        after (MetaAction): The label that the reviewer wants; the same where
            the label was accepted.
        reviewer (str): Name of the reviewer.
        line (ReviewLine): Where this was read, for messages.
    """

    token: str
    scene_name: str
    frame_idx: int
    before: MetaAction
    after: MetaAction
    reviewer: str
    line: ReviewLine

    @property
    def status(self) -> str:
        return ACCEPTED if self.before == self.after else EDITED


def read_edits(path: str | Path) -> list[Edit]:
    """Read the edits that a review page exported.

    Args:
        path (str | Path): One object a line with ``token``, ``scene_name``,
            ``frame_idx``, ``speed``, ``direction``, ``status``, ``before``
            (``speed`` and ``direction``) and ``reviewer``.

    Raises:
        ReviewError: A line is broken, contradicts itself or holds a pair that
            is no label.
    """
    return [_read_edit(line) for line in read_review_lines(path)]


def _read_edit(line: ReviewLine) -> Edit:
    edit = Edit(
        token=line.get_field('token', str),
        scene_name=line.get_field('scene_name', str),
        frame_idx=line.get_field('frame_idx', int),
        before=line.get_pair(line.get_field('before', dict), "'before'"),
        after=line.get_pair(line.values, 'the pair'),
        reviewer=line.get_field('reviewer', str).strip(),
        line=line,
    )
    status = line.get_field('status', str)
    if not edit.reviewer:
        raise ReviewError(
            f"{line}: 'reviewer' is empty; enter your name in the review page "
            'and export again'
        )
    if edit.after not in LABEL_PAIRS:
        raise ReviewError(
            f'{line}: {tuple(edit.after)!r} is no label, because who stops '
            'does not accelerate; choose another speed in the review page'
        )
    if status != edit.status:
        raise ReviewError(
            f"{line}: 'status' is {status!r}, but the change from "
            f'{tuple(edit.before)!r} to {tuple(edit.after)!r} is '
            f'{edit.status!r}; export the file again from the review page'
        )
    return edit


@dataclass(frozen=True)
class SettledEdit:
    """The edit of a frame that counts, after all of them are known.

    Attributes:
        edit (Edit): The edit that counts.
        known (frozenset[MetaAction]): Labels that it may replace.
    """

    edit: Edit
    known: frozenset[MetaAction]

    def followed_by(self, edit: Edit) -> 'SettledEdit':
        """Return the settled edit after one more edit of the same frame.

        Raises:
            ReviewError: Its reviewer saw neither the label that earlier ones
                saw nor the one that they wanted.
        """
        seen = self.known | {self.edit.after}
        if edit.before not in seen:
            raise ReviewError(
                f"{edit.line}: 'before' is {tuple(edit.before)!r}, but line "
                f'{self.edit.line.number} of {self.edit.line.path} was about '
                f'{" or ".join(map(str, sorted(map(tuple, seen))))}; the '
                'pages were built from different info files: look at this '
                'frame again'
            )
        return SettledEdit(edit, seen)


def decide(
    files: Sequence[Iterable[Edit]], later_wins: bool = False
) -> dict[str, SettledEdit]:
    """Settle which edit counts where a frame was edited more than once.

    Args:
        files (Sequence[Iterable[Edit]]): The edits of each file, in the order
            in which the files were given.
        later_wins (bool): Whether the later of two files that contradict each
            other counts. Defaults to False: they are refused.

    Returns:
        dict[str, SettledEdit]: By sample token.

    Raises:
        ReviewError: Edits contradict each other within a file, or between
            files without ``later_wins``.
    """
    decisions: dict[str, SettledEdit] = {}
    for edits in files:
        of_file: dict[str, Edit] = {}
        for edit in edits:
            _check_agreement(of_file.get(edit.token), edit)
            of_file[edit.token] = edit
        for token, edit in of_file.items():
            earlier = decisions.get(token)
            if earlier is None:
                decisions[token] = SettledEdit(edit, frozenset({edit.before}))
                continue
            if not later_wins:
                _check_agreement(earlier.edit, edit)
            decisions[token] = earlier.followed_by(edit)
    return decisions


def _check_agreement(earlier: Edit | None, edit: Edit) -> None:
    if earlier is None or earlier.after == edit.after:
        return
    raise ReviewError(
        f'{edit.line}: {edit.reviewer} wants {tuple(edit.after)!r}, but line '
        f'{earlier.line.number} of {earlier.line.path} wants '
        f'{tuple(earlier.after)!r} ({earlier.reviewer}); settle it and keep '
        'one of the lines, or, if they are in different files, give the file '
        'that counts last and --later-wins'
    )
