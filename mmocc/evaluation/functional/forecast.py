"""4D occupancy forecasting: mIoU and IoU at 1, 2 and 3 s.

Two conventions are published side by side. Both compare each future frame
with its own label in its own ego frame, without warping and without any
visibility mask, and both score a horizon over the whole split and then
average the three horizons. They differ in

* the frame called "now", which decides which frames are predicted
  (:func:`forecast_frames`): OccWorld's windows end their history at frame
  i + 4, SparseWorld's at frame i + 5, for the same 4219 windows of nuScenes
  val; one model scores differently under the two;
* a class that a horizon has no ground truth of: 1 (OccWorld), or 0 where it
  was predicted and else not averaged (SparseWorld).

A figure at 0 s, where a file has one, is the present frame's, and is in no
average.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmocc.evaluation.functional.arrays import ArrayLike, as_array
from mmocc.evaluation.functional.occ import (
    NUM_CLASSES,
    AbsentRule,
    occ_histogram,
    occ_scores,
)
from mmocc.structures.occ3d import STEP_SECONDS

HORIZONS = (1.0, 2.0, 3.0)  # seconds
# A window of OccWorld's data set, of which one frame more must follow.
WINDOW = 12


@dataclass(frozen=True)
class ForecastConvention:
    """How one paper forecasts.

    Attributes:
        absent (str): The rule for classes without ground truth; see
            :func:`mmocc.evaluation.functional.class_iou`.
        present (int): Index of "now" within a window of 12 frames.
        source (str): Whose convention it is.
    """

    absent: AbsentRule
    present: int
    source: str


CONVENTIONS = {
    'occworld': ForecastConvention('occworld', 4, 'OccWorld, ECCV 2024'),
    'sparseworld': ForecastConvention('official', 5, 'SparseWorld'),
}


def get_convention(name: str) -> ForecastConvention:
    """Return the forecasting convention of that name.

    Raises:
        ValueError: There is none.
    """
    if name not in CONVENTIONS:
        raise ValueError(
            f'the convention is {name!r}, expected one of {list(CONVENTIONS)}'
        )
    return CONVENTIONS[name]


def forecast_frames(
    scene_length: int, convention: str
) -> list[tuple[int, tuple[int, ...]]]:
    """List the frames of a scene to forecast from, and their targets.

    Args:
        scene_length (int): Key frames in the scene.
        convention (str): ``occworld`` or ``sparseworld``.

    Returns:
        list: Of (now, (frames at 1, 2, 3 s)), one for each of the
        ``scene_length - 12`` windows.
    """
    steps = [round(horizon / STEP_SECONDS) for horizon in HORIZONS]
    return [
        (now, tuple(now + step for step in steps))
        for now in range(scene_length)
        if is_window(now, scene_length, convention)
    ]


def is_window(index: int, scene_length: int, convention: str) -> bool:
    """Return whether a convention forecasts from a frame of a scene.

    Args:
        index (int): Index of the frame that is "now".
        scene_length (int): Key frames in the scene.
        convention (str): ``occworld`` or ``sparseworld``.
    """
    start = index - get_convention(convention).present
    return 0 <= start < scene_length - WINDOW


def copy_and_paste(present: ArrayLike, horizons: int) -> np.ndarray:
    """Forecast that nothing changes: (T, X, Y, Z) copies, not warped.

    Args:
        present (ArrayLike): (X, Y, Z) the current frame's occupancy; its
            ground truth in the published rows.
        horizons (int): T.
    """
    present = as_array(present)
    return np.broadcast_to(present, (horizons, *present.shape))


def forecast_histograms(
    pred: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None
) -> np.ndarray:
    """Count confusion histograms (T, 18, 18) of one window; they add up.

    Args:
        pred (ArrayLike): (T, X, Y, Z) class ids.
        truth (ArrayLike): (T, X, Y, Z) class ids, each frame in its own ego
            frame.
        mask (ArrayLike, optional): (T, X, Y, Z), the voxels that count.
            Defaults to None, all, as both conventions have it.

    Raises:
        TypeError: Ids are not integers.
        ValueError: Shapes differ or ids are out of range.
    """
    pred, truth = as_array(pred), as_array(truth)
    if pred.shape != truth.shape or pred.ndim < 2:
        raise ValueError(
            f'the forecast has shape {pred.shape}, the ground truth '
            f'{truth.shape}; expected (T, X, Y, Z) for both'
        )
    masks = [None] * len(truth) if mask is None else as_array(mask)
    return np.stack(
        [
            occ_histogram(*frame)
            for frame in zip(pred, truth, masks, strict=True)
        ]
    )


def forecast_scores(
    histograms: np.ndarray, times_s: Sequence[float], convention: str
) -> dict[str, float]:
    """Compute mIoU and IoU from histograms (T, 18, 18), one per time.

    Args:
        histograms (np.ndarray): Summed over the split.
        times_s (Sequence[float]): (T,) seconds after "now"; 1, 2 and 3 must
            be among them.
        convention (str): ``occworld`` or ``sparseworld``.

    Returns:
        dict: ``mIoU_<t>s`` and ``IoU_<t>s`` for each time, and ``mIoU_avg``
        and ``IoU_avg``, the means of 1, 2 and 3 s; per cent. A figure with
        nothing to measure is left out.
    """
    absent = get_convention(convention).absent
    times = check_times(times_s)
    if histograms.shape != (len(times), NUM_CLASSES, NUM_CLASSES):
        raise ValueError(
            f'histograms have shape {histograms.shape} for {len(times)} times'
        )
    scores = {}
    for time, histogram in zip(times, histograms, strict=True):
        read = occ_scores(histogram, absent)
        for name in ('mIoU', 'IoU'):
            if name in read:
                scores[f'{name}_{time:g}s'] = read[name]
    for name in ('mIoU', 'IoU'):
        columns = [scores.get(f'{name}_{time:g}s') for time in HORIZONS]
        if None not in columns:
            scores[f'{name}_avg'] = sum(columns) / len(columns)
    return scores


def check_times(times_s: Sequence[float]) -> tuple[float, ...]:
    """Check that times rise and hold 1, 2 and 3 s; return them as floats."""
    times = tuple(round(float(time), 6) for time in times_s)
    missing = [time for time in HORIZONS if time not in times]
    if missing or list(times) != sorted(set(times)):
        raise ValueError(
            f'times_s is {list(times)}, expected rising seconds after now '
            f'with {list(HORIZONS)} among them'
        )
    return times
