"""Two files of JSON lines, record by record."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmocc.evaluation.files import (
    Line,
    ResultFileError,
    match_keys,
    name_of,
    read_lines,
    text_of,
)
from mmocc.evaluation.files.errors import shorten


class TextPair:
    """Predicted and true records with the same keys.

    Args:
        pred_path (Path): The predictions.
        truth_path (Path): The ground truth.
        keys (Sequence[str]): Fields that together tell records apart; where
            records have an ``id`` of their own, that and ``token`` do.

    Raises:
        ResultFileError: A field is missing, records are there twice, or one
            side lacks some.
    """

    def __init__(
        self, pred_path: Path, truth_path: Path, keys: Sequence[str]
    ) -> None:
        self.pred_path, self.truth_path = pred_path, truth_path
        pred, truth = read_lines(pred_path), read_lines(truth_path)
        if all('id' in line.values for line in (*pred, *truth)):
            keys = ('token', 'id')
        said = _keys(pred_path, pred, keys)
        true = _keys(truth_path, truth, keys)
        places = match_keys(
            said, true, pred_path, truth_path, f'records ({", ".join(keys)})'
        )
        self._records = [
            (pred[place], line)
            for place, line in zip(places, truth, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[tuple[Line, Line]]:
        """(prediction, truth), in the order of the ground truth."""
        return iter(self._records)

    def answer(self, said: Line) -> str:
        """The predicted text; "" is an answer, nothing is not."""
        return text_of(self.pred_path, said, 'answer')

    @contextmanager
    def naming(self, true: Line, field: str) -> Iterator[None]:
        """Say which record of the ground truth an error is about."""
        try:
            yield
        except (TypeError, ValueError) as error:
            raise ResultFileError(
                self.truth_path,
                f'line {true.number}: {error}',
                field,
                name_of(true),
            ) from error


def _keys(
    path: Path, lines: Sequence[Line], names: Sequence[str]
) -> list[Hashable]:
    """What tells the records of a file apart."""
    keys = []
    for line in lines:
        for name in names:
            value = line.values.get(name)
            if not isinstance(value, str | int) or value == '':
                raise ResultFileError(
                    path,
                    f'is {value!r} on line {line.number}, expected a string '
                    'that is not empty',
                    name,
                    name_of(line),
                )
        keys.append(tuple(line.values[name] for name in names))
    seen: set[Hashable] = set()
    again = [key for key in keys if key in seen or seen.add(key)]
    if again:
        raise ResultFileError(
            path,
            f'{len(again)} records are there more than once: '
            f'{shorten([" / ".join(map(str, key)) for key in again])}; give '
            'records an "id" in both files if they are not the same',
        )
    return keys


def stated(lines: Sequence[Line], field: str) -> list[str]:
    """The different values of an optional field, in order."""
    return sorted(
        {str(line.values.get(field, 'not stated')) for line in lines}
    )
