"""Read two files of JSON lines record by record."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmocc.evaluation.files import ResultFileError, match_keys
from mmocc.evaluation.files.errors import shorten
from mmocc.structures.driving_qa import is_answer
from mmocc.utils.json_files import JsonLine, read_json_lines


def field_error(line: JsonLine, field: str, problem: str) -> ResultFileError:
    """Return the error of a record's field: file, field, token and line."""
    return ResultFileError(
        line.path,
        f'line {line.number}: {problem}',
        field,
        line.values.get('token') or None,
    )


def read_field(
    line: JsonLine,
    field: str,
    kinds: type | tuple[type, ...] = str,
    expected: str = 'a string',
    known: Collection | None = None,
) -> Any:
    """Return a field of a record and check it.

    Args:
        line (JsonLine): The record.
        field (str): Its key.
        kinds (type | tuple[type]): Types that the value may have. Defaults
            to str.
        expected (str): Those types in words. Defaults to 'a string'.
        known (Collection, optional): Values that the field may have.

    Raises:
        ResultFileError: The field is missing, or holds something else.
    """
    if field not in line.values:
        raise field_error(
            line,
            field,
            f'is missing, the record has {sorted(line.values)}',
        )
    value = line.values[field]
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise field_error(line, field, f'is {value!r}, expected {expected}')
    if known is not None and value not in known:
        raise field_error(
            line, field, f'is {value!r}, expected one of {known}'
        )
    return value


def read_truth(
    line: JsonLine,
    kinds: type | tuple[type, ...] = str,
    expected: str = 'a string',
) -> Any:
    """Return the true answer of a record of the ground truth.

    Args:
        line (JsonLine): The record.
        kinds (type | tuple[type]): As in :func:`read_field`.
        expected (str): As in :func:`read_field`.

    Raises:
        ResultFileError: There is none, or it is of another type.
    """
    if 'answer' in line.values and not is_answer(line.values['answer']):
        raise field_error(
            line,
            'answer',
            'is empty; leave records without ground truth out of both files',
        )
    return read_field(line, 'answer', kinds, expected)


class TextPair:
    """Predicted and ground-truth records with the same keys.

    Iterating yields (prediction, ground truth) in the order of the ground
    truth.

    Args:
        pred_path (Path): File of the predictions.
        gt_path (Path): File of the ground truth.
        keys (Sequence[str]): Fields that together tell records apart; where
            all records have an ``id``, that and ``token`` do.

    Raises:
        JsonFileError: A file cannot be read.
        ResultFileError: A file has no record, a key is missing, records
            occur twice, or one side lacks some.
    """

    def __init__(
        self, pred_path: Path, gt_path: Path, keys: Sequence[str]
    ) -> None:
        sides = [read_json_lines(path) for path in (pred_path, gt_path)]
        if all('id' in line.values for lines in sides for line in lines):
            keys = ('token', 'id')
        pred_keys, gt_keys = (
            _read_keys(path, lines, keys)
            for path, lines in zip((pred_path, gt_path), sides, strict=True)
        )
        places = match_keys(
            pred_keys,
            gt_keys,
            pred_path,
            gt_path,
            f'records ({", ".join(keys)})',
        )
        preds, gts = sides
        self._records = [
            (preds[place], gt) for place, gt in zip(places, gts, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[tuple[JsonLine, JsonLine]]:
        return iter(self._records)


@contextmanager
def naming(line: JsonLine, field: str) -> Iterator[None]:
    """Add file, field and record to a TypeError or ValueError."""
    try:
        yield
    except ResultFileError:
        raise
    except (TypeError, ValueError) as error:
        raise field_error(line, field, str(error)) from error


def _read_keys(
    path: Path, lines: Sequence[JsonLine], names: Sequence[str]
) -> list[Hashable]:
    """Return what tells each record of a file apart."""
    if not lines:
        raise ResultFileError(path, 'has no record')
    keys = []
    for line in lines:
        for name in names:
            value = line.values.get(name)
            if not isinstance(value, str | int) or value == '':
                raise field_error(
                    line,
                    name,
                    f'is {value!r}, expected a string that is not empty',
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
