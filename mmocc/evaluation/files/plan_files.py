"""Read and write files of plans and of what plans are scored against.

Agents and map lines come in any number per sample, so their rows stand one
below the other and ``..._counts`` says how many belong to each sample.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np

from mmocc.evaluation.files.errors import ResultFileError
from mmocc.evaluation.files.joining import Joined
from mmocc.evaluation.files.npz_file import NpzFile
from mmocc.evaluation.functional.arrays import ArrayLike, as_array
from mmocc.evaluation.functional.plan_agents import Agents
from mmocc.evaluation.functional.plan_presets import Frame, PlanSample
from mmocc.evaluation.functional.plan_shapes import MapLines
from mmocc.structures.occ3d import NUM_FUTURE
from mmocc.utils.atomic import atomic_open

UNSTATED = 'not stated'
# Array of a file -> attribute of Agents, the last two optional.
AGENT_FIELDS = {
    'agent_category': 'category',
    'agent_size': 'size',
    'agent_now': 'now',
    'agent_future': 'future',
    'agent_future_mask': 'future_mask',
    'agent_has_points': 'has_points',
    'agent_recently_seen': 'recently_seen',
}
_OPTIONAL = ('agent_has_points', 'agent_recently_seen')
_MAPS = ('drivable', 'boundary')
_QUARTER = np.pi / 2


def write_plans(
    path: Path | str,
    tokens: Sequence[str],
    trajs: ArrayLike,
    yaws: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    frame: Frame = 'ego',
    ego_status: str = UNSTATED,
    command: str = UNSTATED,
) -> None:
    """Write predicted plans.

    Args:
        path (Path | str): Path of the ``.npz`` file.
        tokens (Sequence[str]): N sample tokens.
        trajs (ArrayLike): (N, 6, 2) metres at 0.5 .. 3.0 s.
        yaws (ArrayLike, optional): (N, 6) headings in radians.
        valid (ArrayLike, optional): (N,) bool, False where no plan could be
            parsed out of a text; its positions are then not read.
        frame (str): ``ego`` (x forward, y left, of the ego origin) or
            ``lidar`` (x right, y forward, of the LiDAR). Defaults to 'ego'.
        ego_status (str): What the planner knew of its own motion, for
            example "none", "velocity" or "velocity, 2 s history"; printed
            beside the scores. Defaults to 'not stated'.
        command (str): Which navigation command it was given, for example
            "none" or "from the true future". Defaults to 'not stated'.
    """
    arrays = {
        'tokens': np.array(list(tokens)),
        'trajs': as_array(trajs).astype(np.float64),
        'frame': np.array(frame),
        'ego_status': np.array(ego_status),
        'command': np.array(command),
    }
    for name, values in (('yaws', yaws), ('valid', valid)):
        if values is not None:
            arrays[name] = as_array(values)
    _save(path, arrays)


def write_plan_truth(
    path: Path | str, tokens: Sequence[str], samples: Sequence[PlanSample]
) -> None:
    """Write the ground truth of plans; ``plan`` of the samples is not read.

    Optional parts are written if the first sample has them, and must then be
    there in all. Positions are those of the ego origin, x forward, y left.

    Args:
        path (Path | str): Path of the ``.npz`` file.
        tokens (Sequence[str]): N sample tokens.
        samples (Sequence[PlanSample]): N samples.
    """
    if not samples or len(tokens) != len(samples):
        raise ValueError(
            f'{path}: got {len(tokens)} tokens and {len(samples)} samples'
        )
    if any(sample.frame != 'ego' for sample in samples):
        raise ValueError(f"{path}: samples must be in the frame 'ego'")
    first = samples[0]
    arrays = {
        'tokens': np.array(list(tokens)),
        'trajs': np.stack([sample.truth for sample in samples]),
        'mask': np.stack([sample.mask for sample in samples]),
        'frame': np.array(first.frame),
        'frame_idx': np.array([sample.frame_idx for sample in samples]),
        'scene_length': np.array([sample.scene_length for sample in samples]),
    }
    if first.truth_yaw is not None:
        arrays['yaws'] = np.stack([sample.truth_yaw for sample in samples])
    if first.agents is not None:
        agents = [sample.agents for sample in samples]
        arrays['agent_counts'] = np.array([len(a.category) for a in agents])
        for name, attribute in AGENT_FIELDS.items():
            if getattr(first.agents, attribute) is not None:
                arrays[name] = np.concatenate(
                    [getattr(a, attribute) for a in agents]
                )
    for name in _MAPS:
        if getattr(first, name) is not None:
            arrays |= _flat_lines(
                name, [getattr(sample, name) for sample in samples]
            )
    _save(path, arrays)


def _save(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays row by row, whatever their order in memory."""
    with atomic_open(path) as file:
        np.savez_compressed(
            file, **{k: np.asarray(v, order='C') for k, v in arrays.items()}
        )


def _flat_lines(name: str, maps: Sequence[MapLines]) -> dict[str, np.ndarray]:
    """Flatten the map lines of all samples into arrays."""
    lines = [line for lines in maps for line in lines.lines]
    return {
        f'{name}_counts': np.array([len(lines.lines) for lines in maps]),
        f'{name}_sizes': np.array([len(line) for line in lines], dtype=int),
        f'{name}_holes': np.array(
            [hole for lines in maps for hole in lines.holes], dtype=bool
        ),
        f'{name}_points': np.concatenate([np.zeros((0, 2)), *lines]),
    }


class PlanFiles:
    """Plans and their ground truth, read from two npz files and joined.

    Args:
        pred (NpzFile): The predictions.
        gt (NpzFile): The ground truth.

    Attributes:
        names (list[str]): Tokens, or numbers where there are none.
        frame (str): Whose positions the files hold, ``ego`` or ``lidar``.
        about (dict[str, str]): ``ego_status`` and ``command`` as stated,
            ``frame``, and ``headings``: whether both sides have them.

    Raises:
        ResultFileError: Anything is missing or of a wrong shape, or a plan is
            not finite.
    """

    def __init__(self, pred: NpzFile, gt: NpzFile) -> None:
        for file in (pred, gt):
            file.require('trajs')
        gt.require('mask')
        joined = Joined(pred, gt, 'trajs')
        self.names, self._number = joined.names, len(joined)
        self.frame = _shared_frame(pred, gt)
        steps = (NUM_FUTURE,)
        # Arrays (N, ...) of the fields of a PlanSample, None where unknown.
        columns = {
            'plan': self._positions(pred, 'trajs', (*steps, 2)),
            'plan_yaw': self._positions(pred, 'yaws', steps),
            'valid': _read(pred, 'valid', 'flags', self._number),
        }
        columns = {
            name: None if values is None else values[joined.places]
            for name, values in columns.items()
        }
        valid = columns.pop('valid')
        self._valid = np.ones(self._number, bool) if valid is None else valid
        columns |= {
            'truth': self._positions(gt, 'trajs', (*steps, 2)),
            'truth_yaw': self._positions(gt, 'yaws', steps),
            'mask': _read(gt, 'mask', 'flags', self._number, steps),
        }
        self._check_finite(pred, gt, columns)
        columns['agents'] = self._read_agents(gt)
        for name in ('frame_idx', 'scene_length'):
            columns[name] = _read(gt, name, 'integers', self._number)
        for name in _MAPS:
            columns[name] = self._read_map(gt, name)
        self._columns = {
            name: values
            for name, values in columns.items()
            if values is not None
        }
        both = {'plan_yaw', 'truth_yaw'} <= set(self._columns)
        self.about = {
            'ego_status': _stated(pred, 'ego_status'),
            'command': _stated(pred, 'command'),
            'frame': self.frame,
            'headings': 'in both files' if both else 'not in both files',
        }

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[PlanSample]:
        for place in range(self._number):
            yield self.sample(place)

    def sample(self, place: int) -> PlanSample:
        """Return one sample, x forward and y left whatever the file has."""
        fields = {name: rows[place] for name, rows in self._columns.items()}
        if not self._valid[place]:
            fields['plan'] = None
        return PlanSample(**fields, frame=self.frame)

    def _positions(
        self, file: NpzFile, name: str, shape: tuple[int, ...]
    ) -> np.ndarray | None:
        """Read positions or headings, as x forward and y left."""
        values = _read(file, name, 'numbers', self._number, shape)
        if values is None or self.frame == 'ego':
            return values
        return values - _QUARTER if name == 'yaws' else _turned(values)

    def _check_finite(
        self, pred: NpzFile, gt: NpzFile, columns: Mapping[str, np.ndarray]
    ) -> None:
        counted = self._valid[:, None] & np.ones(NUM_FUTURE, bool)
        at_valid = ' at a step that the mask declares valid'
        for file, column, field, mask, where in (
            (pred, 'plan', 'trajs', counted, ''),
            (gt, 'truth', 'trajs', columns['mask'], at_valid),
            (pred, 'plan_yaw', 'yaws', counted, ''),
            (gt, 'truth_yaw', 'yaws', columns['mask'], at_valid),
        ):
            values = columns[column]
            if values is None:
                continue
            finite = np.isfinite(values.reshape(*mask.shape, -1)).all(axis=2)
            broken = (~finite & mask).any(axis=1)
            if broken.any():
                raise ResultFileError(
                    file.path,
                    f'is NaN or infinite{where} ({int(broken.sum())} of '
                    f'{self._number} samples)',
                    field,
                    self.names[int(np.flatnonzero(broken)[0])],
                )

    def _read_agents(self, file: NpzFile) -> list[Agents] | None:
        if 'agent_counts' not in file:
            return None
        file.require(*(set(AGENT_FIELDS) - set(_OPTIONAL)))
        bounds = _bounds(file, 'agent_counts', self._number)
        rows = {
            attribute: _rows(file, name, bounds[-1])
            for name, attribute in AGENT_FIELDS.items()
            if name in file
        }
        for name in ('future_mask', 'has_points', 'recently_seen'):
            if name in rows:
                rows[name] = rows[name].astype(bool)
        if self.frame == 'lidar':
            for name in ('now', 'future'):
                place, yaw = rows[name][..., :2], rows[name][..., 2:]
                rows[name] = np.concatenate(
                    (_turned(place), yaw - _QUARTER), axis=-1
                )
        agents = []
        for token, (start, end) in zip(
            self.names, pairwise(bounds), strict=True
        ):
            try:
                agents.append(
                    Agents(
                        **{key: row[start:end] for key, row in rows.items()}
                    )
                )
            except ValueError as error:
                raise ResultFileError(
                    file.path, str(error), 'agent_...', token
                ) from error
        return agents

    def _read_map(self, file: NpzFile, name: str) -> list[MapLines] | None:
        if f'{name}_counts' not in file:
            return None
        bounds = _bounds(file, f'{name}_counts', self._number)
        ends = _bounds(file, f'{name}_sizes', bounds[-1])
        points = _rows(file, f'{name}_points', ends[-1]).astype(np.float64)
        if points.shape[1:] != (2,) or not np.isfinite(points).all():
            raise ResultFileError(
                file.path,
                f'has shape {points.shape}, expected (K, 2) finite metres',
                f'{name}_points',
            )
        if self.frame == 'lidar':
            points = _turned(points)
        holes = np.zeros(bounds[-1], dtype=bool)
        if f'{name}_holes' in file:
            holes = _rows(file, f'{name}_holes', bounds[-1]).astype(bool)
        lines = [points[start:end] for start, end in pairwise(ends)]
        return [
            MapLines(lines[start:end], holes[start:end].tolist())
            for start, end in pairwise(bounds)
        ]


def _shared_frame(pred: NpzFile, gt: NpzFile) -> Frame:
    """Return the frame that both files state."""
    frames = []
    for file in (pred, gt):
        frame = _stated(file, 'frame', 'ego')
        if frame not in get_args(Frame):
            raise ResultFileError(
                file.path,
                f'is {frame!r}, expected one of {get_args(Frame)}',
                'frame',
            )
        frames.append(frame)
    if frames[0] != frames[1]:
        raise ResultFileError(
            pred.path,
            f'is {frames[0]!r}, but {gt.path} is in the frame {frames[1]!r}; '
            'write both in one frame',
            'frame',
        )
    return frames[0]


def _turned(points: np.ndarray) -> np.ndarray:
    """Turn x right, y forward into x forward, y left."""
    return np.stack((points[..., 1], -points[..., 0]), axis=-1)


def _read(
    file: NpzFile,
    name: str,
    kind: str,
    number: int,
    shape: tuple[int, ...] = (),
) -> np.ndarray | None:
    """Read an array (number, *shape); None where the file lacks it.

    Args:
        file (NpzFile): The file.
        name (str): The array.
        kind (str): ``numbers`` (as float64), ``integers``, ``counts`` (not
            negative) or ``flags`` (0 and 1, as bool).
        number (int): Samples of the file.
        shape (tuple[int]): Shape of one sample. Defaults to a single value.
    """
    if name not in file:
        return None
    values = file.array(name)
    if values.shape != (number, *shape):
        raise ResultFileError(
            file.path,
            f'has shape {values.shape}, expected {(number, *shape)}',
            name,
        )
    types = {'numbers': 'fiu', 'integers': 'iu', 'counts': 'iu'}
    problem = None
    if values.dtype.kind not in types.get(kind, 'biuf'):
        problem = f'is {values.dtype}, expected {kind}'
    elif kind == 'counts' and (values < 0).any():
        problem = 'holds something else than counts'
    elif kind == 'flags' and not np.isin(values, (0, 1)).all():
        problem = 'holds something else than True and False'
    if problem:
        raise ResultFileError(file.path, problem, name)
    return values.astype({'numbers': float, 'flags': bool}.get(kind, int))


def _bounds(file: NpzFile, name: str, number: int) -> np.ndarray:
    """Return where the rows of each sample begin and end, (number + 1,)."""
    file.require(name)
    counts = _read(file, name, 'counts', number)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def _rows(file: NpzFile, name: str, number: int) -> np.ndarray:
    """Read an array whose first axis must have ``number`` rows."""
    file.require(name)
    values = file.array(name)
    if not values.shape or len(values) != number:
        raise ResultFileError(
            file.path,
            f'has shape {values.shape}, expected {number} rows, as many as '
            'the counts say',
            name,
        )
    return values


def _stated(file: NpzFile, name: str, default: str = UNSTATED) -> str:
    """Return a text of the file, or the default."""
    return str(file.array(name)) if name in file else default
