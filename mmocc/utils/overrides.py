"""``--cfg-options`` of the tools."""

import argparse
import ast
from collections.abc import Iterator, Sequence
from typing import Any

_WORDS = {'true': True, 'false': False, 'none': None}
_BRACKETS = {'(': ')', '[': ']'}


class Overrides(argparse.Action):
    """``KEY=VALUE`` pairs as mmengine's ``DictAction`` reads them, exactly.

    Values are Python literals, ``true``, ``false``, ``none``, lists such as
    ``a,b`` or ``[a,b]`` and tuples such as ``(1,2)``; all else is a string,
    character by character. Quotes keep a string one: ``'"123"'``.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Add the pairs to a dict of dotted keys to values."""
        options = dict(getattr(namespace, self.dest) or {})
        for word in values:
            key, equals, value = word.partition('=')
            if not (key and equals):
                parser.error(
                    f'argument {option_string}: got {word!r}, expected '
                    'KEY=VALUE without spaces around the equals sign'
                )
            options[key] = parse_value(value)
        setattr(namespace, self.dest, options)


def parse_value(text: str) -> Any:
    """Read the value of an option.

    Args:
        text (str): As the shell passed it.

    Returns:
        Any: A Python value; the text itself where it is no literal.
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    parts = list(_split(text))
    if len(parts) > 1:
        return [parse_value(part) for part in parts]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if _BRACKETS.get(text[:1]) == text[-1:] and len(text) > 1:
        inner = [parse_value(part) for part in _split(text[1:-1]) if part]
        return tuple(inner) if text[0] == '(' else inner
    return text


def _split(text: str) -> Iterator[str]:
    """The parts between commas outside of brackets and quotes."""
    depth, quote, start = 0, '', 0
    for index, letter in enumerate(text):
        if quote:
            quote = '' if letter == quote else quote
        elif letter in '"\'':
            quote = letter
        elif letter in '([{':
            depth += 1
        elif letter in ')]}':
            depth -= 1
        elif letter == ',' and depth == 0:
            yield text[start:index].strip()
            start = index + 1
    yield text[start:].strip() if start else text
