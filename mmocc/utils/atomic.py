"""Files that are there in full or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Of a file that is being written; left behind only by a killed process.
TEMPORARY_SUFFIX = '.tmp'


@contextmanager
def atomic_open(path: str | os.PathLike, mode: str = 'wb') -> Iterator[IO]:
    """Open a file that takes its name when the block ends without an error.

    The bytes go to a temporary file in the same folder, reach the disk, and
    the name moves over in one step: a reader sees the old file or the new
    one, and so does the next run if this process is killed.

    Args:
        path (str | os.PathLike): Where the file is to be; its folder is made
            if need be.
        mode (str): 'wb' or 'w'. Defaults to 'wb'.

    Yields:
        IO: The open temporary file.
    """
    if mode not in ('w', 'wb'):
        raise ValueError(f"atomic_open writes new files ('w', 'wb'): {mode!r}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    encoding = None if 'b' in mode else 'utf-8'
    try:
        with open(temporary, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
