"""Build the NumPy objects of a pickle with checks of their own.

Nothing of NumPy that a pickle names is called with what the pickle says.
"""

import math
import re
from collections.abc import Callable

import numpy as np

from mmocc.infos.errors import InfoFileError

# Kinds of arrays in info files: truth values, numbers and texts.
_DTYPE = re.compile(r'b1|[iu][1248]|f[248]|c(?:8|16)|[SU]\d{1,9}')
_MAX_DIMENSIONS = 32
# What most values are; nothing of them is left to make.
_PLAIN = frozenset((float, int, str, bool))


class _Part:
    """An object in the middle of its making; no state reaches it unchecked.

    It is no key of a dictionary: arrays are none either.
    """

    __slots__ = ()
    __hash__ = None

    def __setstate__(self, state: object) -> None:
        raise ValueError('sets the state of what has none')


class _Function(_Part):
    """A function under the name that a pickle calls it by."""

    __slots__ = ('_build',)

    def __init__(self, build: Callable) -> None:
        self._build = build

    def __call__(self, *arguments: object) -> object:
        return self._build(*arguments)


class _Dtype(_Part):
    __slots__ = ('native', 'value')

    def __init__(self, code: object, *flags: object) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise InfoFileError(
                f'holds an array of type {str(code)[:20]!r}, expected truth '
                'values, numbers or texts'
            )
        self.value = self.native = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        _, order, base, names, fields, *_ = state
        if order not in ('<', '>', '|', '=') or any((base, names, fields)):
            raise ValueError(f'has an array of byte order {order!r}')
        self.value = self.value.newbyteorder(order)


class _Array(_Part):
    __slots__ = ('_take', 'value')

    def __init__(self, take: Callable) -> None:
        self._take, self.value = take, None

    def __setstate__(self, state: object) -> None:
        _, shape, dtype, by_column, data = state
        order = 'F' if by_column is True else 'C'
        self.value = self._take(data, dtype, shape, order)


class PartBuilder:
    """Stands for the functions and classes that NumPy's pickles name.

    Args:
        size (int): Bytes of the file, no fewer than its arrays can hold.

    Attributes:
        used (bool): Whether any was asked for.
    """

    def __init__(self, size: int) -> None:
        self._left, self.used = size, False
        self._ndarray = _Part()
        functions = {
            'numpy.dtype': _Dtype,
            'numpy._core.multiarray._reconstruct': self._reconstruct,
            'numpy._core.multiarray.scalar': self._scalar,
            'numpy._core.numeric._frombuffer': self._take,
            'collections.OrderedDict': _ordered,
            '_codecs.encode': _encode,
            'builtins.bytes': _empty_bytes,
        }
        self._known = {k: _Function(v) for k, v in functions.items()}
        self._known['numpy.ndarray'] = self._ndarray

    def find(self, module: str, name: str) -> object:
        """Return what stands for ``module.name``.

        Raises:
            InfoFileError: It is none of NumPy's.
        """
        self.used = True
        new = module.replace('numpy.core.', 'numpy._core.')
        new = {'__builtin__': 'builtins'}.get(new, new)
        if f'{new}.{name}' not in self._known:
            raise InfoFileError(
                f'holds an object of {module}.{name}; only plain containers, '
                'numbers, strings and NumPy arrays are unpickled, because '
                'other objects can run code'
            )
        return self._known[f'{new}.{name}']

    def finish(self, content: object) -> object:
        """Put arrays in the place of what stands for them.

        Args:
            content (object): Containers that do not contain themselves; the
                dictionaries and lists are changed.
        """
        if isinstance(content, _Array) and content.value is not None:
            return content.value
        if isinstance(content, _Part):
            raise InfoFileError('holds a NumPy object that is not complete')
        if type(content) is tuple:
            return tuple(map(self.finish, content))
        waiting = [content]
        while waiting:
            whole = waiting.pop()
            if type(whole) is dict:
                items = whole.items()
            elif type(whole) is list:
                items = enumerate(whole)
            else:
                continue
            for key, item in items:
                kind = type(item)
                if kind in _PLAIN:
                    continue
                if kind is dict or kind is list:
                    waiting.append(item)
                elif kind is tuple or issubclass(kind, _Part):
                    # Another value of a key leaves the dictionary's order.
                    whole[key] = self.finish(item)
        return content

    def _reconstruct(self, base: object, *start: object) -> _Array:
        if base is not self._ndarray:
            raise ValueError('rebuilds an array of another class')
        return _Array(self._take)

    def _take(
        self, data: object, dtype: object, shape: object, order: object
    ) -> np.ndarray:
        """Return an array of exactly these bytes, in native byte order."""
        if isinstance(data, str):  # protocol 2 of Python 2
            data = data.encode('latin1')
        if type(shape) is int:
            shape = (shape,)
        if (
            not isinstance(data, bytes | bytearray)
            or not isinstance(dtype, _Dtype)
            or type(shape) is not tuple
            or len(shape) > _MAX_DIMENSIONS
            or not all(type(n) is int and 0 <= n < 2**63 for n in shape)
            or order not in ('C', 'F')
        ):
            raise ValueError('has an array with damaged parts')
        count = math.prod(shape)
        wanted = count * dtype.value.itemsize
        # Texts of length 0 take no bytes, but a place in the list they become.
        self._left -= max(wanted, count)
        if wanted != len(data) or self._left < 0:
            raise ValueError(
                f'has an array of shape {shape} and type {dtype.value} with '
                f'{len(data)} bytes'
            )
        array = np.ndarray(shape, dtype.value, data, order=order)
        return array.astype(dtype.native, order='K')

    def _scalar(self, dtype: object, data: object = b'') -> np.generic:
        return self._take(data, dtype, (), 'C')[()]


def _ordered(*pairs: object) -> dict:
    return dict(*pairs)


def _encode(text: object, encoding: object, *errors: object) -> bytes:
    if not isinstance(text, str) or encoding not in ('latin1', 'latin-1'):
        raise ValueError(f'has bytes in the encoding {str(encoding)[:20]!r}')
    return text.encode('latin1')


def _empty_bytes() -> bytes:
    return b''
