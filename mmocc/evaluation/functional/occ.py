"""Semantic occupancy: Occ3D's mIoU and the geometric IoU.

One 18 x 18 confusion histogram is summed over the whole split and read once,
as in the benchmark of Occ3D-nuScenes (Tian et al., NeurIPS 2023). Histograms
add up, so frames may come in any order and from any number of processes.

Three things change the numbers and are therefore explicit:

* The mask. Published figures use ``mask_camera``; without it the same
  prediction scores much lower, because nobody observes what lies behind walls.
* The rule for a class without ground truth (``absent``). All 17 classes exist
  in the full validation split, so the rules agree there; they differ on
  subsets and on small sets.
* What counts as occupied. The geometric IoU compares "free" with the rest.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numba
import numpy as np

from mmocc.evaluation.functional.arrays import (
    ArrayLike,
    as_array,
    as_integers,
    drop_unknown,
    mean_of_known,
)
from mmocc.structures.occ3d import FLAT_CLASSES, FREE, OCC3D_CLASSES

MaskName = Literal['camera', 'lidar', 'none']
AbsentRule = Literal['official', 'drop', 'occworld']

NUM_CLASSES = len(OCC3D_CLASSES)
# A voxel of this id carries no label (Occ3D benchmark).
UNLABELLED = 255

# What a metric's name says about the voxels it was measured on.
MASK_SUFFIX: dict[MaskName, str] = {
    'camera': '',
    'lidar': '_lidar_mask',
    'none': '_all_voxels',
}

_IS_FLAT = np.array([name in FLAT_CLASSES for name in OCC3D_CLASSES])


def occ_histogram(
    pred: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None
) -> np.ndarray:
    """Count the voxels of each pair (ground-truth class, predicted class).

    Args:
        pred (ArrayLike): Class ids of any shape, for example (X, Y, Z).
        truth (ArrayLike): Class ids of the same shape; voxels of 255 are left
            out.
        mask (ArrayLike, optional): Same shape; voxels of 0 or False are left
            out before anything is counted, whatever their ids.

    Returns:
        np.ndarray: (18, 18) int64, rows truth, columns prediction.

    Raises:
        TypeError: Ids are not integers.
        ValueError: Shapes differ, or a counted id is outside [0, 18).
    """
    pred = as_integers(pred, 'the prediction')
    truth = as_integers(truth, 'the ground truth')
    if pred.shape != truth.shape:
        raise ValueError(
            f'the prediction has shape {pred.shape}, the ground truth '
            f'{truth.shape}; both must be grids of the same shape'
        )
    if mask is not None:
        mask = as_array(mask)
        if mask.shape != truth.shape:
            raise ValueError(
                f'the mask has shape {mask.shape}, the ground truth '
                f'{truth.shape}; expected the same shape'
            )
        mask = mask.astype(bool, copy=False)
    counts = np.zeros(NUM_CLASSES**2, dtype=np.int64)
    nothing = np.empty(0, dtype=bool)
    strangers = _count_pairs(
        _flat_ids(pred),
        _flat_ids(truth),
        nothing if mask is None else np.ascontiguousarray(mask).reshape(-1),
        counts,
    )
    if strangers:
        _refuse_strangers(pred, truth, mask)
    return counts.reshape(NUM_CLASSES, NUM_CLASSES)


def _flat_ids(ids: np.ndarray) -> np.ndarray:
    """Flatten ids, as uint8 or int64: fewer kernels to compile."""
    kept = ids if ids.dtype == np.uint8 else ids.astype(np.int64)
    return np.ascontiguousarray(kept).reshape(-1)


@numba.njit(cache=True)
def _count_pairs(
    pred: np.ndarray, truth: np.ndarray, mask: np.ndarray, counts: np.ndarray
) -> int:
    """Add to ``counts`` (324,); return how many ids are no class.

    An empty mask counts every voxel.
    """
    strangers = 0
    for voxel in range(len(truth)):
        if len(mask) > 0 and not mask[voxel]:
            continue
        gt_id = np.int64(truth[voxel])
        pred_id = np.int64(pred[voxel])
        if gt_id == UNLABELLED:
            continue
        if 0 <= gt_id < NUM_CLASSES and 0 <= pred_id < NUM_CLASSES:
            counts[gt_id * NUM_CLASSES + pred_id] += 1
        else:
            strangers += 1
    return strangers


def _refuse_strangers(
    pred: np.ndarray, truth: np.ndarray, mask: np.ndarray | None
) -> None:
    """Raise an error that says whose ids are out of range."""
    keep = truth != UNLABELLED
    if mask is not None:
        keep &= mask
    for ids, name in ((pred, 'the prediction'), (truth, 'the ground truth')):
        lowest, highest = ids[keep].min(), ids[keep].max()
        if lowest < 0 or highest >= NUM_CLASSES:
            raise ValueError(
                f'{name} has ids from {lowest} to {highest}, expected 0 to '
                f'{NUM_CLASSES - 1} (Occ3D; {FREE} = free)'
            )


def class_iou(
    histogram: np.ndarray, absent: AbsentRule = 'official'
) -> np.ndarray:
    """Compute the IoU of each class; free voxels count as errors too.

    Args:
        histogram (np.ndarray): (18, 18) counts, rows truth.
        absent (str): What a class without any ground truth scores.
            ``official``: 0 where it was predicted, else NaN (Occ3D, FlashOCC,
            SparseWorld). ``drop``: NaN (SparseOcc, OPUS). ``occworld``: 1
            (OccWorld). Defaults to 'official'.

    Returns:
        np.ndarray: (18,) float64 in [0, 1]; NaN where a mean skips the class.
    """
    if absent not in get_args(AbsentRule):
        raise ValueError(
            f'absent is {absent!r}, expected one of {get_args(AbsentRule)}'
        )
    hits = histogram.diagonal()
    gt = histogram.sum(axis=1)
    union = gt + histogram.sum(axis=0) - hits
    iou = np.full(len(hits), np.nan)
    np.divide(hits, union, out=iou, where=union > 0)
    if absent == 'drop':
        iou[gt == 0] = np.nan
    elif absent == 'occworld':
        iou[gt == 0] = 1.0
    return iou


def geometric_iou(histogram: np.ndarray) -> float:
    """Compute the IoU of "not free"; NaN where all is free."""
    hits = histogram[:FREE, :FREE].sum()
    union = histogram.sum() - histogram[FREE, FREE]
    return float(hits / union) if union else float('nan')


def occ_scores(
    histogram: np.ndarray, absent: AbsentRule = 'official'
) -> dict[str, float]:
    """Compute mIoU and IoU from a histogram, in per cent, not rounded.

    Returns:
        dict: ``mIoU`` (mean over ids 0..16; ``others`` counts, free does
        not), ``IoU`` (geometric), ``mIoU_flat`` and ``mIoU_non_flat`` (means
        over the four ground classes and over the other 13), and
        ``IoU_<class>``. A figure with nothing to measure is left out.
    """
    iou = class_iou(histogram, absent)[:FREE] * 100
    flat = _IS_FLAT[:FREE]
    scores = {
        'mIoU': mean_of_known(iou),
        'IoU': geometric_iou(histogram) * 100,
        'mIoU_flat': mean_of_known(iou[flat]),
        'mIoU_non_flat': mean_of_known(iou[~flat]),
    }
    for name, value in zip(OCC3D_CLASSES[:FREE], iou, strict=True):
        scores[f'IoU_{name}'] = float(value)
    return drop_unknown(scores)


def occ_report(
    histograms: Mapping[MaskName, np.ndarray], absent: AbsentRule = 'official'
) -> dict[str, float]:
    """Compute the scores under each mask; their names say which one.

    ``mIoU`` is always the camera mask's; ``mIoU_all_voxels`` and
    ``mIoU_lidar_mask`` are the others'. Single classes are given for the
    first mask alone.
    """
    report = {}
    for place, (mask, histogram) in enumerate(histograms.items()):
        for name, value in occ_scores(histogram, absent).items():
            if place == 0 or not name.startswith('IoU_'):
                report[name + MASK_SUFFIX[mask]] = value
    return report
