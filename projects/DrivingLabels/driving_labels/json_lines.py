"""Files of one JSON object a line that grow while a program runs."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from mmocc.utils.atomic import atomic_open


class JsonLinesError(ValueError):
    """A file of JSON lines is missing or broken."""


class JsonLinesWriter:
    """Appends objects to a file; several threads may.

    A line is handed to the system in one write as soon as it is known, so a
    killed program loses no earlier line. A line that an earlier run was
    killed in the middle of is cut off.

    Args:
        path (Path): The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_file():
            _cut_torn_line(self.path)
        self._lock = Lock()

    def append(self, record: dict) -> None:
        """Add an object as the last line."""
        line = json.dumps(record, ensure_ascii=False) + '\n'
        with self._lock, self.path.open('ab', buffering=0) as file:
            file.write(line.encode())


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b'\n') + 1
    if whole < len(content):
        os.truncate(path, whole)


def read_json_lines(path: Path) -> list[dict]:
    """Read all objects of a file.

    Raises:
        JsonLinesError: The file cannot be read or a line is no JSON object.
    """
    try:
        # Not splitlines(): it also splits at separators within a string.
        content = Path(path).read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise JsonLinesError(f'cannot read {path}: {error}') from error
    records = []
    for number, line in enumerate(content.split('\n'), start=1):
        if not line:
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise JsonLinesError(
                f'line {number} of {path} is no JSON ({error}); delete the '
                'line, or the file to start over'
            ) from error
        if not isinstance(record, dict):
            raise JsonLinesError(
                f'line {number} of {path} holds a {type(record).__name__}, '
                'expected a JSON object'
            )
        records.append(record)
    return records


def write_json_lines(records: Iterable[dict], path: Path) -> None:
    """Write a file of JSON lines whole or not at all."""
    with atomic_open(path, 'w') as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + '\n')
