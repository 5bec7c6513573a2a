"""Checkpoints without foreign objects: written plain, read safely.

``torch.load`` reads a checkpoint with ``weights_only=True`` when it holds
tensors and plain Python values only. mmengine puts ``HistoryBuffer`` objects
and NumPy scalars into the ones its Runner saves; ``to_plain`` replaces them
and ``from_plain`` brings them back.
"""

import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

# Marks a dict that stands for another object.
_KIND = '__mmocc_kind__'

# What torch.load(weights_only=True) reads besides containers of it.
_PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    torch.Tensor,
    torch.Size,
    torch.device,
    torch.dtype,
)

# What torch raises on a file that is no checkpoint, or only part of one.
_UNREADABLE = (
    RuntimeError,
    ValueError,
    OSError,
    EOFError,
    pickle.UnpicklingError,
)

# Keys under which tools keep a state dict.
_WRAPPERS = ('state_dict', 'model', 'module')

_STEP = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read or written safely."""


def to_plain(value: Any, where: str = 'checkpoint') -> Any:
    """Replace everything that ``weights_only=True`` would refuse.

    ``OrderedDict`` objects (state dicts, which carry attributes) are changed
    in place; all other containers are copied.

    Args:
        value (Any): A part of a checkpoint.
        where (str): How to call that part in an error. Defaults to
            'checkpoint'.

    Returns:
        Any: Tensors, plain Python values and containers of them.

    Raises:
        CheckpointError: If an object has no plain form.
    """
    if isinstance(value, np.generic):  # before float: np.float64 is one
        return value.item()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind in 'biufc':
            return {_KIND: 'ndarray', 'data': torch.from_numpy(value.copy())}
        return to_plain(value.tolist(), where)
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {
            _KIND: 'HistoryBuffer',
            'log': torch.from_numpy(np.array(log, dtype=np.float64)),
            'count': torch.from_numpy(np.array(count, dtype=np.int64)),
            'max_length': value.max_length,
        }
    if type(value) is OrderedDict:
        for key in value:
            value[key] = to_plain(value[key], f'{where}[{key!r}]')
        return value
    if isinstance(value, dict):
        return {
            key: to_plain(part, f'{where}[{key!r}]')
            for key, part in value.items()
        }
    if isinstance(value, list | tuple | set):
        kind = next(k for k in (list, tuple, set) if isinstance(value, k))
        return kind(to_plain(part, f'{where}[...]') for part in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise CheckpointError(
        f'{where} is a {type(value).__module__}.{type(value).__qualname__}, '
        'which a checkpoint that loads with weights_only=True cannot hold; '
        'store a tensor, a number or a string instead (for the message hub: '
        'update_info(..., resumed=False) keeps a value out of checkpoints)'
    )


def from_plain(value: Any) -> Any:
    """Bring back what ``to_plain`` replaced, treating containers alike."""
    if type(value) is OrderedDict:
        for key in value:
            value[key] = from_plain(value[key])
        return value
    if isinstance(value, dict):
        kind = value.get(_KIND)
        if kind == 'ndarray':
            return value['data'].cpu().numpy()
        if kind == 'HistoryBuffer':
            return HistoryBuffer(
                value['log'].cpu().numpy(),
                value['count'].cpu().numpy(),
                value['max_length'],
            )
        return type(value)(
            (key, from_plain(part)) for key, part in value.items()
        )
    if type(value) in (list, tuple, set):
        return type(value)(from_plain(part) for part in value)
    return value


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint by the names that the model has.

    Wrappers are looked into (``state_dict``, ``model``, ``module``), and what
    DataParallel, DistributedDataParallel and ``torch.compile`` put into names
    (``module.`` in front, ``_orig_mod.`` anywhere) is left out.

    Args:
        checkpoint (Mapping[str, Any]): Content of a checkpoint, or a bare
            state dict.
    """
    weights = checkpoint
    while True:
        inner = [
            weights[key]
            for key in _WRAPPERS
            if isinstance(weights.get(key), Mapping)
        ]
        if not inner:
            break
        weights = inner[0]
    weights = {
        name.replace('_orig_mod.', ''): value
        for name, value in weights.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    while weights and all(name.startswith('module.') for name in weights):
        weights = {name[len('module.') :]: v for name, v in weights.items()}
    return weights


def require_safe(path: str | os.PathLike) -> None:
    """Refuse a checkpoint that holds foreign objects, without loading it.

    Only the list of names inside the file is read, so this costs
    milliseconds on a checkpoint of gigabytes.

    Args:
        path (str | os.PathLike): A local file.

    Raises:
        FileNotFoundError: If it does not exist.
        CheckpointError: If it is damaged or holds foreign objects.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f'the checkpoint {path} does not exist; checkpoints of a run are '
            'in its work_dir, named epoch_N.pth or iter_N.pth'
        )
    if not zipfile.is_zipfile(path):
        # torch < 1.6 wrote bare pickles, a truncated file looks like one.
        _load(path, 'cpu')
        return
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except _UNREADABLE as error:
        raise _damaged(path) from error
    if foreign:
        raise CheckpointError(
            f'{path} holds objects of {", ".join(sorted(foreign))}: loading '
            'it could run any code, so it is refused. Checkpoints written by '
            'SafeCheckpointHook load. If you made this file yourself, keep '
            "its weights: torch.save({'state_dict': torch.load(OLD, "
            "weights_only=False)['state_dict']}, NEW)"
        )


def load_checkpoint_safely(
    path: str | os.PathLike,
    map_location: str | torch.device | Callable = 'cpu',
) -> dict:
    """Load a checkpoint that holds tensors and plain values only.

    Args:
        path (str | os.PathLike): A local file.
        map_location (str | torch.device | Callable): As for ``torch.load``.
            Defaults to 'cpu'.

    Returns:
        dict: The content, with mmengine's objects rebuilt.

    Raises:
        FileNotFoundError: If it does not exist.
        CheckpointError: If it is damaged, holds foreign objects or is not a
            dict.
    """
    path = Path(path).expanduser()
    require_safe(path)
    checkpoint = _load(path, map_location)
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path} holds a {type(checkpoint).__name__}, expected a dict '
            "with the key 'state_dict' or the state dict itself"
        )
    return from_plain(checkpoint)


def latest_checkpoint(work_dir: str | os.PathLike) -> Path | None:
    """The checkpoint to resume a run from.

    That is the file named in ``last_checkpoint``, by this name in the work
    folder if it is there: the note of a copied folder names the original.
    Where a killed process spoilt the note, it is the latest step's.

    Args:
        work_dir (str | os.PathLike): Folder of the run.

    Returns:
        Path | None: None if there is no checkpoint.
    """
    work_dir = Path(work_dir)
    note = work_dir / 'last_checkpoint'
    if note.is_file():
        named = note.read_text().strip()
        for candidate in (work_dir / Path(named).name, Path(named)):
            if named and candidate.is_file():
                return candidate
    steps = {
        int(found[1]): path
        for path in work_dir.glob('*.pth')
        if (found := _STEP.fullmatch(path.name))
    }
    return steps[max(steps)] if steps else None


def _load(path: Path, map_location: str | torch.device | Callable) -> dict:
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except _UNREADABLE as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(
        f'{path} is not a readable checkpoint ({path.stat().st_size} bytes): '
        'it is truncated, of another format, or an old pickle with foreign '
        'objects; copy it again or resume from an earlier one'
    )
