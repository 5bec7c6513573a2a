"""``occ``: Occ3D's mIoU and the geometric IoU of npz files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmocc.evaluation.files import FrameSource, NpzFile, ResultFileError
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
    """Which voxels count, and what absent classes score.

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
    pred_path: Path, truth_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score occupancy.

    Args:
        pred_path (Path): npz with ``semantics`` (N, X, Y, Z).
        truth_path (Path): npz with ``semantics`` and the masks that the
            presets ask for.
        presets (Sequence[str]): Out of ``PRESETS``, or ``all``. Defaults to
            ``all_voxels``, and ``occ3d`` where there is a camera mask.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    with NpzFile(pred_path) as pred, NpzFile(truth_path) as truth:
        default = ['all_voxels']
        if 'mask_camera' in truth:
            default.insert(0, 'occ3d')
        chosen = choose(presets, PRESETS, default)
        masks = {PRESETS[name].mask for name in chosen}
        pair = GridPair(pred, truth, dims=3)
        sources = {
            mask: _mask_source(truth, mask, pair)
            for mask in masks
            if mask != 'none'
        }
        totals = {
            mask: np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
            for mask in masks
        }
        for place, said, true in pair:
            for mask, total in totals.items():
                kept = sources[mask][place] if mask in sources else None
                with pair.naming(place):
                    total += occ_histogram(said, true, kept)
        pred.finish()
        truth.finish()
        frames = len(pair)
    results, about = {}, {}
    for name in chosen:
        preset = PRESETS[name]
        histogram = totals[preset.mask]
        results[name] = occ_scores(histogram, preset.absent) | {
            'frames': frames,
            'voxels': int(histogram.sum()),
        }
        about[name] = preset._asdict()
    return Evaluation(TASK, results, about)


def _mask_source(
    truth: NpzFile, mask: MaskName, pair: GridPair
) -> FrameSource:
    """The frames of a mask; of the shape of the grids."""
    name = f'mask_{mask}'
    if name not in truth:
        raise ResultFileError(
            truth.path,
            f'is missing; add it, or choose presets that do not use the '
            f'{mask} mask',
            name,
        )
    source = truth.frames(name)
    if (len(source), *source.shape) != (len(pair), *pair.shape):
        raise ResultFileError(
            truth.path,
            f'has shape {(len(source), *source.shape)}, expected '
            f'{(len(pair), *pair.shape)}',
            name,
        )
    if source.dtype.kind not in 'bu':
        raise ResultFileError(
            truth.path, f'is {source.dtype}, expected bool', name
        )
    return source
