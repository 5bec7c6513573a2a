"""Options of the command line that would change nothing, found beforehand.

mmengine executes a config once and merges options afterwards: a misspelt key
becomes a new one that nobody reads, and a variable such as ``data_root`` has
already been used.
"""

import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.config import Config

# Read from the config beside the arguments of mmengine's Runner.
_ALSO_READ = (
    'activation_checkpointing',
    'compile',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'resource_limit',
    'strategy',
    'sync_bn',
)


def unread_option(config: Config, options: Iterable[str]) -> str | None:
    """Say what is wrong with the first option that nothing would read.

    Args:
        config (Config): Before the options are merged. One without a
            ``model`` is a part of a config, where any key may change.
        options (Iterable[str]): Dotted keys.

    Returns:
        str | None: What is wrong and the way out; None if all are read.
    """
    if 'model' not in config:
        return None
    read = _read_keys()
    for option in options:
        name, _, rest = option.partition('.')
        if name in read:
            continue
        if name not in config:
            close = difflib.get_close_matches(name, read, n=1)
            hint = f'did you mean {close[0]!r}' if close else 'correct it'
            return f'--cfg-options {option}: there is no key {name!r}; {hint}'
        places = [
            f'{place}.{rest}' if rest else place
            for key in config
            if key in read
            for place in _places(config[key], key, config[name])
        ]
        instead = ', '.join(places) or 'the keys that it was used for'
        return (
            f'--cfg-options {option}: {name!r} is a variable that the config '
            f'has already used, a change comes too late; set {instead} '
            '(tools/misc/print_config.py shows all keys)'
        )
    return None


def _read_keys() -> set[str]:
    from mmengine.runner import Runner  # takes seconds, for options only

    arguments = set(inspect.signature(Runner.__init__).parameters)
    return (arguments - {'self', 'cfg'}) | set(_ALSO_READ)


def _places(value: Any, key: str, wanted: Any) -> Iterator[str]:
    """Where a value equal to ``wanted`` lies, as dotted keys."""
    if value == wanted:
        yield key
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _places(part, f'{key}.{name}', wanted)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _places(part, f'{key}.{index}', wanted)
