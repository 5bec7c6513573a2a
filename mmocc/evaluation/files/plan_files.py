"""Files of plans and of what plans are scored against.

Agents and map lines come in any number per sample, so their rows stand one
below the other and ``..._counts`` says how many belong to each sample.
"""

from collections.abc import Iterator, Sequence
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
        path (Path | str): Of the ``.npz`` file.
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
    with atomic_open(path) as file:
        np.savez_compressed(file, **arrays)


def write_plan_truth(
    path: Path | str, tokens: Sequence[str], samples: Sequence[PlanSample]
) -> None:
    """Write what plans are scored against; ``plan`` is not looked at.

    Optional parts are written if the first sample has them, and must then be
    there in all. Positions are in the samples' own frame, x forward, y left;
    the file says ``ego`` and they must be the ego origin's.

    Args:
        path (Path | str): Of the ``.npz`` file.
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
    with atomic_open(path) as file:
        np.savez_compressed(file, **arrays)


def _flat_lines(name: str, maps: Sequence[MapLines]) -> dict:
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
    """Plans beside their ground truth.

    Attributes:
        names (list[str]): Tokens, or numbers where there are none.
        about (dict[str, str]): ``ego_status`` and ``command`` as stated,
            ``frame``, and ``headings``: whether both sides have them.

    Args:
        pred (NpzFile): The predictions.
        truth (NpzFile): The ground truth.

    Raises:
        ResultFileError: Anything is missing or of a wrong shape, or a plan is
            not finite.
    """

    def __init__(self, pred: NpzFile, truth: NpzFile) -> None:
        for file in (pred, truth):
            file.require('trajs')
        truth.require('mask')
        self._truth = truth
        joined = Joined(pred, truth, 'trajs')
        self.names, self._number = joined.names, len(joined)
        self.frame = self._shared_frame(pred, truth)
        steps = (NUM_FUTURE,)
        self._plans = self._numbers(pred, 'trajs', (*steps, 2))[joined.places]
        self._truths = self._numbers(truth, 'trajs', (*steps, 2))
        self._masks = _booleans(truth, 'mask', self._number, steps)
        self._plan_yaws = self._truth_yaws = None
        if 'yaws' in pred:
            self._plan_yaws = self._numbers(pred, 'yaws', steps)[joined.places]
        if 'yaws' in truth:
            self._truth_yaws = self._numbers(truth, 'yaws', steps)
        self._valid = np.ones(self._number, dtype=bool)
        if 'valid' in pred:
            valid = _booleans(pred, 'valid', self._number, ())
            self._valid = valid[joined.places]
        self._check_finite(pred, truth)
        self._frame_idx = self._counts(truth, 'frame_idx')
        self._scene_length = self._counts(truth, 'scene_length')
        self._agents = self._read_agents(truth)
        self._maps = {name: self._read_lines(truth, name) for name in _MAPS}
        headings = self._plan_yaws is not None and (
            self._truth_yaws is not None
        )
        self.about = {
            'ego_status': _stated(pred, 'ego_status'),
            'command': _stated(pred, 'command'),
            'frame': self.frame,
            'headings': 'in both files' if headings else 'not in both files',
        }

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[PlanSample]:
        for place in range(self._number):
            yield self.sample(place)

    def sample(self, place: int) -> PlanSample:
        """One sample, x forward and y left whatever the file has."""

        def at(values: Sequence | None) -> np.ndarray | None:
            return None if values is None else values[place]

        return PlanSample(
            plan=self._plans[place] if self._valid[place] else None,
            truth=self._truths[place],
            mask=self._masks[place],
            frame=self.frame,
            plan_yaw=at(self._plan_yaws),
            truth_yaw=at(self._truth_yaws),
            agents=at(self._agents),
            drivable=at(self._maps['drivable']),
            boundary=at(self._maps['boundary']),
            frame_idx=int(self._frame_idx[place]),
            scene_length=int(self._scene_length[place]),
        )

    def _shared_frame(self, pred: NpzFile, truth: NpzFile) -> Frame:
        frames = []
        for file in (pred, truth):
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
                f'is {frames[0]!r}, but {truth.path} is in the frame '
                f'{frames[1]!r}; write both in one frame',
                'frame',
            )
        return frames[0]

    def _numbers(
        self, file: NpzFile, name: str, shape: tuple[int, ...]
    ) -> np.ndarray:
        """An array (N, *shape) of floats, in forward and left."""
        values = _checked(file, name, self._number, shape)
        if values.dtype.kind not in 'fiu':
            raise ResultFileError(
                file.path, f'is {values.dtype}, expected numbers', name
            )
        values = values.astype(np.float64)
        if self.frame == 'lidar':
            values = values - _QUARTER if name == 'yaws' else _turned(values)
        return values

    def _counts(self, file: NpzFile, name: str) -> np.ndarray:
        """Integers (N,), -1 where the file has none."""
        if name not in file:
            return np.full(self._number, -1)
        values = _checked(file, name, self._number, ())
        if values.dtype.kind not in 'iu':
            raise ResultFileError(
                file.path, f'is {values.dtype}, expected integers', name
            )
        return values

    def _check_finite(self, pred: NpzFile, truth: NpzFile) -> None:
        broken = ~np.isfinite(self._plans).all(axis=(1, 2)) & self._valid
        self._refuse(broken, pred, 'trajs', 'is NaN or infinite')
        at_valid = 'is NaN or infinite at a step that the mask declares valid'
        broken = ~np.isfinite(self._truths).all(axis=2) & self._masks
        self._refuse(broken.any(axis=1), truth, 'trajs', at_valid)
        if self._plan_yaws is not None:
            broken = ~np.isfinite(self._plan_yaws).all(axis=1) & self._valid
            self._refuse(broken, pred, 'yaws', 'is NaN or infinite')
        if self._truth_yaws is not None:
            broken = ~np.isfinite(self._truth_yaws) & self._masks
            self._refuse(broken.any(axis=1), truth, 'yaws', at_valid)

    def _refuse(
        self, broken: np.ndarray, file: NpzFile, field: str, problem: str
    ) -> None:
        if broken.any():
            raise ResultFileError(
                file.path,
                f'{problem} ({int(broken.sum())} of {self._number} samples)',
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
                rows[name] = np.concatenate(
                    (
                        _turned(rows[name][..., :2]),
                        rows[name][..., 2:] - _QUARTER,
                    ),
                    axis=-1,
                )
        agents = []
        for place in range(self._number):
            part = slice(bounds[place], bounds[place + 1])
            try:
                agents.append(
                    Agents(**{name: row[part] for name, row in rows.items()})
                )
            except ValueError as error:
                raise ResultFileError(
                    file.path, str(error), 'agent_...', self.names[place]
                ) from error
        return agents

    def _read_lines(self, file: NpzFile, name: str) -> list[MapLines] | None:
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


def _turned(points: np.ndarray) -> np.ndarray:
    """From x right, y forward to x forward, y left."""
    return np.stack((points[..., 1], -points[..., 0]), axis=-1)


def _checked(
    file: NpzFile, name: str, number: int, shape: tuple[int, ...]
) -> np.ndarray:
    """An array that must be (number, *shape)."""
    values = file.array(name)
    if values.shape != (number, *shape):
        raise ResultFileError(
            file.path,
            f'has shape {values.shape}, expected {(number, *shape)}',
            name,
        )
    return values


def _booleans(
    file: NpzFile, name: str, number: int, shape: tuple[int, ...]
) -> np.ndarray:
    """An array of 0 and 1, as bool."""
    values = _checked(file, name, number, shape)
    if values.dtype.kind not in 'biuf' or not np.isin(values, (0, 1)).all():
        raise ResultFileError(
            file.path, 'holds something else than True and False', name
        )
    return values.astype(bool)


def _bounds(file: NpzFile, name: str, number: int) -> np.ndarray:
    """Where the rows of each sample begin and end, (number + 1,)."""
    counts = _checked(file, name, number, ())
    if counts.dtype.kind not in 'iu' or (counts < 0).any():
        raise ResultFileError(
            file.path, 'holds something else than counts', name
        )
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def _rows(file: NpzFile, name: str, number: int) -> np.ndarray:
    """An array whose first axis must have ``number`` rows."""
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
    """A text in the file, or the default."""
    return str(file.array(name)) if name in file else default
