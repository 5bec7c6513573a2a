"""``--cfg-options`` of the tools."""

import argparse
from collections.abc import Sequence

from mmengine.config import DictAction


class Overrides(DictAction):
    """mmengine's ``KEY=VALUE`` pairs; other words are a usage error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Store the pairs as a dict of dotted keys to values."""
        for word in values:
            key, equals, _ = word.partition('=')
            if not (key and equals):
                parser.error(
                    f'argument {option_string}: got {word!r}, expected '
                    'KEY=VALUE without spaces around the equals sign'
                )
        super().__call__(parser, namespace, values, option_string)
