"""Read a config file, with overrides from the command line."""

import difflib
import inspect
import os
import traceback
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import yaml
from mmengine.config import Config
from mmengine.fileio import YamlHandler, register_handler

from mmocc.utils.error_report import (
    TRACEBACK_VARIABLE,
    ConfigError,
    add_hint,
    explain,
    explained,
    find_keys,
    find_user_code,
    message_of,
)

__all__ = [
    'TRACEBACK_VARIABLE',
    'ConfigError',
    'explain',
    'explained',
    'find_keys',
    'load_config',
]

_PACKAGE = Path(__file__).resolve().parents[1]

# Top-level keys that mmengine reads beside the arguments of its Runner.
_ALSO_READ = {
    'activation_checkpointing',
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'resource_limit',
    'runner_type',
    'strategy',
    'sync_bn',
}


class PlainLoader(yaml.SafeLoader):
    """Read YAML as data; of Python's own tags, tuples alone.

    mmengine writes tuples of a config with such a tag.
    """

    def construct_tuple(self, node: yaml.SequenceNode) -> tuple:
        """Turn a sequence into a tuple."""
        return tuple(self.construct_sequence(node, deep=True))


PlainLoader.add_constructor(
    'tag:yaml.org,2002:python/tuple', PlainLoader.construct_tuple
)


@register_handler(['yaml', 'yml'])
class PlainYamlHandler(YamlHandler):
    """mmengine's reader of YAML, which would run what the file asks for."""

    def load_from_fileobj(self, file: IO, **kwargs: Any) -> Any:
        """Read a file as data."""
        return super().load_from_fileobj(file, Loader=PlainLoader, **kwargs)


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
            ``custom_imports`` cannot be found or read, or an option points
            into a list or value that it does not fit. What code of the user
            raises, in the config file or a module that it imports, is raised
            as it is.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'the config {path} does not exist{_similar(path)}')
    try:
        config = Config.fromfile(path)
    except Exception as error:
        _raise_readable(error, path)
    if options:
        _merge(config, options, path)
    for name, loader in config.items():
        # torch refuses workers that persist, or fetch ahead, without workers.
        is_loader = name.endswith('_dataloader') and isinstance(loader, dict)
        if is_loader and loader.get('num_workers') == 0:
            loader.pop('persistent_workers', None)
            loader.pop('prefetch_factor', None)
    config.setdefault('default_scope', 'mmocc')
    return config


def _raise_readable(error: Exception, path: Path) -> None:
    """Raise a ConfigError, or what the user's own code raised."""
    file = _file_read(error) or path
    if isinstance(error, UnicodeDecodeError):
        raise ConfigError(
            f'{file} is not UTF-8 (byte {error.start}: {error.reason}); save '
            'it as UTF-8'
        ) from error
    if isinstance(error, SyntaxError):
        if 'U+FEFF' in str(error):
            raise ConfigError(
                f'{file} starts with a byte order mark; save it as UTF-8 '
                'without one'
            ) from error
        raise ConfigError(
            f'{file}, line {error.lineno}: {error.msg}: '
            f'{(error.text or "").strip()}'
        ) from error
    begun: BaseException = error
    while isinstance(error, ImportError) and begun.__context__:
        # mmengine's advice on PYTHONPATH would hide a bug in the module.
        begun = begun.__context__
    if find_user_code(begun) is not None:
        add_hint(begun, f', while {path} and its custom_imports were read')
        raise begun from (error.__cause__ if begun is error else None)
    if isinstance(error, ImportError):
        raise ConfigError(
            f'{path}: custom_imports: {message_of(begun)}; start from the '
            'folder that holds the module, or add that folder to PYTHONPATH'
        ) from error
    if isinstance(error, FileNotFoundError):
        raise ConfigError(
            f'{path}: a file in `_base_` does not exist: {error}'
        ) from error
    raise ConfigError(f'{path}: {message_of(error)}') from error


def _file_read(error: BaseException) -> str | None:
    """The config file, or base of one, that mmengine was reading."""
    file = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get('__name__') == 'mmengine.config.config':
            found = frame.f_locals.get('filename')
            file = str(found) if found else file
    return file


def _merge(config: Config, options: dict[str, Any], path: Path) -> None:
    """Merge options, each of which must fit what is there."""
    # A config without a model is a part of one, where any key may change.
    if 'model' in config:
        for warning in _unread_options(config, options):
            warnings.warn(f'{path}: {warning}', stacklevel=3)
    for option, value in options.items():
        _check_option(config, option, path)
        try:
            config.merge_from_dict({option: value})
        except (TypeError, KeyError) as error:
            raise ConfigError(
                f'{path}: --cfg-options {option}: {message_of(error)}'
            ) from error


def _check_option(config: Config, option: str, path: Path) -> None:
    """Refuse an option that leads through a list or value it does not fit."""
    current: Any = config
    names = option.split('.')
    for position, name in enumerate(names):
        at = '.'.join(names[:position])
        where = f'{path}: --cfg-options {option}: {at}'
        if isinstance(current, dict | Config):
            if name not in current:
                return  # a new key
            current = current[name]
        elif isinstance(current, list | tuple):
            if not name.isdecimal() or int(name) >= len(current):
                raise ConfigError(
                    f'{where} has {len(current)} entries, expected an index '
                    f'from 0 to {len(current) - 1}, got {name!r}'
                )
            current = current[int(name)]
        else:
            raise ConfigError(
                f'{where} is {current!r}, which has no key {name!r}; set '
                f'{at} as a whole, in a config of your own'
            )


def _unread_options(config: Config, options: Iterable[str]) -> Iterator[str]:
    """Say which options only code of the user can read.

    mmengine executes a config once and merges options afterwards: a misspelt
    key becomes a new one, and a variable such as ``data_root`` has already
    been used.
    """
    from mmengine.runner import Runner  # takes seconds, for options only

    read = set(inspect.signature(Runner.__init__).parameters) | _ALSO_READ
    for option in options:
        name, _, rest = option.partition('.')
        if name in read:
            continue
        places = [
            f'{place}.{rest}' if rest else place
            for key in config
            if key in read and name in config
            for place in _places_of(config[name], config[key], key)
        ]
        close = difflib.get_close_matches(name, read, n=1)
        if places:
            hint = f'the config used it before; set {", ".join(places)}'
        elif close and name not in config:
            hint = f'did you mean {close[0]!r}?'
        else:
            hint = 'tools/misc/print_config.py shows all keys'
        yield (
            f'--cfg-options {option}: nothing in mmocc or mmengine reads '
            f'{name!r}, code of your own may; {hint}'
        )


def _places_of(wanted: Any, value: Any, key: str) -> Iterator[str]:
    """Dotted keys at or below ``key`` whose value equals ``wanted``."""
    if value == wanted:
        yield key
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _places_of(wanted, part, f'{key}.{name}')
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _places_of(wanted, part, f'{key}.{index}')


def _similar(path: Path) -> str:
    """Suggest the shipped config whose name is nearest."""
    clone = _PACKAGE.parent
    in_clone = (clone / 'pyproject.toml').is_file()
    folders = (
        [clone / 'configs', *sorted(clone.glob('projects/*/configs'))]
        if in_clone
        else [_PACKAGE / '.mim' / 'configs']
    )
    known = {
        found.name: found.relative_to(clone) if in_clone else found
        for folder in folders
        for found in sorted(folder.rglob('*.py'))
        if '_base_' not in found.parts
    }
    close = difflib.get_close_matches(path.name, known, n=1)
    if not close:
        return f'; configs are in {folders[0]} and below'
    return f'; did you mean {known[close[0]]}?'
