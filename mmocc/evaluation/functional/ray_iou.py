"""RayIoU: occupancy as a LiDAR would see it (SparseOcc, ECCV 2024).

Rays are cast through the prediction and through the ground truth from the
LiDAR positions of the scene. A ray is right within t metres if both end in
the same class at depths that differ by less than t. No visibility mask is
used, and a ray that meets nothing in the ground truth is not counted at all,
so that nothing can be wrong about it.
"""

import numpy as np

from mmocc.evaluation.functional.arrays import (
    ArrayLike,
    as_array,
    as_integers,
    drop_unknown,
    mean_of_known,
)
from mmocc.evaluation.functional.occ import NUM_CLASSES, UNLABELLED
from mmocc.evaluation.functional.ray_casting import RayHits, cast_rays
from mmocc.structures.occ3d import FREE, OCC3D_CLASSES

THRESHOLDS = (1, 2, 4)  # metres


def ray_counts(
    pred: ArrayLike, truth: ArrayLike, origins: ArrayLike
) -> np.ndarray:
    """Cast all rays of one frame and count hits per class.

    Args:
        pred (ArrayLike): (X, Y, Z) class ids 0..17. Where it is on a GPU,
            rays are cast there.
        truth (ArrayLike): (X, Y, Z) class ids; 255 is occupied by no class.
        origins (ArrayLike): (K, 3) metres in the ego frame; see
            :func:`ray_casting.scene_origins`.

    Returns:
        np.ndarray: (5, 17) int64: rays of each class in the truth, in the
        prediction, and right within 1, 2 and 4 m. Counts add up.

    Raises:
        TypeError: Ids are not integers.
        ValueError: Shapes differ or ids are out of range.
    """
    on_gpu = getattr(pred, 'is_cuda', False)
    device = pred.device if on_gpu else None
    pred = as_integers(pred, 'the prediction')
    truth = as_integers(truth, 'the ground truth')
    _check(pred, truth)
    grids = np.stack((pred.astype(np.uint8), truth.astype(np.uint8)))
    if not on_gpu:
        return count_hits(cast_rays(grids, origins))
    import torch

    from mmocc.evaluation.functional.ray_casting_torch import cast_rays_torch

    hits = cast_rays_torch(
        torch.from_numpy(grids).to(device), torch.as_tensor(origins)
    )
    return count_hits(RayHits(*(as_array(values) for values in hits)))


def _check(pred: np.ndarray, truth: np.ndarray) -> None:
    """Refuse grids of different shapes and ids out of range."""
    if pred.ndim != 3 or pred.shape != truth.shape:
        raise ValueError(
            f'the prediction has shape {tuple(pred.shape)}, the ground truth '
            f'{tuple(truth.shape)}; both must be (X, Y, Z) of the same size'
        )
    for ids, name in ((pred, 'the prediction'), (truth, 'the ground truth')):
        known = ids if ids is pred else ids[ids != UNLABELLED]
        if len(known) and not 0 <= known.min() <= known.max() < NUM_CLASSES:
            raise ValueError(
                f'{name} has ids from {int(known.min())} to '
                f'{int(known.max())}, expected 0 to {NUM_CLASSES - 1} (Occ3D; '
                f'{FREE} = free)'
            )


def count_hits(hits: RayHits) -> np.ndarray:
    """Count rays (5, 17) of a cast through (prediction, truth)."""
    kept = hits.label[1] != FREE
    pred, gt = hits.label[0][kept], hits.label[1][kept]
    error = np.abs(hits.depth[0][kept] - hits.depth[1][kept])
    right = pred == gt
    rows = [gt, pred]
    rows += [gt[right & (error < limit)] for limit in THRESHOLDS]
    return np.stack(
        [np.bincount(ids, minlength=UNLABELLED + 1)[:FREE] for ids in rows]
    )


def ray_scores(counts: np.ndarray) -> dict[str, float]:
    """Compute RayIoU from counts (5, 17), in per cent.

    Returns:
        dict: ``RayIoU`` (mean over classes and thresholds), ``RayIoU@1``,
        ``RayIoU@2``, ``RayIoU@4`` (means over classes) and
        ``RayIoU@<t>_<class>``. A class that is neither in the truth nor in
        the prediction is in no mean, and left out.
    """
    gt, pred, hits = counts[0], counts[1], counts[2:]
    union = gt + pred - hits
    iou = np.full(hits.shape, np.nan)
    np.divide(hits, union, out=iou, where=union > 0)
    iou *= 100
    scores = {'RayIoU': mean_of_known(iou)}
    for limit, row in zip(THRESHOLDS, iou, strict=True):
        scores[f'RayIoU@{limit}'] = mean_of_known(row)
    for limit, row in zip(THRESHOLDS, iou, strict=True):
        for name, value in zip(OCC3D_CLASSES[:FREE], row, strict=True):
            scores[f'RayIoU@{limit}_{name}'] = float(value)
    return drop_unknown(scores)
