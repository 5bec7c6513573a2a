"""Task ``occ``: Occ3D's mIoU and the geometric IoU of npz files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmocc.evaluation.files import FrameSource, ResultFileError
from mmocc.evaluation.functional.occ import (
    NUM_CLASSES,
    AbsentRule,
    MaskName,
    occ_histogram,
    occ_scores,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.grids import GridPair

TASK = 'occ'


class OccPreset(NamedTuple):
    """A published way to count voxels and to score absent classes.

    Attributes:
        mask (str): ``camera``, ``lidar`` or ``none``.
        absent (str): See :func:`mmocc.evaluation.functional.class_iou`.
        source (str): Whose rule it is.
    """

    mask: MaskName
    absent: AbsentRule
    source: str


PRESETS = {
    'occ3d': OccPreset('camera', 'official', 'Occ3D-nuScenes, FlashOCC'),
    'opus': OccPreset('camera', 'drop', 'SparseOcc, OPUS'),
    'occworld': OccPreset('none', 'occworld', 'OccWorld'),
    'lidar': OccPreset('lidar', 'official', 'Occ3D, LiDAR mask'),
    'all_voxels': OccPreset('none', 'official', 'Occ3D without a mask'),
}


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score the occupancy of single frames.

    Args:
        pred_path (Path): npz with ``semantics`` (N, X, Y, Z).
        gt_path (Path): npz with ``semantics`` and the masks that the
            presets ask for.
        presets (Sequence[str]): Out of ``PRESETS``, or ``all``. Defaults to
            ``all_voxels``, and ``occ3d`` where there is a camera mask.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    with GridPair(pred_path, gt_path, dims=3) as pair:
        default = ['all_voxels']
        if 'mask_camera' in pair.gt:
            default.insert(0, 'occ3d')
        chosen = choose(presets, PRESETS, default)
        masks = {PRESETS[name].mask for name in chosen}
        sources = {
            mask: _mask_source(pair, mask) for mask in masks if mask != 'none'
        }
        totals = {
            mask: np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
            for mask in masks
        }
        for place, pred, gt in pair:
            for mask, total in totals.items():
                kept = sources[mask][place] if mask in sources else None
                with pair.naming(place):
                    total += occ_histogram(pred, gt, kept)
    results, about = {}, {}
    for name in chosen:
        preset = PRESETS[name]
        histogram = totals[preset.mask]
        results[name] = occ_scores(histogram, preset.absent) | {
            'frames': len(pair),
            'voxels': int(histogram.sum()),
        }
        about[name] = preset._asdict()
    return Evaluation(TASK, results, about)


def _mask_source(pair: GridPair, mask: MaskName) -> FrameSource:
    """Return the frames of a mask, which has the shape of the grids."""
    name, path = f'mask_{mask}', pair.gt.path
    if name not in pair.gt:
        raise ResultFileError(
            path,
            f'is missing; add it, or choose presets that do not use the '
            f'{mask} mask',
            name,
        )
    source = pair.gt.frames(name)
    shape, expected = (len(source), *source.shape), (len(pair), *pair.shape)
    if shape != expected:
        raise ResultFileError(
            path, f'has shape {shape}, expected {expected}', name
        )
    if source.dtype.kind not in 'bu':
        raise ResultFileError(path, f'is {source.dtype}, expected bool', name)
    return source
