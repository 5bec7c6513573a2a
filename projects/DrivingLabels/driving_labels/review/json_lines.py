"""JSON Lines files with errors that name file, line and token."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmocc.structures import META_ACTIONS, MetaAction


class ReviewError(ValueError):
    """A review file is broken, or does not fit the labels."""


@dataclass(frozen=True)
class Line:
    """One object of a file, with its place for messages.

    Attributes:
        path (Path): The file.
        number (int): Of the line, from 1.
        content (dict): The object.
    """

    path: Path
    number: int
    content: dict

    def __str__(self) -> str:
        token = self.content.get('token')
        return f'{self.path}, line {self.number}, token {token!r}'

    def get(self, key: str, kind: type) -> object:
        """The value of a key, which must be of one type.

        Raises:
            ReviewError: It is missing or of another type.
        """
        value = self.content.get(key)
        # A bool is an int to Python, but no number in JSON.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ReviewError(
                f'{self}: {key!r} is {value!r}, expected {_NAMES[kind]}; '
                'export the file again from the review page'
            )
        return value

    def pair(self, source: dict, name: str) -> MetaAction:
        """The meta-action in ``speed`` and ``direction`` of a dictionary.

        Args:
            source (dict): This line's object, or one inside it.
            name (str): What the pair is, for messages.

        Raises:
            ReviewError: The words are not of the vocabulary.
        """
        pair = MetaAction(source.get('speed'), source.get('direction'))
        if pair not in META_ACTIONS:
            raise ReviewError(
                f'{self}: {name} is {tuple(pair)!r}, expected a speed and a '
                'direction of the vocabulary in mmocc/structures/'
                'meta_action.py; choose again in the review page'
            )
        return pair


_NAMES = {
    str: 'a string',
    int: 'a whole number',
    float: 'a number',
    dict: 'an object',
}


def read_lines(path: str | Path) -> Iterator[Line]:
    """The objects of a JSON Lines file; empty lines are passed over.

    Raises:
        ReviewError: The file cannot be read, or a line holds no object.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError(
            f'cannot read {path} ({error}); give a .jsonl file that the '
            'review page exported'
        ) from error
    # Not splitlines(), which also splits inside of strings.
    for number, line in enumerate(text.split('\n'), start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except json.JSONDecodeError as error:
            raise ReviewError(
                f'{path}, line {number}: no JSON ({error}); is the file cut '
                'off? Export it again from the review page'
            ) from error
        if not isinstance(content, dict):
            raise ReviewError(
                f'{path}, line {number}: a {type(content).__name__}, expected '
                'an object with a token; export the file again from the '
                'review page'
            )
        yield Line(path, number, content)
