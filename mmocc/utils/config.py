"""Configs that fail with one line naming the key and the way out.

mmengine reports an unknown module or a missing file from deep inside its
registries, without saying which line of which config asked for it. The entry
points run inside ``explained``, which adds that.
"""

import difflib
import errno
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from mmocc.utils.refused_argument import refused_argument
from mmocc.utils.unread_options import unread_option

# Set to see where an explained error was raised.
TRACEBACK_VARIABLE = 'MMOCC_TRACEBACK'

_ROOT = Path(__file__).resolve().parents[2]
_UNKNOWN_MODULE = re.compile(r'(\S+) is not in the (\S+)::(.+?) registry')
_MAX_KEYS = 3  # how many config keys an error lists
# What explain() may have something to say about.
_EXPLAINABLE = (
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
# Shorter strings of a config turn up in messages by chance.
_MIN_VALUE = 4


class ConfigError(ValueError):
    """A config that cannot be read or asks for what is not there."""


def load_config(
    path: str | os.PathLike, options: dict[str, Any] | None = None
) -> Config:
    """Read a config, with overrides.

    Args:
        path (str | os.PathLike): The config file.
        options (dict, optional): Dotted keys to values, from
            ``--cfg-options``. Defaults to None.

    Returns:
        Config: With ``default_scope`` set to ``mmocc`` if it had none.

    Raises:
        ConfigError: If the file, one of its bases or of its
            ``custom_imports`` cannot be found or read, or an option would
            change nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'the config {path} does not exist{_similar(path)}')
    try:
        config = Config.fromfile(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f'{path}: a file in `_base_` does not exist: {error}'
        ) from error
    except ImportError as error:
        raise ConfigError(
            f'{path}: custom_imports: {_message(error)}; start from the '
            'root of the checkout, or add the folder to PYTHONPATH'
        ) from error
    except (
        SyntaxError,
        KeyError,
        AttributeError,
        OSError,
        TypeError,
    ) as error:
        raise ConfigError(f'{path}: {_message(error)}') from error
    if options:
        unread = unread_option(config, options)
        if unread is not None:
            raise ConfigError(f'{path}: {unread}')
        config.merge_from_dict(options)
    config.setdefault('default_scope', 'mmocc')
    return config


@contextmanager
def explained(config: Config | None = None) -> Iterator[None]:
    """End the process with one line on foreseeable errors.

    Foreseeable are unknown modules and arguments, missing files and folders,
    failed imports, errors of mmocc's own classes and a ``ValueError`` that
    its own code raises. Everything else keeps its traceback.
    ``MMOCC_TRACEBACK=1`` keeps all of them.

    Args:
        config (Config, optional): Where to look for the key to blame.
            Defaults to None.

    Raises:
        SystemExit: In place of a foreseeable error.
    """
    try:
        yield
    except _EXPLAINABLE as error:
        message = explain(error, config)
        if message is None or os.environ.get(TRACEBACK_VARIABLE):
            raise
        # Python prints it to stderr and exits with code 1.
        raise SystemExit(f'error: {message}') from error


def explain(error: Exception, config: Config | None = None) -> str | None:
    """Say in one line what went wrong and which config key asked for it.

    Args:
        error (Exception): What was raised while the config was run.
        config (Config, optional): The config. Defaults to None.

    Returns:
        str | None: The line; None if the error is not a foreseeable one.
    """
    text = _message(error)
    unknown = _UNKNOWN_MODULE.search(text)
    if isinstance(error, KeyError) and unknown:
        name, scope, node = unknown.groups()
        name = name.strip('\'"`')
        return (
            f'{_blame(config, name)}{name!r} is not registered as a {node} '
            f'(scope {scope}){_did_you_mean(name, node)}; check the spelling, '
            'or add the module that defines it to custom_imports'
        )
    if isinstance(error, TypeError) and config is not None:
        refused = refused_argument(config, text)
        if refused is not None:
            return f'{config.filename}: {refused}'
    ours = type(error).__module__.split('.')[0] in ('mmocc', 'projects')
    # Hugging Face raises a bare OSError for a missing weight folder.
    missing = isinstance(
        error, FileNotFoundError | NotADirectoryError | PermissionError
    ) or (isinstance(error, OSError) and error.errno in (None, errno.EROFS))
    if ours or missing or isinstance(error, ImportError) or _meant(error):
        return f'{_blame(config, text)}{text}'
    return None


def _meant(error: Exception) -> bool:
    """Whether a ``raise`` of this repository wrote a sentence for people.

    A ``ValueError`` that a library raises on what our code gave it is a bug.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, ValueError) or not frames:
        return False
    last = frames[-1]
    ours = any(
        Path(last.filename).is_relative_to(_ROOT / package)
        for package in ('mmocc', 'projects', 'tools')
    )
    return ours and (last.line or '').startswith('raise ')


def find_keys(config: Config, text: str) -> list[str]:
    """Config keys whose value, a string, occurs in ``text``.

    Args:
        config (Config): The config.
        text (str): A path, a name, or an error message.

    Returns:
        list[str]: Dotted keys of the longest value found, [] if none.
    """
    found: dict[str, list[str]] = {}
    _walk(config._cfg_dict.to_dict(), '', text, found)
    return found[max(found, key=len)] if found else []


def _walk(
    value: Any, key: str, text: str, found: dict[str, list[str]]
) -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            _walk(part, f'{key}.{name}' if key else str(name), text, found)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _walk(part, f'{key}[{index}]', text, found)
    elif isinstance(value, str) and len(value) >= _MIN_VALUE:
        # A name is no part of a path; the end of a path is one.
        edge = r'\w.-' if '/' in value or '.' in value else r'\w./-'
        whole = rf'(?<![{edge}]){re.escape(value)}(?![\w-])'
        if re.search(whole, text):
            found.setdefault(value, []).append(key)


def _blame(config: Config | None, text: str) -> str:
    """``'FILE: KEY: '``, as much of it as is known."""
    if config is None:
        return ''
    keys = find_keys(config, text)
    if len(keys) > _MAX_KEYS:
        keys = [*keys[:_MAX_KEYS], '...']
    file = str(config.filename)
    parts = ['' if text.startswith(f'{file}:') else file, ', '.join(keys)]
    return ''.join(f'{part}: ' for part in parts if part)


def _message(error: Exception) -> str:
    """The text of an error on one line."""
    # str() of a KeyError is the repr of its argument.
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if 'Original Traceback' in text:  # from a data loader worker
        return lines[-1]
    return ' '.join(lines)


def _did_you_mean(name: str, node: str) -> str:
    from mmocc import registry  # imports mmdet3d: seconds, for errors only

    known: set[str] = set()
    for level in vars(registry).values():
        if not isinstance(level, Registry) or level.name != node:
            continue
        level.import_from_location()
        while level is not None:
            known.update(level.module_dict)
            level = level.parent
    close = difflib.get_close_matches(name, known, n=1)
    return f', did you mean {close[0]!r}?' if close else ''


def _similar(path: Path) -> str:
    known = {
        str(found.relative_to(_ROOT)): found.name
        for folder in ('configs', 'projects')
        for found in sorted((_ROOT / folder).rglob('*.py'))
        if 'configs' in found.parts and '_base_' not in found.parts
    }
    close = difflib.get_close_matches(path.name, known.values(), n=1)
    if not close:
        return '; configs are in configs/ and projects/*/configs/'
    nearest = next(file for file, name in known.items() if name == close[0])
    return f'; did you mean {nearest}?'
