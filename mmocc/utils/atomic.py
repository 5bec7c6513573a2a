"""Files that are there in full or not at all."""

import errno
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# Of a file that is being written; left behind only by a killed process.
TEMPORARY_SUFFIX = '.tmp'
_SECRET_BYTES = 8
_MAX_NAME = 200  # characters of a file's name that its temporary name shows
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def atomic_open(path: str | os.PathLike, mode: str = 'wb') -> Iterator[IO]:
    """Open a file that takes its name when the block ends without an error.

    The bytes go to a temporary file in the same folder, reach the disk, and
    the name moves over in one step: a reader sees the old file or the new
    one, and so does the next run if this process is killed. The temporary
    name cannot be guessed and no link is followed, so that two writers never
    meet; the last one's file stays. A file that is replaced keeps its
    permissions.

    Args:
        path (str | os.PathLike): Where the file is to be; its folder is made
            if need be.
        mode (str): 'wb' or 'w'. Defaults to 'wb'.

    Yields:
        IO: The open temporary file.

    Raises:
        OSError: The file cannot be written; the message names it, and the
            old one is untouched.
    """
    if mode not in ('w', 'wb'):
        raise ValueError(f"atomic_open writes new files ('w', 'wb'): {mode!r}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    permissions = _permissions(path)
    remove_leftovers(path.parent, path.name)
    encoding = None if 'b' in mode else 'utf-8'
    handle, temporary = _create(path)
    try:
        with open(handle, mode, encoding=encoding) as file:
            if permissions is not None:
                os.fchmod(handle, permissions)
            yield file
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a name to write to, for libraries that open files themselves.

    Args:
        path (str | os.PathLike): Where the file is to be; its folder is made
            if need be.

    Yields:
        Path: The same name in a new folder that nobody else may enter. The
        file moves over when the block ends without an error.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    permissions = _permissions(path)
    with tempfile.TemporaryDirectory(
        suffix=TEMPORARY_SUFFIX, dir=path.parent
    ) as folder:
        temporary = Path(folder, path.name)
        yield temporary
        if permissions is not None:
            temporary.chmod(permissions)
        os.replace(temporary, path)


def remove_leftovers(folder: str | os.PathLike, name: str) -> None:
    """Remove temporary files of killed processes.

    Args:
        folder (str | os.PathLike): Where ``atomic_open`` wrote.
        name (str): The file's name, or its end behind a ``*``.
    """
    start, end = ('', name[1:]) if name[:1] == '*' else (name[:_MAX_NAME], '')
    for leftover in os.scandir(folder):
        target, _, secret = leftover.name.removesuffix(
            TEMPORARY_SUFFIX
        ).rpartition('.')
        if (
            not leftover.name.endswith(TEMPORARY_SUFFIX)
            or len(secret) != 2 * _SECRET_BYTES
            or not (target == start if start else target.endswith(end))
        ):
            continue
        with suppress(OSError):  # of another writer, or gone by now
            handle = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                if _try_lock(handle):
                    os.unlink(leftover)
            finally:
                os.close(handle)


def _create(path: Path) -> tuple[int, Path]:
    """Create a temporary file and lock it; return its handle and name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    while True:
        secret = f'.{secrets.token_hex(_SECRET_BYTES)}{TEMPORARY_SUFFIX}'
        temporary = path.with_name(path.name[:_MAX_NAME] + secret)
        handle = os.open(temporary, flags, 0o666)
        _try_lock(handle)
        if temporary.exists():
            return handle, temporary
        os.close(handle)  # taken for a leftover before it was locked


def _permissions(path: Path) -> int | None:
    """Return those of the file that is replaced, None where there is none."""
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, 'a folder has the name of the file', str(path)
        )
    if path.is_file() and not path.is_symlink():
        return stat.S_IMODE(path.stat().st_mode)
    return None


def _try_lock(handle: int) -> bool:
    """Lock an open file as long as it is open; some file systems cannot."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
