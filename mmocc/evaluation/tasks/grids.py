"""Read two files of class ids frame by frame."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from mmocc.evaluation.files import Joined, NpzFile, ResultFileError
from mmocc.evaluation.functional.occ import NUM_CLASSES, UNLABELLED

FIELD = 'semantics'


class GridPair(ExitStack):
    """Predicted and ground-truth grids of the same samples.

    Iterating yields (place, predicted ids, ground-truth ids), both uint8, in
    the order of the ground truth; ids are checked as they come, and both
    files' checksums at the end.

    Args:
        pred_path (Path): npz file with ``semantics``.
        gt_path (Path): npz file with ``semantics``.
        dims (int): Dimensions of one sample: 3, or 4 of forecasts, whose
            numbers of grids may differ.

    Attributes:
        pred (NpzFile): The predictions.
        gt (NpzFile): The ground truth.
        shape (tuple[int]): Shape of one ground-truth sample.
        names (list[str]): Tokens, or numbers where there are none.

    Raises:
        ResultFileError: A file cannot be read, or the arrays do not fit each
            other.
    """

    def __init__(self, pred_path: Path, gt_path: Path, dims: int) -> None:
        super().__init__()
        with ExitStack() as stack:  # closes the files if one is refused
            self.pred = stack.enter_context(NpzFile(pred_path))
            self.gt = stack.enter_context(NpzFile(gt_path))
            for file in (self.pred, self.gt):
                _check_header(file, dims)
            joined = Joined(self.pred, self.gt, FIELD)
            self.names, self._places = joined.names, joined.places
            self._sources = self.pred.frames(FIELD), self.gt.frames(FIELD)
            pred_shape, self.shape = (each.shape for each in self._sources)
            if pred_shape[-3:] != self.shape[-3:]:
                raise ResultFileError(
                    pred_path,
                    f'has grids of {pred_shape}, and {gt_path} has '
                    f'{self.shape}',
                    FIELD,
                )
            self.push(stack.pop_all())

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        preds, gts = self._sources
        for place, row in enumerate(self._places):
            pred = self._checked(self.pred, preds[row], place)
            yield place, pred, self._checked(self.gt, gts[place], place)
        self.pred.finish()
        self.gt.finish()

    def _checked(
        self, file: NpzFile, ids: np.ndarray, place: int
    ) -> np.ndarray:
        """Return the ids as uint8 if every one of them is legal."""
        legal = (ids >= 0) & (ids < NUM_CLASSES)
        also = ''
        if file is self.gt:
            legal |= ids == UNLABELLED
            also = f', or {UNLABELLED} for no label'
        if not legal.all():
            raise ResultFileError(
                file.path,
                f'holds the id {ids[~legal][0]}, expected 0 to '
                f'{NUM_CLASSES - 1}{also}',
                FIELD,
                self.names[place],
            )
        return ids.astype(np.uint8, copy=False)

    @contextmanager
    def naming(self, place: int) -> Iterator[None]:
        """Add file and sample to a ValueError."""
        try:
            yield
        except ValueError as error:
            raise ResultFileError(
                self.pred.path, str(error), FIELD, self.names[place]
            ) from error


def _check_header(file: NpzFile, dims: int) -> None:
    """Refuse arrays of other dimensions and of other types than ids."""
    file.require(FIELD)
    header = file.header(FIELD)
    if len(header.shape) != dims + 1:
        axes = '(N, T, X, Y, Z)' if dims > 3 else '(N, X, Y, Z)'
        raise ResultFileError(
            file.path, f'has shape {header.shape}, expected {axes}', FIELD
        )
    if header.dtype.kind not in 'iu':
        raise ResultFileError(
            file.path,
            f'is {header.dtype}, expected integer class ids (uint8); take '
            'the argmax of scores',
            FIELD,
        )
