"""Open-loop planning: L2 displacement errors, both read-outs.

The same errors at 0.5 .. 3.0 s are published in two ways (UniAD's "at t" and
the "mean up to t" of ST-P3 and VAD), and incomplete futures enter in two ways
as well. Rows of different conventions must not be compared, so every figure
carries its read-out in its name and comes with its number of samples:

* ``L2_at_Ks``: the error at K seconds.
* ``L2_mean_Ks``: the mean of the errors of all steps up to K seconds.
* ``L2_band_Ks``: the mean of the errors within second K alone. It undoes the
  running mean, and its growth tells methods apart that know the ego status.

Sums add up, so frames may come in any order and from any number of processes.
"""

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

from mmocc.evaluation.functional.arrays import ArrayLike, as_array
from mmocc.structures.occ3d import NUM_FUTURE, STEP_SECONDS

SampleRule = Literal['complete_only', 'all_masked']

STEPS_PER_SECOND = round(1 / STEP_SECONDS)
SECONDS = tuple(range(1, NUM_FUTURE // STEPS_PER_SECOND + 1))


@dataclass(frozen=True)
class PlanningSums:
    """Sums over any number of frames; ``a + b`` joins two sets.

    Attributes:
        frames (int): Frames with a ground-truth plan, however short.
        complete (int): Those whose six future steps all exist.
        steps (np.ndarray): (6,) int64, frames in which a step exists.
        errors (np.ndarray): (6,) metres, summed over the steps that exist.
        complete_errors (np.ndarray): (6,) metres, summed over the complete
            frames.
    """

    frames: int
    complete: int
    steps: np.ndarray
    errors: np.ndarray
    complete_errors: np.ndarray

    def __add__(self, other: 'PlanningSums') -> 'PlanningSums':
        return PlanningSums(
            *(
                getattr(self, f.name) + getattr(other, f.name)
                for f in fields(self)
            )
        )


def displacement_errors(pred: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Compute distances (N, 6) in metres between plans (N, 6, 2)."""
    pred = as_array(pred).astype(np.float64)
    truth = as_array(truth).astype(np.float64)
    expected = (len(truth), NUM_FUTURE, 2)
    if pred.shape != expected or truth.shape != expected:
        raise ValueError(
            f'planned trajectories have shape {pred.shape} and the ground '
            f'truth {truth.shape}, expected (N, {NUM_FUTURE}, 2) for both: x, '
            f'y in metres at {STEP_SECONDS} s steps'
        )
    if not np.isfinite(pred).all():
        raise ValueError(
            'planned trajectories hold NaN or infinite positions, expected '
            'metres; look for a diverged planner'
        )
    return np.linalg.norm(pred - truth, axis=-1)


def planning_sums(
    pred: ArrayLike, truth: ArrayLike, mask: ArrayLike
) -> PlanningSums:
    """Sum the errors of N frames.

    Args:
        pred (ArrayLike): (N, 6, 2) planned positions, metres, ego frame.
        truth (ArrayLike): (N, 6, 2) driven positions; whatever stands where
            ``mask`` is False is not read.
        mask (ArrayLike): (N, 6), True where the step exists.

    Raises:
        ValueError: Shapes do not fit, or a position that counts is not
            finite.
    """
    errors = displacement_errors(pred, truth)
    mask = as_array(mask).astype(bool)
    if mask.shape != errors.shape:
        raise ValueError(
            f'the mask has shape {mask.shape}, expected {errors.shape}'
        )
    errors = np.where(mask, errors, 0.0)
    if not np.isfinite(errors).all():
        raise ValueError(
            'the ground-truth trajectory is not finite at a step that its '
            'mask declares valid; rebuild the info file'
        )
    complete = mask.all(axis=1)
    return PlanningSums(
        frames=len(mask),
        complete=int(complete.sum()),
        steps=mask.sum(axis=0),
        errors=errors.sum(axis=0),
        complete_errors=errors[complete].sum(axis=0),
    )


def planning_scores(
    sums: PlanningSums, samples: SampleRule = 'complete_only'
) -> dict[str, float]:
    """Compute L2 in metres from sums, under one rule for short futures.

    Args:
        sums (PlanningSums): Sums over the whole split.
        samples (str): ``complete_only``: frames with all six steps (VAD,
            SparseDrive, BEV-Planner, OmniDrive: 5119 of nuScenes val).
            ``all_masked``: every frame stands in the denominator and missing
            steps add 0 (UniAD: 6019), which lowers late figures. Defaults to
            'complete_only'.

    Returns:
        dict: ``L2_at_{1,2,3}s``, ``L2_mean_{1,2,3}s``, ``L2_band_{1,2,3}s``,
        the plain means ``L2_at_avg`` and ``L2_mean_avg`` of the three, and
        ``samples`` (the denominator) and ``frames`` (with ground truth). With
        no sample, the counts alone.
    """
    if samples not in get_args(SampleRule):
        raise ValueError(
            f'samples is {samples!r}, expected one of {get_args(SampleRule)}'
        )
    if samples == 'complete_only':
        count, total = sums.complete, sums.complete_errors
    else:
        count, total = sums.frames, sums.errors
    counts = {'samples': count, 'frames': sums.frames}
    if count == 0:
        return counts
    steps = total / count
    return read_outs('L2', steps) | error_bands('L2', steps) | counts


def read_outs(name: str, steps: np.ndarray) -> dict[str, float]:
    """Return values per step (6,) at each second and averaged up to it."""
    means = np.cumsum(steps) / np.arange(1, NUM_FUTURE + 1)
    return columns(f'{name}_at', steps) | columns(f'{name}_mean', means)


def columns(name: str, steps: np.ndarray) -> dict[str, float]:
    """Return the values at 1, 2 and 3 s, and their plain mean."""
    values = steps[STEPS_PER_SECOND - 1 :: STEPS_PER_SECOND]
    scores = {
        f'{name}_{second}s': float(value)
        for second, value in zip(SECONDS, values, strict=True)
    }
    return scores | {f'{name}_avg': float(values.mean())}


def error_bands(name: str, steps: np.ndarray) -> dict[str, float]:
    """Return the mean of the steps (6,) within each second."""
    bands = steps.reshape(-1, STEPS_PER_SECOND).mean(axis=1)
    return {
        f'{name}_band_{second}s': float(value)
        for second, value in zip(SECONDS, bands, strict=True)
    }
