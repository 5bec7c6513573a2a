"""Read lines of review files; errors name file, line and token."""

from pathlib import Path
from typing import Any

from mmocc.structures import META_ACTIONS, MetaAction
from mmocc.utils.json_files import JsonFileError, JsonLine, read_json_lines

_WAY_OUT = 'export the file again from the review page'


class ReviewError(ValueError):
    """A review file is broken, or does not fit the labels."""


class ReviewLine(JsonLine):
    """One record of an exported file or of the review queue."""

    __slots__ = ()

    def __str__(self) -> str:
        token = self.values.get('token')
        return f'{self.path}, line {self.number}, token {token!r}'

    def get_field(self, key: str, kind: type) -> Any:
        """Return the value of a key and check its type.

        Raises:
            ReviewError: The key is missing or its value has another type.
        """
        try:
            return super().get_field(key, kind)
        except JsonFileError as error:
            raise ReviewError(f'{self}: {error.problem}; {_WAY_OUT}') from None

    def get_pair(self, source: dict, name: str) -> MetaAction:
        """Return the meta-action in ``speed`` and ``direction``.

        Args:
            source (dict): This record, or an object inside of it.
            name (str): What the pair is, for messages.

        Raises:
            ReviewError: The words are not in the vocabulary.
        """
        pair = MetaAction(source.get('speed'), source.get('direction'))
        if pair not in META_ACTIONS:
            raise ReviewError(
                f'{self}: {name} is {tuple(pair)!r}, expected a speed and a '
                'direction of the vocabulary in mmocc/structures/'
                'meta_action.py; choose again in the review page'
            )
        return pair


def read_review_lines(path: str | Path) -> list[ReviewLine]:
    """Read a JSON-lines file that the review page or the arbiter wrote.

    Raises:
        ReviewError: The file cannot be read, or a line holds no object.
    """
    try:
        return [ReviewLine(*line) for line in read_json_lines(path)]
    except JsonFileError as error:
        raise ReviewError(f'{error}; {_WAY_OUT}') from error
