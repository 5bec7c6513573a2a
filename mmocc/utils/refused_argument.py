"""Config keys that the class they are meant for does not take."""

import difflib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

_REFUSED = re.compile(
    r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'"
)


def refused_argument(config: Config, text: str) -> str | None:
    """Say which key of a config a class refused, and what it takes.

    Args:
        config (Config): What was built.
        text (str): Message of a ``TypeError``.

    Returns:
        str | None: The line; None if no key of the config is to blame.
    """
    found = _REFUSED.search(text)
    if found is None:
        return None
    owner, argument = found.groups()
    places = list(_places(config._cfg_dict.to_dict(), '', owner, argument))
    if not places:
        return None
    taken = _arguments_of(owner)
    close = difflib.get_close_matches(argument, taken, n=1)
    hint = f'; did you mean {close[0]!r}?' if close else ''
    takes = f'; it takes {", ".join(taken)}' if taken else ''
    return (
        f'{", ".join(places)}: {owner} takes no argument {argument!r}'
        f'{hint}{takes}'
    )


def _places(value: Any, key: str, owner: str, argument: str) -> Iterator[str]:
    """Keys ``argument`` of dicts whose type is ``owner``."""
    if isinstance(value, dict):
        if argument in value and str(value.get('type')).endswith(owner):
            yield f'{key}.{argument}' if key else argument
        for name, part in value.items():
            inner = f'{key}.{name}' if key else str(name)
            yield from _places(part, inner, owner, argument)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _places(part, f'{key}[{index}]', owner, argument)


def _arguments_of(owner: str) -> list[str]:
    """Arguments of a registered class, [] if it is not found."""
    from mmocc import registry  # imports mmdet3d: seconds, for errors only

    for level in vars(registry).values():
        while isinstance(level, Registry):
            if owner in level.module_dict:
                signature = inspect.signature(level.module_dict[owner])
                return list(signature.parameters)
            level = level.parent
    return []
