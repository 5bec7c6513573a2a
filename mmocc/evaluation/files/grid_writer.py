"""Write occupancy files of any length without holding them in memory."""

import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.lib import format as npy

from mmocc.evaluation.files.npz_file import TOKENS
from mmocc.evaluation.functional.arrays import (
    ArrayLike,
    as_array,
    as_integers,
)
from mmocc.evaluation.functional.occ import NUM_CLASSES, UNLABELLED
from mmocc.evaluation.functional.ray_casting import MAX_ORIGINS
from mmocc.utils.atomic import atomic_open

# Grids are mostly free space, so the fastest level is small enough.
_COMPRESSION = 1


class GridFileWriter:
    """Write predictions or ground truth of occupancy frame by frame.

    Frames go to temporary files in the target's folder; the file itself
    appears when the block ends, and not at all if it ends in an error::

        with GridFileWriter('pred.npz') as writer:
            for token, semantics in predictions:
                writer.add(token, semantics)

    Args:
        path (Path | str): Path of the ``.npz`` file.
        times_s (Sequence[float], optional): Of forecasts: seconds after now
            of each of the T grids of a frame.
    """

    def __init__(
        self, path: Path | str, times_s: Sequence[float] | None = None
    ) -> None:
        self.path = Path(path)
        self._times = None if times_s is None else np.array(times_s, float)
        self._tokens: dict[str, None] = {}  # in the order of arrival
        self._origins: list[np.ndarray] = []
        self._spools: dict[str, IO[bytes]] = {}
        self._types: dict[str, tuple[tuple[int, ...], np.dtype]] = {}

    def __enter__(self) -> 'GridFileWriter':
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._write()
        finally:
            for spool in self._spools.values():
                spool.close()

    def add(
        self,
        token: str,
        semantics: ArrayLike,
        mask_camera: ArrayLike | None = None,
        mask_lidar: ArrayLike | None = None,
        origins: ArrayLike | None = None,
    ) -> None:
        """Add one frame.

        Args:
            token (str): The sample's token.
            semantics (ArrayLike): (X, Y, Z) class ids, (T, X, Y, Z) of
                forecasts; 255 where ground truth has no label.
            mask_camera (ArrayLike, optional): (X, Y, Z), of ground truth.
            mask_lidar (ArrayLike, optional): (X, Y, Z), of ground truth.
            origins (ArrayLike, optional): (K, 3) metres, of ground truth for
                RayIoU; at most 8.

        Raises:
            TypeError: Ids are not integers.
            ValueError: Something is out of range, of another shape than
                before, or a token comes twice.
        """
        if not token or token in self._tokens:
            raise ValueError(
                f'the token {token!r} is empty or was added before'
            )
        semantics = as_integers(semantics, f'semantics of {token}')
        strange = semantics[
            (semantics != UNLABELLED)
            & ((semantics < 0) | (semantics >= NUM_CLASSES))
        ]
        if strange.size:
            raise ValueError(
                f'semantics of {token} hold the id {strange[0]}, expected 0 '
                f'to {NUM_CLASSES - 1}, or {UNLABELLED} without a label'
            )
        if self._times is not None and len(semantics) != len(self._times):
            raise ValueError(
                f'semantics of {token} have {len(semantics)} grids for '
                f'{len(self._times)} times'
            )
        fields = {'semantics': semantics.astype(np.uint8)}
        for name, mask in (
            ('mask_camera', mask_camera),
            ('mask_lidar', mask_lidar),
        ):
            if mask is not None:
                fields[name] = as_array(mask).astype(bool)
        if self._tokens and set(fields) != set(self._types):
            raise ValueError(
                f'{token} has {sorted(fields)}, the frames before have '
                f'{sorted(self._types)}'
            )
        for name, values in fields.items():
            known = self._types.setdefault(name, (values.shape, values.dtype))
            if known[0] != values.shape:
                raise ValueError(
                    f'{name} of {token} has shape {values.shape}, the frames '
                    f'before have {known[0]}'
                )
        if self._tokens and (origins is None) == bool(self._origins):
            raise ValueError(
                f'{token}: ray origins must be given for all frames or none'
            )
        if origins is not None:
            self._origins.append(pad_origins(origins, token))
        for name, values in fields.items():
            self._spool(name).write(np.ascontiguousarray(values).tobytes())
        self._tokens[token] = None

    def _spool(self, name: str) -> IO[bytes]:
        if name not in self._spools:
            self._spools[name] = tempfile.TemporaryFile(dir=self.path.parent)
        return self._spools[name]

    def _write(self) -> None:
        if not self._tokens:
            raise ValueError(f'{self.path}: no frame was added')
        small = {TOKENS: np.array(list(self._tokens))}
        if self._times is not None:
            small['times_s'] = self._times
        if self._origins:
            small['origins'] = np.stack(self._origins)
        with (
            atomic_open(self.path) as file,
            zipfile.ZipFile(
                file, 'w', zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION
            ) as archive,
        ):
            for name, values in small.items():
                with archive.open(f'{name}.npy', 'w') as member:
                    npy.write_array(member, values, allow_pickle=False)
            for name, spool in self._spools.items():
                shape, dtype = self._types[name]
                header = {
                    'descr': npy.dtype_to_descr(dtype),
                    'fortran_order': False,
                    'shape': (len(self._tokens), *shape),
                }
                spool.seek(0)
                with archive.open(
                    f'{name}.npy', 'w', force_zip64=True
                ) as member:
                    npy.write_array_header_1_0(member, header)
                    shutil.copyfileobj(spool, member)


def pad_origins(origins: ArrayLike, token: str) -> np.ndarray:
    """Pad ray origins (K, 3) with NaN to (8, 3)."""
    origins = as_array(origins).astype(np.float64)
    if (
        origins.ndim != 2
        or origins.shape[1] != 3
        or not 1 <= len(origins) <= MAX_ORIGINS
        or not np.isfinite(origins).all()
    ):
        raise ValueError(
            f'ray origins of {token} have shape {origins.shape}, expected '
            f'(K, 3) finite metres, 1 <= K <= {MAX_ORIGINS}'
        )
    padded = np.full((MAX_ORIGINS, 3), np.nan)
    padded[: len(origins)] = origins
    return padded
