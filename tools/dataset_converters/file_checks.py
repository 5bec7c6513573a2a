"""Check that files of nuScenes and Occ3D exist and can be read.

Each function returns None, or one phrase that says what is wrong.
"""

import zipfile
from pathlib import Path

import cv2
import numpy as np

from mmocc.structures import OccGrid
from mmocc.structures.occ3d import FREE
from mmocc.utils.npz_damage import NPZ_DAMAGE

MISSING = 'is missing'
_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_POINT_BYTES = 5 * 4  # x, y, z, intensity, ring in single precision
_LABEL_ARRAYS = ('semantics', 'mask_lidar', 'mask_camera')


def check_image(path: Path, size: tuple[int, int], decode: bool) -> str | None:
    """Check an image.

    Args:
        path (Path): A JPEG file.
        size (tuple[int, int]): Width and height in the tables, pixels.
        decode (bool): Whether to decode it; otherwise its first and last
            bytes are read, which finds files that are cut off.
    """
    if not path.is_file():
        return MISSING
    if not decode:
        with path.open('rb') as file:
            start = file.read(len(_JPEG_START))
            file.seek(max(path.stat().st_size - len(_JPEG_END), 0))
            end = file.read()
        if start != _JPEG_START:
            return 'is not a JPEG file'
        return None if end == _JPEG_END else 'is cut off'
    image = decode_image(path)
    if image is None:
        return 'is cut off or cannot be decoded'
    got = image.shape[1], image.shape[0]
    if got != tuple(size):
        return f'has {got[0]} x {got[1]} pixels, the tables say {size}'
    return None


def decode_image(path: Path) -> np.ndarray | None:
    """Read pixels (H, W, 3) as stored, or None where the file is damaged.

    ``cv2.imread`` would fill the lacking end of a file with grey and rotate
    images by their EXIF orientation; the models' loader does neither.
    """
    data = np.fromfile(path, dtype=np.uint8)
    if not data.size:
        return None
    return cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def check_points(path: Path, read: bool) -> str | None:
    """Check a LiDAR file; with ``read``, also that it is finite."""
    if not path.is_file():
        return MISSING
    length = path.stat().st_size
    if not length or length % _POINT_BYTES:
        return (
            f'has {length} bytes, expected a multiple of {_POINT_BYTES} '
            '(x, y, z, intensity, ring); it may be cut off'
        )
    if read and not np.isfinite(read_points(path)).all():
        return 'holds numbers that are not finite'
    return None


def read_points(path: Path) -> np.ndarray:
    """Read points (N, 5) of a LiDAR file: x, y, z, intensity, ring."""
    return np.fromfile(path, dtype=np.float32).reshape(-1, 5)


def check_label(path: Path, read: bool) -> str | None:
    """Check an Occ3D label; with ``read``, also its arrays."""
    if not path.is_file():
        return MISSING
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except NPZ_DAMAGE as error:
        return f'cannot be opened ({error})'
    absent = [n for n in _LABEL_ARRAYS if f'{n}.npy' not in names]
    if absent:
        return f'lacks the arrays {absent}'
    return _check_arrays(path) if read else None


def _check_arrays(path: Path) -> str | None:
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in _LABEL_ARRAYS}
    except NPZ_DAMAGE as error:
        return f'cannot be read ({error})'
    shape = OccGrid().shape
    for name, array in arrays.items():
        most = FREE if name == 'semantics' else 1
        if array.shape != shape:
            return f'{name} has the shape {array.shape}, expected {shape}'
        if array.min() < 0 or array.max() > most:
            return (
                f'{name} holds {array.min()} to {array.max()}, expected 0 to '
                f'{most}'
            )
    return None
