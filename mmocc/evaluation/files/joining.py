"""Join predictions and ground truth, sample by sample."""

from collections.abc import Hashable, Sequence
from pathlib import Path

from mmocc.evaluation.files.errors import ResultFileError, shorten
from mmocc.evaluation.files.npz_file import NpzFile


def match_keys(
    pred: Sequence[Hashable],
    truth: Sequence[Hashable],
    pred_path: Path,
    truth_path: Path,
    what: str = 'tokens',
) -> list[int]:
    """Find the place of each ground-truth key among the predictions.

    Raises:
        ResultFileError: One side has keys that the other lacks.
    """
    places = {key: place for place, key in enumerate(pred)}
    missing = [str(key) for key in truth if key not in places]
    if missing:
        raise ResultFileError(
            pred_path,
            f'lacks {len(missing)} of the {len(truth)} {what} of '
            f'{truth_path}: {shorten(missing)}; predict every sample, none is '
            'left out silently',
        )
    known = set(truth)
    unknown = [str(key) for key in pred if key not in known]
    if unknown:
        raise ResultFileError(
            pred_path,
            f'has {len(unknown)} {what} that {truth_path} lacks: '
            f'{shorten(unknown)}; evaluate against the ground truth of the '
            'same samples',
        )
    return [places[key] for key in truth]


class Joined:
    """The samples of two npz files, in the order of the ground truth.

    Where both have tokens they are joined by token, where none has by
    position.

    Attributes:
        names (list[str]): What to call each sample in an error.
        places (list[int]): Where each sample is among the predictions.

    Args:
        pred (NpzFile): The predictions.
        truth (NpzFile): The ground truth.
        counted (str): An array that both have, one entry per sample.

    Raises:
        ResultFileError: Samples are missing or left over, or one file alone
            has tokens.
    """

    def __init__(self, pred: NpzFile, truth: NpzFile, counted: str) -> None:
        sides = []
        for file in (pred, truth):
            shape = file.header(counted).shape
            if not shape or shape[0] == 0:
                raise ResultFileError(
                    file.path, f'has shape {shape}: no sample', counted
                )
            tokens = file.tokens()
            if tokens is not None and len(tokens) != shape[0]:
                raise ResultFileError(
                    file.path,
                    f'has {len(tokens)} tokens for {shape[0]} samples',
                    'tokens',
                )
            sides.append((tokens, shape[0]))
        (pred_tokens, number), (gt_tokens, expected) = sides
        if (pred_tokens is None) != (gt_tokens is None):
            bare = pred if pred_tokens is None else truth
            raise ResultFileError(
                bare.path,
                'has no tokens and the other file has; add them, or take '
                'them out of both to compare by position',
                'tokens',
            )
        if gt_tokens is None:
            if number != expected:
                raise ResultFileError(
                    pred.path,
                    f'has {number} samples and {truth.path} has {expected}; '
                    'without tokens, both must list the same samples in the '
                    'same order',
                    counted,
                )
            self.names = [f'number {i}' for i in range(expected)]
            self.places = list(range(expected))
        else:
            self.names = list(gt_tokens)
            self.places = match_keys(
                pred_tokens, gt_tokens, pred.path, truth.path
            )

    def __len__(self) -> int:
        return len(self.names)
