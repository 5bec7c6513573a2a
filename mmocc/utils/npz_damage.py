"""Exceptions that reading a damaged npz file may raise."""

import tokenize
import zipfile
import zlib

# Each layer has errors of its own: the archive, its compression, and NumPy's
# headers, which are Python literals. RuntimeError stands for flags that no
# npz file has, such as encryption or another way to compress.
NPZ_DAMAGE = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
