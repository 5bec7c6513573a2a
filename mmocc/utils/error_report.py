"""How the tools report a failure: one line, or a traceback with a hint.

A failure that mmocc foresaw (an unknown module, a refused argument, a missing
file, a check of its own) ends in one line that names the config key and the
way out. A failure in whose traceback code of the user stands (a module of
``custom_imports``, a hook, a dataset, the config file itself) keeps its
traceback, and a hint below says which config key asked for that code. So do
failures that nobody foresaw.
"""

import difflib
import errno
import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import Registry

# Set to see where an error was raised that is reported in one line.
TRACEBACK_VARIABLE = 'MMOCC_TRACEBACK'

_PACKAGE = Path(__file__).resolve().parents[1]
# What mmocc runs on. Frames in these packages say nothing about who is wrong.
_PLATFORM = (
    *('mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'torch', 'numpy', 'scipy'),
    *('transformers', 'peft', 'huggingface_hub', 'safetensors', 'tokenizers'),
    *('spconv', 'cv2', 'PIL', 'addict', 'yapf', 'yaml', 'pkg_resources'),
)
_UNKNOWN_MODULE = re.compile(r'(\S+) is not in the (?:(\S+)::)?(.+?) registry')
_REFUSED = re.compile(
    r"(\w+)\.\w+\(\) got an unexpected keyword argument '(\w+)'"
)
# A frame in the text of an error that a data loader worker sent.
_WRITTEN_FRAME = re.compile(r'File "(.+?)", line (\d+), in (\S+)\n(?: *(.*))?')
_MAX_KEYS = 3  # how many config keys a message lists


class ConfigError(ValueError):
    """A config that cannot be read or asks for what is not there."""


class CodePlace(NamedTuple):
    """One line of a traceback."""

    file: str
    line: int
    name: str  # qualified name of the function
    source: str  # text of the line


@contextmanager
def explained(config: Config | None = None) -> Iterator[None]:
    """Report a failure of the block as people need it, and end the process.

    Args:
        config (Config, optional): Where to look for the key to blame.
            Defaults to None.

    Raises:
        SystemExit: In place of a foreseen error; with ``MMOCC_TRACEBACK=1``
            its traceback is shown as well.
    """
    try:
        yield
    except Exception as error:
        message = explain(error, config)
        if message is None:
            add_hint(error, config=config)
            raise
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        # Python prints it to stderr and exits with code 1.
        raise SystemExit(f'error: {message}') from error


def explain(error: Exception, config: Config | None = None) -> str | None:
    """Turn a foreseen error into one line with the config key to blame.

    Args:
        error (Exception): Raised while the config was read or run.
        config (Config, optional): The config. Defaults to None.

    Returns:
        str | None: The line; None if the traceback must be shown, because
        nobody foresaw the error or code of the user takes part in it.
    """
    if find_user_code(error) is not None:
        return None
    text = message_of(error)
    if isinstance(error, ConfigError) and text.startswith('--'):
        return text  # the command line is to blame, not a key
    known = _explain_module(error, config) or _explain_argument(error, config)
    if known is not None:
        return known
    # Hugging Face raises a bare OSError for a missing weight folder.
    missing = isinstance(
        error, FileNotFoundError | NotADirectoryError | PermissionError
    ) or (isinstance(error, OSError) and error.errno in (None, errno.EROFS))
    ours = type(error).__module__.split('.')[0] == 'mmocc'
    if ours or missing or isinstance(error, ImportError) or _checked(error):
        return f'{_blame(config, text)}{text}'
    return None


def add_hint(
    error: BaseException, more: str = '', config: Config | None = None
) -> None:
    """Put a hint below the traceback, if code of the user failed.

    Args:
        error (BaseException): Raised while the config was read or run.
        more (str): What else is known. Defaults to nothing.
        config (Config, optional): Where to look for the key that asked for
            the code. Defaults to None.
    """
    place = find_user_code(error)
    notes = getattr(error, '__notes__', ())
    if place is None or any(note.startswith('hint: ') for note in notes):
        return
    hint = f'this failed in {place.file}, line {place.line}, in {place.name}'
    if config is not None:
        names = (place.name.split('.')[0], Path(place.file).stem)
        keys = next(filter(None, (find_keys(config, n) for n in names)), [])
        if keys:
            more += f'; {config.filename} asks for it in {_listed(keys)}'
        known = _explain_module(error, config)
        known = known or _explain_argument(error, config)
        more += f'; {known}' if known else ''
    error.add_note(f'hint: {hint}{more}')


def find_user_code(error: BaseException) -> CodePlace | None:
    """The innermost line of a traceback that is neither ours nor a library's.

    Args:
        error (BaseException): With its causes.

    Returns:
        CodePlace | None: None if there is none.
    """
    seen: set[int] = set()
    found = None
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        places = _places_of(current)
        if current is error:
            places = list(dropwhile(_is_callers, places))
        found = next(filter(_is_user_code, reversed(places)), found)
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return found


def find_keys(config: Config, text: str) -> list[str]:
    """Config keys whose value, a path or a name, occurs in ``text``.

    Args:
        config (Config): The config.
        text (str): A path, a name, or an error message.

    Returns:
        list[str]: Dotted keys of the longest value found, [] if none.
    """
    found: dict[str, list[str]] = {}
    for key, value in _walk(config._cfg_dict.to_dict()):
        # Plain words such as 'none' turn up in messages by chance.
        if not isinstance(value, str) or re.fullmatch('[a-z]*|.{1,3}', value):
            continue
        # A name is no part of a path; the end of a path or module is one.
        edge = r'\w-' if '/' in value or '.' in value else r'\w./-'
        whole = rf'(?<![{edge}]){re.escape(value)}(?![\w-])'
        if re.search(whole, text) or value.endswith(f'.{text}'):
            found.setdefault(value, []).append(key)
    return found[max(found, key=len)] if found else []


def message_of(error: BaseException) -> str:
    """The text of an error on one line."""
    # str() of a KeyError is the repr of its argument.
    is_key = isinstance(error, KeyError) and error.args
    text = str(error.args[0]) if is_key else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if 'Original Traceback' in text:  # from a data loader worker
        return re.sub(r'^[\w.]+(Error|Exception): ', '', lines[-1])
    return ' '.join(lines)


def _places_of(error: BaseException) -> list[CodePlace]:
    """The lines of a traceback, those in the error's text included."""
    places = [
        CodePlace(
            frame.f_code.co_filename,
            line,
            frame.f_code.co_qualname,
            traceback.linecache.getline(
                frame.f_code.co_filename, line
            ).strip(),
        )
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    written = [
        CodePlace(file, int(line), name, source)
        for file, line, name, source in _WRITTEN_FRAME.findall(str(error))
    ]
    return places + written


def _is_callers(place: CodePlace) -> bool:
    """Whether a line belongs to the script that called mmocc."""
    return place.file == __file__ or _is_user_code(place)


def _is_user_code(place: CodePlace) -> bool:
    """Whether a file is not ours, Python's or of a package mmocc runs on."""
    if place.file.startswith('<'):
        return False
    path = Path(place.file).resolve()
    folders = [_PACKAGE]
    if (_PACKAGE.parent / 'pyproject.toml').is_file():  # a clone
        folders += [
            _PACKAGE.parent / name for name in ('tools', 'projects', 'configs')
        ]
    for name in _PLATFORM:
        origin = getattr(sys.modules.get(name), '__file__', None)
        if origin:
            folders.append(Path(origin).resolve().parent)
    if any(path.is_relative_to(folder) for folder in folders):
        return False
    python = Path(sysconfig.get_path('stdlib')).resolve()
    installed = {'site-packages', 'dist-packages'} & set(path.parts)
    return bool(installed) or not path.is_relative_to(python)


def _checked(error: Exception) -> bool:
    """Whether a ``raise`` of mmocc wrote the message, for people to read.

    What a library raises on values that mmocc gave it is a bug of mmocc.
    """
    kinds = ValueError | TypeError | RuntimeError | OSError
    places = _places_of(error)
    if not isinstance(error, kinds) or not places:
        return False
    last = places[-1]
    clone = _PACKAGE.parent
    ours = any(
        Path(last.file).resolve().is_relative_to(folder)
        for folder in (_PACKAGE, clone / 'tools', clone / 'projects')
    )
    return ours and last.source.startswith('raise ')


def _explain_module(error: Exception, config: Config | None) -> str | None:
    """Explain a name that no registry knows."""
    found = _UNKNOWN_MODULE.search(message_of(error))
    if not isinstance(error, KeyError) or found is None:
        return None
    name, scope, node = found.groups()
    name = name.strip('\'"`')
    known: set[str] = set()
    for registry in _registries():
        if registry.name == node:
            registry.import_from_location()
            known.update(registry.module_dict)
    close = difflib.get_close_matches(name, known, n=1)
    near = f', did you mean {close[0]!r}?' if close else ''
    where = f' (scope {scope})' if scope else ''
    return (
        f'{_blame(config, name)}{name!r} is not registered as a {node}'
        f'{where}{near}; check the spelling, or add the module that defines '
        'it to custom_imports'
    )


def _explain_argument(error: Exception, config: Config | None) -> str | None:
    """Explain a key of the config that a class does not take."""
    found = _REFUSED.search(message_of(error))
    if not isinstance(error, TypeError) or found is None or config is None:
        return None
    owner, argument = found.groups()
    places = [
        key
        for key, value in _walk(config._cfg_dict.to_dict())
        if isinstance(value, dict)
        and argument in value
        and (
            str(value.get('type', '')).split('.')[-1] == owner
            or (owner == 'DataLoader' and key.endswith('_dataloader'))
        )
    ]
    if not places:
        return None
    taken = _arguments_of(owner)
    close = difflib.get_close_matches(argument, taken, n=1)
    near = f'; did you mean {close[0]!r}?' if close else ''
    takes = f'; it takes {", ".join(taken)}' if taken else ''
    keys = _listed([f'{key}.{argument}' for key in places])
    return (
        f'{config.filename}: {keys}: {owner} takes no argument {argument!r}'
        f'{near}{takes}'
    )


def _arguments_of(owner: str) -> list[str]:
    """Arguments of a registered class or of DataLoader, [] if unknown."""
    if owner == 'DataLoader':
        from torch.utils.data import DataLoader

        return [*inspect.signature(DataLoader).parameters, 'sampler']
    for registry in _registries():
        if owner in registry.module_dict:
            return list(
                inspect.signature(registry.module_dict[owner]).parameters
            )
    return []


def _registries() -> Iterator[Registry]:
    """All registries of mmocc and, after each, its ancestors."""
    from mmocc import registry  # imports mmdet3d: seconds, for errors only

    for level in vars(registry).values():
        while isinstance(level, Registry):
            yield level
            level = level.parent


def _walk(value: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    """All values of a nested dict or list with their dotted keys."""
    yield key, value
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _walk(part, f'{key}.{name}' if key else str(name))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _walk(part, f'{key}[{index}]')


def _blame(config: Config | None, text: str) -> str:
    """``'FILE: KEY: '``, as much of it as is known."""
    if config is None:
        return ''
    keys = find_keys(config, text)
    file = str(config.filename)
    parts = ['' if text.startswith(f'{file}:') else file, _listed(keys)]
    return ''.join(f'{part}: ' for part in parts if part)


def _listed(keys: list[str]) -> str:
    more = ['...'] if len(keys) > _MAX_KEYS else []
    return ', '.join([*keys[:_MAX_KEYS], *more])
