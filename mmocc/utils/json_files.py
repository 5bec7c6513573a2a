"""Read and write JSON files and JSON-lines files; the only place that does.

Whatever is wrong with a file ends as one :class:`JsonFileError` that names
the file and, where it is known, the line. Needs the standard library alone.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from mmocc.utils.atomic import atomic_open

# Integers of C and NumPy; a longer one overflows in the first computation.
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_SAFE_DIGITS = 18  # fewer digits than those limits have
_KIND_NAMES = {
    dict: 'an object',
    list: 'a list',
    str: 'a string',
    int: 'a whole number',
    float: 'a number',
    bool: 'true or false',
    type(None): 'null',
}
# Skips strings, so that a word inside of a text is not taken for a number.
_OUTSIDE_STRINGS = r'"(?:[^"\\]|\\.)*"|({pattern})'
_NO_NUMBER = re.compile(_OUTSIDE_STRINGS.format(pattern='NaN|-?Infinity'))
_LONG_INTEGER = re.compile(
    _OUTSIDE_STRINGS.format(pattern=rf'\d{{{_SAFE_DIGITS + 1},}}')
)


class JsonFileError(ValueError):
    """A JSON file is missing, damaged, or holds something else than expected.

    Args:
        source (Path | str): The file, or what else the text came from.
        problem (str): What was got, what was expected and the way out.
        line (int, optional): Line number from 1.

    Attributes:
        problem (str): The message without file and line.
        line (int or None): Line number from 1.
    """

    def __init__(
        self, source: Path | str, problem: str, line: int | None = None
    ) -> None:
        self.problem, self.line = problem, line
        place = f'{source}, line {line}' if line else f'{source}'
        super().__init__(f'{place}: {problem}')


class JsonLine(NamedTuple):
    """One record of a JSON-lines file and its place.

    Attributes:
        path (Path): The file.
        number (int): Line number from 1.
        values (dict): The record.
    """

    path: Path
    number: int
    values: dict[str, Any]

    def get_field(self, key: str, kind: type) -> Any:
        """Return the value of a key and check its type.

        Args:
            key (str): A key that the record must have.
            kind (type): ``str``, ``int``, ``float``, ``bool``, ``list`` or
                ``dict``. An integer passes as a float, a bool as neither.

        Raises:
            JsonFileError: The key is missing or its value has another type.
        """
        if key not in self.values:
            raise JsonFileError(
                self.path,
                f'lacks the key {key!r}, it has {sorted(self.values)}',
                self.number,
            )
        value = self.values[key]
        if not _is_kind(value, kind):
            raise JsonFileError(
                self.path,
                f'{key!r} is {value!r}, expected {_KIND_NAMES[kind]}',
                self.number,
            )
        return value


def parse_json(
    text: str | bytes,
    source: Path | str,
    *,
    kind: type | None = None,
    allow_nan: bool = False,
    any_integer: bool = False,
    line: int | None = None,
) -> Any:
    """Convert a JSON text into Python objects.

    Args:
        text (str | bytes): The text, with or without a byte order mark;
            bytes are UTF-8.
        source (Path | str): Where the text came from, for messages.
        kind (type, optional): Type that the outermost value must have, such
            as ``dict`` or ``list``. Defaults to None: any.
        allow_nan (bool): Whether ``NaN`` and ``Infinity``, which are no JSON
            but written by Python, are accepted. Defaults to False.
        any_integer (bool): Whether integers beyond 64 bits are accepted, as
            Hugging Face writes one for "no limit". Defaults to False.
        line (int, optional): Number of the line that the text is, for
            messages. Defaults to None: lines are counted in the text.

    Raises:
        JsonFileError: The text is not UTF-8, cut off, no JSON, nested too
            deeply, has an integer beyond 64 bits or an unwanted ``NaN``, or
            its value is of another type.
    """

    def fail(problem: str, before: str | bytes | None = None) -> JsonFileError:
        number = line
        if number is None and before is not None:
            newline = '\n' if isinstance(before, str) else b'\n'
            number = before.count(newline) + 1
        return JsonFileError(source, problem, number)

    if isinstance(text, bytes):
        try:
            text = text.decode('utf-8')
        except UnicodeDecodeError as error:
            raise fail(
                f'is not UTF-8 ({error.reason} at byte {error.start}); save '
                'it as UTF-8',
                error.object[: error.start],
            ) from error
    text = text.removeprefix('\ufeff')
    try:
        value = json.loads(
            text,
            parse_int=None if any_integer else _parse_int,
            parse_constant=None if allow_nan else _refuse_constant,
        )
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or 'Unterminated' in error.msg
        raise fail(
            f'{"is cut off" if cut else "is no JSON"} ({error.msg}, column '
            f'{error.colno}); write the file again',
            text[: error.pos],
        ) from error
    except RecursionError:
        # Its traceback has a thousand equal lines.
        raise fail('is nested too deeply for a data file') from None
    except _UnwantedNumberError as error:
        raise fail(str(error), _before(error.pattern, text)) from None
    if kind is not None and not _is_kind(value, kind):
        raise fail(
            f'holds {_KIND_NAMES[type(value)]}, expected {_KIND_NAMES[kind]}'
        )
    return value


def read_json(
    path: str | os.PathLike,
    *,
    kind: type | None = None,
    allow_nan: bool = False,
    any_integer: bool = False,
) -> Any:
    """Read a JSON file.

    Args:
        path (str | os.PathLike): The file, UTF-8 with or without a byte
            order mark.
        kind (type, optional): Type that the outermost value must have, such
            as ``dict`` or ``list``. Defaults to None: any.
        allow_nan (bool): Whether ``NaN`` and ``Infinity`` are accepted.
            Defaults to False.
        any_integer (bool): Whether integers beyond 64 bits are accepted.
            Defaults to False.

    Raises:
        JsonFileError: The file cannot be read, or its content is refused by
            ``parse_json``.
    """
    return parse_json(
        _read_bytes(Path(path)),
        path,
        kind=kind,
        allow_nan=allow_nan,
        any_integer=any_integer,
    )


def read_json_lines(
    path: str | os.PathLike,
    *,
    allow_nan: bool = False,
    damaged: Callable[[JsonFileError], object] | None = None,
) -> list[JsonLine]:
    """Read a file of one JSON object per line; empty lines are skipped.

    Args:
        path (str | os.PathLike): The file, UTF-8 with or without a byte
            order mark.
        allow_nan (bool): Whether ``NaN`` and ``Infinity`` are accepted.
            Defaults to False.
        damaged (Callable, optional): Gets the error of each line that is no
            JSON object, which is then left out. Defaults to None: the first
            of them is raised.

    Returns:
        list[JsonLine]: The records in order; none for an empty file.

    Raises:
        JsonFileError: The file cannot be read, or a line is no JSON object.
    """
    path = Path(path)
    records = []
    # Split at \n alone: str.splitlines() also splits inside of texts.
    for number, raw in enumerate(_read_bytes(path).split(b'\n'), start=1):
        if not raw.strip():
            continue
        try:
            values = parse_json(
                raw, path, kind=dict, allow_nan=allow_nan, line=number
            )
        except JsonFileError as error:
            if damaged is None:
                raise
            damaged(error)
        else:
            records.append(JsonLine(path, number, values))
    return records


def write_json(
    value: Any, path: str | os.PathLike, *, indent: int | None = None
) -> None:
    """Write a JSON file whole or not at all.

    Args:
        value (Any): Dictionaries, lists, strings, numbers, bools and None.
        path (str | os.PathLike): Target; an existing file is replaced.
        indent (int, optional): Spaces per level. Defaults to None: one line.
    """
    with atomic_open(path) as file:
        file.write(_encode(value, indent) + b'\n')


def write_json_lines(
    records: Iterable[Mapping[str, Any]], path: str | os.PathLike
) -> int:
    """Write one JSON object per line, the whole file or nothing.

    Args:
        records (Iterable[Mapping]): The objects.
        path (str | os.PathLike): Target; an existing file is replaced.

    Returns:
        int: Number of records.
    """
    count = 0
    with atomic_open(path) as file:
        for record in records:
            file.write(_encode(dict(record)) + b'\n')
            count += 1
    return count


class JsonLinesWriter:
    """Append objects to a JSON-lines file, one whole line at a time.

    Several threads may append. A killed process loses no earlier line, and a
    line that could not be written whole, because the disk is full or the
    process was killed, is cut off again.

    Args:
        path (str | os.PathLike): The file; its folder is made.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_file():
            _cut_torn_line(self.path)
        self._lock = Lock()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write an object as the last line.

        Raises:
            JsonFileError: The file cannot be written; it ends with the line
                before.
        """
        line = memoryview(_encode(dict(record)) + b'\n')
        try:
            with self._lock, self.path.open('ab', buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    while line:  # a full disk takes the first bytes only
                        line = line[file.write(line) :]
                except BaseException:
                    file.truncate(end)
                    raise
        except OSError as error:
            raise JsonFileError(
                self.path, f'cannot be written ({error.strerror})'
            ) from error


class _UnwantedNumberError(ValueError):
    """A number that no data file should hold.

    Args:
        problem (str): What it is and what is expected.
        pattern (re.Pattern): Finds it in the text.
    """

    def __init__(self, problem: str, pattern: re.Pattern) -> None:
        super().__init__(problem)
        self.pattern = pattern


def _parse_int(digits: str) -> int:
    if len(digits) <= _SAFE_DIGITS:
        return int(digits)
    # int() itself refuses more than 4,300 digits.
    if len(digits) <= 2 * _SAFE_DIGITS:
        value = int(digits)
        if _SMALLEST <= value <= _LARGEST:
            return value
    raise _UnwantedNumberError(
        f'holds an integer of {len(digits.lstrip("-"))} digits, expected '
        'numbers of 64 bits',
        _LONG_INTEGER,
    )


def _refuse_constant(name: str) -> None:
    raise _UnwantedNumberError(
        f'holds {name}, expected finite numbers', _NO_NUMBER
    )


def _before(pattern: re.Pattern, text: str) -> str | None:
    """The text in front of the first match outside of strings."""
    for match in pattern.finditer(text):
        if match[1]:
            return text[: match.start()]
    return None


def _is_kind(value: Any, kind: type) -> bool:
    if isinstance(value, bool):  # an int to Python, no number in JSON
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JsonFileError(
            path, f'cannot be read ({error.strerror})'
        ) from error


def _encode(value: Any, indent: int | None = None) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        return text.encode('utf-8')
    except UnicodeEncodeError:  # half of a surrogate pair, escaped as \udXXX
        return json.dumps(value, indent=indent).encode('ascii')


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b'\n') + 1
    if whole < len(content):
        os.truncate(path, whole)
