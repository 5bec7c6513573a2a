"""Read info files safely.

A pickle can run any code when it is loaded, and damage memory. Info files
hold only plain containers, numbers, strings and NumPy arrays, so the pickle is
scanned first and nothing else is built, by functions of our own.
"""

import gc
import io
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmocc.infos.box_convention import check_box_convention
from mmocc.infos.errors import InfoFileError
from mmocc.infos.geometry_check import check_info_geometry
from mmocc.infos.old_schema import upgrade_infos
from mmocc.infos.paths import use_posix_paths
from mmocc.infos.pickle_parts import PartBuilder
from mmocc.infos.pickle_scan import scan_pickle
from mmocc.infos.scenes import check_scenes
from mmocc.infos.schema import check_frame, check_version
from mmocc.infos.writing import make_checksum

_WAY_OUT = 'make it with tools/create_data.py'


class _PlainUnpickler(pickle.Unpickler):
    """Builds NumPy's objects by our own functions and refuses all others."""

    def __init__(self, data: bytes) -> None:
        # Buffered, since pickle reads ahead where it can peek.
        super().__init__(io.BufferedReader(io.BytesIO(data)))
        self.parts = PartBuilder(len(data))

    def find_class(self, module: str, name: str) -> object:
        return self.parts.find(module, name)


def load_plain_pickle(path: str | Path) -> dict:
    """Read a dictionary of plain objects, whatever its keys.

    Args:
        path (str | Path): A ``.pkl`` file.

    Raises:
        InfoFileError: The file is missing, cut off, no pickle, holds foreign
            objects or no dictionary. The message names the file and the way
            out.
    """
    path = Path(path)
    try:
        content = _unpickle(path.read_bytes())
    except OSError as error:
        raise InfoFileError(
            f'the info file {path} cannot be read ({error.strerror}); '
            f'{_WAY_OUT}'
        ) from error
    except InfoFileError as error:
        raise InfoFileError(f'the info file {path} {error}') from None
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        # Bytes that happen to be opcodes fail in as many ways.
        raise InfoFileError(
            f'the info file {path} is damaged ({error!r}); {_WAY_OUT} again'
        ) from error
    if not isinstance(content, dict):
        raise InfoFileError(
            f'the info file {path} holds a {type(content).__name__}, expected '
            f'a dictionary with metainfo and data_list; {_WAY_OUT}'
        )
    return content


def _unpickle(data: bytes) -> object:
    """Build the objects of a file whose pickle and checksum are sound."""
    end, problem = scan_pickle(data)
    if problem:
        raise InfoFileError(f'{problem}, at byte {end}; {_WAY_OUT} again')
    if len(data) > end and data[end:] != make_checksum(memoryview(data)[:end]):
        raise InfoFileError(
            'does not have the checksum that was written with it: it was '
            f'damaged or changed in place; {_WAY_OUT} again, or read it from '
            'an intact copy (files that a script of your own writes with '
            'pickle.dump need no checksum)'
        )
    unpickler = _PlainUnpickler(data)
    with _no_collection():
        content = unpickler.load()
        if unpickler.parts.used:
            content = unpickler.parts.finish(content)
        return content


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from visiting millions of objects again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def load_info_file(path: str | Path, *, check: bool = True) -> dict:
    """Read an info file of mmdet3d, with or without our own keys.

    Files of mmdet3d before 1.1 (``infos`` and ``metadata``) are converted
    with a warning; they lack most of our keys. Paths get slashes.

    Args:
        path (str | Path): A ``.pkl`` file.
        check (bool): Whether to refuse frames whose order, time or boxes
            contradict each other, or whose geometry no vehicle has;
            ``tools/create_data.py convert`` mends what it can.
            Defaults to True.

    Returns:
        dict: ``metainfo`` (dict) and ``data_list`` (list[dict]) with the keys
        of ``mmocc.infos.schema``.

    Raises:
        InfoFileError: The file cannot be read (see ``load_plain_pickle``),
            has neither schema, is of another version, a key has another type
            or shape than the schema says, or frames contradict each other.
            The message names file, frame and key, what was got and expected,
            and the way out.
    """
    content = load_plain_pickle(path)
    if 'infos' in content and 'data_list' not in content:
        content = upgrade_infos(content, str(path))
        warnings.warn(
            f'{path} has the schema of mmdet3d before 1.1; it is converted in '
            'memory. It has no occupancy paths, ego motion or meta-actions: '
            'write a complete file with tools/create_data.py.',
            stacklevel=2,
        )
    data_list, metainfo = content.get('data_list'), content.get('metainfo')
    if not isinstance(data_list, list) or not isinstance(metainfo, dict):
        raise InfoFileError(
            f'the info file {path} has the keys {sorted(map(str, content))}, '
            f'expected metainfo and data_list; {_WAY_OUT}'
        )
    check_version(metainfo, str(path))
    with _no_collection():
        for index, info in enumerate(data_list):
            check_frame(info, f'frame {index} of the info file {path}')
            use_posix_paths(info)
        if check:
            scenes = check_scenes(data_list, str(path))
            check_box_convention(content, str(path))
            check_info_geometry(data_list, str(path), scenes)
    return content
