"""Write info files as deterministic pickles of plain objects."""

import pickle
import zlib
from pathlib import Path

import numpy as np

from mmocc.utils.atomic import atomic_open

# Protocol 4 is read by every Python that this project supports.
_PROTOCOL = 4


def to_plain(value: object, strings: dict[str, str]) -> object:
    """Copy a tree so that equal trees give equal pickles.

    A pickle writes an object that it meets again as a reference, so which
    strings are one object and which are copies would show in the bytes.

    Args:
        value (object): Dictionaries, lists, strings, numbers, None and NumPy
            arrays.
        strings (dict): Strings met so far; grows.

    Returns:
        object: The copy.

    Raises:
        TypeError: The tree holds anything else.
    """
    if isinstance(value, str):
        return strings.setdefault(value, value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {
            to_plain(key, strings): to_plain(item, strings)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [to_plain(item, strings) for item in value]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return np.array(value, dtype=np.dtype(value.dtype.str), order='C')
    raise TypeError(
        'info files hold dictionaries, lists, strings, numbers and NumPy '
        f'arrays of these only, got {type(value).__name__}'
    )


def write_info_file(infos: dict, path: Path) -> None:
    """Write an info file whole or not at all, with a checksum at its end.

    Args:
        infos (dict): ``metainfo`` and ``data_list`` with the keys of
            ``mmocc.infos.schema``.
        path (Path): Target; an existing file is replaced at the end.

    Raises:
        TypeError: The infos hold other objects than plain ones.
    """
    content = to_plain(infos, {})
    with atomic_open(path) as file:
        data = pickle.dumps(content, protocol=_PROTOCOL)
        file.write(data)
        file.write(make_checksum(data))


def make_checksum(data: bytes | memoryview) -> bytes:
    """Return what stands behind a pickle: a line with its CRC-32.

    ``pickle.load`` stops in front of it, so every reader of pickles reads the
    file, and a file that is written without it is valid too.
    """
    return f'mmocc crc32 {zlib.crc32(data):08x}\n'.encode('ascii')
