"""Two files of class ids, frame by frame."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mmocc.evaluation.files import (
    FrameSource,
    Joined,
    NpzFile,
    ResultFileError,
)
from mmocc.evaluation.functional.occ import NUM_CLASSES, UNLABELLED

FIELD = 'semantics'


class GridPair:
    """Predicted and true grids of the same samples.

    Iterating gives (place, predicted ids, true ids) in the order of the
    ground truth; ids are checked as they come.

    Args:
        pred (NpzFile): With ``semantics``.
        truth (NpzFile): With ``semantics``.
        dims (int): Of one sample: 3, or 4 for forecasts, whose numbers of
            grids may differ.

    Raises:
        ResultFileError: The arrays do not fit each other.
    """

    def __init__(self, pred: NpzFile, truth: NpzFile, dims: int) -> None:
        self._files = pred, truth
        self._sources: list[FrameSource] = []
        for file in self._files:
            file.require(FIELD)
            header = file.header(FIELD)
            if len(header.shape) != dims + 1:
                axes = '(N, T, X, Y, Z)' if dims > 3 else '(N, X, Y, Z)'
                raise ResultFileError(
                    file.path,
                    f'has shape {header.shape}, expected {axes}',
                    FIELD,
                )
            if header.dtype.kind not in 'iu':
                raise ResultFileError(
                    file.path,
                    f'is {header.dtype}, expected integer class ids (uint8); '
                    'take the argmax of scores',
                    FIELD,
                )
        self._joined = Joined(pred, truth, FIELD)
        for file in self._files:
            self._sources.append(file.frames(FIELD))
        said, true = (source.shape for source in self._sources)
        if said[-3:] != true[-3:]:
            raise ResultFileError(
                pred.path,
                f'has grids of {said}, and {truth.path} has {true}',
                FIELD,
            )
        self.shape = true
        self.names = self._joined.names

    def __len__(self) -> int:
        return len(self._joined)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        said, true = self._sources
        for place, row in enumerate(self._joined.places):
            yield (
                place,
                self._checked(0, said[row], place),
                self._checked(1, true[place], place),
            )

    def _checked(self, side: int, ids: np.ndarray, place: int) -> np.ndarray:
        """The ids as uint8, if every one of them is legal."""
        legal = (ids >= 0) & (ids < NUM_CLASSES)
        if side == 1:
            legal |= ids == UNLABELLED
        if not legal.all():
            also = f', or {UNLABELLED} for no label' if side == 1 else ''
            raise ResultFileError(
                self._files[side].path,
                f'holds the id {ids[~legal][0]}, expected 0 to '
                f'{NUM_CLASSES - 1}{also}',
                FIELD,
                self.names[place],
            )
        return ids.astype(np.uint8, copy=False)

    @contextmanager
    def naming(self, place: int) -> Iterator[None]:
        """Say which sample an error is about."""
        try:
            yield
        except ValueError as error:
            raise ResultFileError(
                self._files[0].path, str(error), FIELD, self.names[place]
            ) from error
