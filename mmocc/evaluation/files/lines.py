"""JSON lines: one record of text per line."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmocc.evaluation.files.errors import ResultFileError
from mmocc.utils.atomic import atomic_open


class Line(NamedTuple):
    """A record and where it stands.

    Attributes:
        number (int): From 1.
        values (dict): The record.
    """

    number: int
    values: dict[str, Any]


def read_lines(path: Path) -> list[Line]:
    """Read every record of a file; empty lines are skipped.

    Raises:
        ResultFileError: The file cannot be read, a line is no JSON object, or
            there is none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultFileError(
            path, f'cannot be read ({error.strerror})'
        ) from error
    lines = []
    for number, raw in enumerate(content.split(b'\n'), start=1):
        if not raw.strip():
            continue
        try:
            values = json.loads(raw)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ResultFileError(
                path,
                f'line {number} is cut off or no JSON ({error}); expected one '
                'JSON object per line',
            ) from error
        if not isinstance(values, dict):
            raise ResultFileError(
                path,
                f'line {number} holds a {type(values).__name__}, expected a '
                'JSON object',
            )
        lines.append(Line(number, values))
    if not lines:
        raise ResultFileError(path, 'has no record')
    return lines


def text_of(path: Path, line: Line, field: str) -> str:
    """A field that must be a string.

    Raises:
        ResultFileError: It is not there, or something else.
    """
    sample = name_of(line)
    if field not in line.values:
        raise ResultFileError(
            path,
            f'is missing on line {line.number}, which has '
            f'{sorted(line.values)}',
            field,
            sample,
        )
    value = line.values[field]
    if not isinstance(value, str):
        raise ResultFileError(
            path,
            f'is {value!r} on line {line.number}, expected a string',
            field,
            sample,
        )
    return value


def name_of(line: Line) -> str:
    """What to call a record in an error."""
    token = line.values.get('token')
    return str(token) if token else f'line {line.number}'


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Write records, one JSON object per line; return how many.

    The file takes its name when all of them are written.
    """
    count = 0
    with atomic_open(path, 'w') as file:
        for record in records:
            file.write(json.dumps(dict(record), ensure_ascii=False) + '\n')
            count += 1
    return count
