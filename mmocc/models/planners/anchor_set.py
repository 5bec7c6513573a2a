"""A file of trajectory anchors and where they come from.

Written by ``tools/fit_anchors.py`` as .npz or .json, plain arrays only. The
hash covers everything else in the file, so an edited or damaged one is not
mistaken for what was fitted.
"""

import hashlib
import os
import zipfile
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmocc.utils.atomic import atomic_open
from mmocc.utils.json_files import read_json, write_json

# How anchors are grouped. The commands of ``per_command`` are ``gt3s``: they
# come from the ground truth future, see ``gt3s_command``.
MODES = ('global', 'per_command')
GT3S_COMMANDS = ('left', 'straight', 'right')
NO_COMMAND = -1
# Lateral offset after 3 s that makes a turn, as in OmniDrive (Wang et al.,
# CVPR 2025) and the methods it compares with.
TURN_METRES = 2.0

_HASH = 'hash'
_ARRAYS = dict(
    anchors=np.float64,
    commands=np.int64,
    step_centre=np.float64,
    step_half_range=np.float64,
)
_REMEDY = (
    'fit them with tools/fit_anchors.py, or, for a checkpoint, which brings '
    'its own, set the key to None'
)


class AnchorError(ValueError):
    """Anchors are missing, damaged, or not those that were asked for."""


def gt3s_command(endpoints: np.ndarray) -> np.ndarray:
    """The command that ground truth futures would have followed.

    Whoever feeds it to a model tells the model about the future.

    Args:
        endpoints (np.ndarray): (..., 2) last positions in metres, x forward
            and y left.

    Returns:
        np.ndarray: (...) int64 indices of ``GT3S_COMMANDS``.
    """
    lateral = np.asarray(endpoints)[..., 1]
    return np.select(
        [lateral > TURN_METRES, lateral < -TURN_METRES], [0, 2], 1
    ).astype(np.int64)


@dataclass(frozen=True, eq=False)
class AnchorSet:
    """Anchors with their origin. A anchors, T steps.

    Attributes:
        anchors (np.ndarray): (A, T, 2) positions in metres, ego frame of the
            key frame, x forward and y left.
        commands (np.ndarray): (A,) int64 index of ``GT3S_COMMANDS``, -1 in
            mode ``global``.
        step_centre (np.ndarray): (2,) metres; middle of the range of the
            displacements in one step.
        step_half_range (np.ndarray): (2,) metres; half its width.
        mode (str): One of ``MODES``.
        split (str): What they were fitted on.
        seed (int): Random seed of the k-means.
        step_seconds (float): Seconds between two positions.
        num_trajectories (int): How many were fitted.
        oracle_ade (float): Mean distance in metres of the fitted
            trajectories to their nearest anchor.

    Raises:
        AnchorError: If a value has another shape or is not finite.
    """

    anchors: np.ndarray
    commands: np.ndarray
    step_centre: np.ndarray
    step_half_range: np.ndarray
    mode: str
    split: str
    seed: int
    step_seconds: float
    num_trajectories: int
    oracle_ade: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _ARRAYS:
                value = np.ascontiguousarray(value, _ARRAYS[field.name])
            else:
                value = field.type(value)
            object.__setattr__(self, field.name, value)
        if self.anchors.ndim != 3 or self.anchors.shape[2] != 2:
            raise AnchorError(
                f'anchors have shape {self.anchors.shape}, expected (A, T, 2)'
            )
        for name, shape in (
            ('commands', (len(self.anchors),)),
            ('step_centre', (2,)),
            ('step_half_range', (2,)),
        ):
            if getattr(self, name).shape != shape:
                raise AnchorError(
                    f'{name} has shape {getattr(self, name).shape}, expected '
                    f'{shape}'
                )
        for name in ('anchors', 'step_centre', 'step_half_range'):
            if not np.isfinite(getattr(self, name)).all():
                raise AnchorError(f'{name} holds NaN or infinity')
        if (self.step_half_range <= 0).any():
            raise AnchorError(
                f'step_half_range is {self.step_half_range}, expected '
                'positive metres'
            )
        if self.mode not in MODES:
            raise AnchorError(
                f'the mode is {self.mode!r}, expected one of {MODES}'
            )

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all fields, in hexadecimal."""
        digest = hashlib.sha256()
        for field in fields(self):
            value = getattr(self, field.name)
            digest.update(f'{field.name}:'.encode())
            if isinstance(value, np.ndarray):
                kind = value.dtype.newbyteorder('<')
                digest.update(f'{value.shape}'.encode())
                digest.update(value.astype(kind).tobytes())
            else:
                digest.update(repr(value).encode())
        return digest.hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Write a .npz or .json file, in full or not at all.

        Raises:
            AnchorError: If the name ends otherwise.
        """
        content = {field.name: getattr(self, field.name) for field in _FIELDS}
        content[_HASH] = self.hash
        if _suffix(path) == '.npz':
            with atomic_open(path) as file:
                np.savez(file, **content)
            return
        plain = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in content.items()
        }
        write_json(plain, path, indent=1)

    @classmethod
    def load(cls, path: str | os.PathLike) -> 'AnchorSet':
        """Read what ``save`` wrote. Nothing is unpickled.

        Raises:
            AnchorError: If the file is missing, damaged or edited.
        """
        read = _read_npz if _suffix(path) == '.npz' else _read_json
        if not Path(path).exists():
            raise AnchorError(
                f'the anchor file {path} does not exist; {_REMEDY}'
            )
        try:
            content = read(Path(path))
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise AnchorError(
                f'the anchor file {path} cannot be read ({error}); {_REMEDY}'
            ) from error
        names = {field.name for field in _FIELDS} | {_HASH}
        if set(content) != names:
            raise AnchorError(
                f'the anchor file {path} holds {sorted(content)}, expected '
                f'{sorted(names)}; {_REMEDY}'
            )
        stored = str(content.pop(_HASH))
        try:
            anchors = cls(**content)
        except (TypeError, ValueError) as error:
            raise AnchorError(
                f'the anchor file {path} is damaged: {error}; {_REMEDY}'
            ) from error
        if anchors.hash != stored:
            raise AnchorError(
                f'the anchor file {path} has the hash {stored[:12]}, its '
                f'content {anchors.hash[:12]}: it was edited or damaged; '
                f'{_REMEDY}'
            )
        return anchors


_FIELDS = fields(AnchorSet)


def _suffix(path: str | os.PathLike) -> str:
    suffix = Path(path).suffix
    if suffix not in ('.npz', '.json'):
        raise AnchorError(
            f'the anchor file {path} ends in {suffix!r}, expected .npz or '
            '.json'
        )
    return suffix


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    return {
        name: value.item() if value.ndim == 0 else value
        for name, value in content.items()
    }


def _read_json(path: Path) -> dict[str, Any]:
    return read_json(path, kind=dict)
