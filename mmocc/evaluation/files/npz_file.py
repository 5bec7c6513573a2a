"""Read npz files whose arrays do not fit into memory.

A split's occupancy is gigabytes, so arrays are read frame by frame out of the
archive. Each file's checksums are verified to the end before any score is
given: a damaged or cut-off file is an error, never a smaller evaluation.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.lib import format as npy

from mmocc.evaluation.files.errors import ResultFileError, shorten
from mmocc.utils.npz_damage import NPZ_DAMAGE

TOKENS = 'tokens'


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of an array that is not read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype
    column_order: bool


class NpzFile:
    """An npz file whose arrays have one entry per sample on the first axis.

    Args:
        path (Path): Written by ``numpy.savez``, ``numpy.savez_compressed`` or
            :class:`GridFileWriter`.

    Raises:
        ResultFileError: There is no such file, or it is no npz file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as error:
            raise ResultFileError(
                path, f'cannot be read ({error.strerror})'
            ) from error
        except NPZ_DAMAGE as error:
            raise ResultFileError(
                path,
                f'is cut off or no npz file ({error}); write it with '
                'numpy.savez_compressed or mmocc.evaluation.files',
            ) from error
        self._sources: list[FrameSource] = []
        self.names = tuple(
            name.removesuffix('.npy')
            for name in self._archive.namelist()
            if name.endswith('.npy')
        )

    def __enter__(self) -> 'NpzFile':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for source in self._sources:
            source.close()
        self._archive.close()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def require(self, *names: str) -> None:
        """Raise an error unless the file holds all of these arrays."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise ResultFileError(
                self.path,
                f'lacks {missing}; it holds {sorted(self.names)}',
            )

    @contextmanager
    def checked(self, name: str) -> Iterator[None]:
        """Turn whatever damaged bytes raise into one error."""
        try:
            yield
        except ResultFileError:
            raise
        except NPZ_DAMAGE as error:
            raise ResultFileError(
                self.path, f'is damaged ({error})', name
            ) from error

    def open(self, name: str) -> tuple[zipfile.ZipExtFile, ArrayHeader]:
        """Return an array's stream, which stands behind its header."""
        self.require(name)
        with self.checked(name):
            member = self._archive.open(f'{name}.npy')
            version = npy.read_magic(member)
            read = (
                npy.read_array_header_1_0
                if version == (1, 0)
                else npy.read_array_header_2_0
            )
            shape, column_order, dtype = read(member)
        if dtype.hasobject:
            raise ResultFileError(
                self.path,
                'holds Python objects, which can run code when they are '
                'read; save arrays of numbers or of strings',
                name,
            )
        return member, ArrayHeader(
            shape, dtype, column_order and len(shape) > 1
        )

    def header(self, name: str) -> ArrayHeader:
        """Return shape and type of an array."""
        member, header = self.open(name)
        member.close()
        return header

    def array(self, name: str) -> np.ndarray:
        """Read a whole array; for small ones."""
        member, header = self.open(name)
        with member:
            count = int(np.prod(header.shape, dtype=np.int64))
            data = self.read(member, name, count * header.dtype.itemsize)
            self.end(member, name)
        order = 'F' if header.column_order else 'C'
        values = np.frombuffer(data, header.dtype)
        return values.reshape(header.shape, order=order).copy()

    def frames(self, name: str) -> 'FrameSource':
        """Return an array to be read frame by frame."""
        source = FrameSource(self, name)
        self._sources.append(source)
        return source

    def read(self, member: zipfile.ZipExtFile, name: str, size: int) -> bytes:
        """Read exactly ``size`` bytes of an array's stream."""
        with self.checked(name):
            data = member.read(size)
        if len(data) < size:
            raise ResultFileError(
                self.path, 'ends before its last sample', name
            )
        return data

    def end(self, member: zipfile.ZipExtFile, name: str) -> None:
        """Read an array's stream to its end, where the checksum is."""
        with self.checked(name):
            left = len(member.read(1))
        if left:
            raise ResultFileError(
                self.path, 'goes on behind its last sample', name
            )

    def finish(self) -> None:
        """Read the rest of every opened array and verify its checksum."""
        for source in self._sources:
            source.finish()

    def tokens(self) -> tuple[str, ...] | None:
        """Return the sample tokens, None where the file has none.

        Raises:
            ResultFileError: They are no strings, empty or not unique.
        """
        if TOKENS not in self:
            return None
        header = self.header(TOKENS)
        if header.dtype.kind not in 'US' or len(header.shape) != 1:
            raise ResultFileError(
                self.path,
                f'is {header.dtype} of shape {header.shape}, expected (N,) '
                'strings',
                TOKENS,
            )
        array = self.array(TOKENS)
        if header.dtype.kind == 'S':
            array = np.char.decode(array, 'utf-8')
        tokens = tuple(str(token) for token in array)
        check_tokens(self.path, tokens)
        return tokens


def check_tokens(path: Path, tokens: Sequence[str]) -> None:
    """Raise an error if a token is empty or occurs twice."""
    if '' in tokens:
        raise ResultFileError(
            path, 'is empty', TOKENS, f'number {tokens.index("")}'
        )
    seen: set[str] = set()
    again = [t for t in tokens if t in seen or seen.add(t)]
    if again:
        raise ResultFileError(
            path, f'is there more than once: {shorten(again)}', TOKENS
        )


class FrameSource:
    """An array of an npz file that is read frame by frame.

    In order, frames stream out of the archive. The first frame that is asked
    for out of order unpacks the array into a temporary file, from which any
    frame can be read; memory holds one frame either way.
    """

    def __init__(self, file: NpzFile, name: str) -> None:
        self._file, self.name = file, name
        self._member, header = file.open(name)
        if not header.shape:
            raise ResultFileError(
                file.path,
                'is a single number, expected one entry per sample',
                name,
            )
        if header.column_order:
            raise ResultFileError(
                file.path,
                'is stored column by column; save '
                'numpy.ascontiguousarray(...) of it',
                name,
            )
        self.count, self.shape = header.shape[0], header.shape[1:]
        self.dtype = header.dtype
        self._size = self.dtype.itemsize * int(
            np.prod(self.shape, dtype=np.int64)
        )
        self._next = 0
        self._spill: IO[bytes] | None = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> np.ndarray:
        """Return frame number ``place``."""
        if self._spill is None and place != self._next:
            self._unpack()
        if self._spill is not None:
            self._spill.seek(place * self._size)
            data = self._spill.read(self._size)
        else:
            data = self._file.read(self._member, self.name, self._size)
            self._next += 1
        return np.frombuffer(data, self.dtype).reshape(self.shape)

    def _unpack(self) -> None:
        """Write the whole array to a temporary file."""
        self._member.close()
        self._member, _ = self._file.open(self.name)
        self._spill = tempfile.TemporaryFile()
        with self._file.checked(self.name):
            shutil.copyfileobj(self._member, self._spill)
        if self._spill.tell() != self._size * self.count:
            raise ResultFileError(
                self._file.path,
                f'holds {self._spill.tell()} bytes, expected {self.count} '
                f'samples of {self._size}',
                self.name,
            )

    def finish(self) -> None:
        """Read the rest of the array and verify its checksum."""
        if self._spill is not None:
            return
        while self._next < self.count:
            self[self._next]
        self._file.end(self._member, self.name)

    def close(self) -> None:
        """Close the stream and the temporary file."""
        self._member.close()
        if self._spill is not None:
            self._spill.close()
