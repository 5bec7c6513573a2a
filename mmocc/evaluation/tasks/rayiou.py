"""Task ``rayiou``: RayIoU of npz files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmocc.evaluation.files import ResultFileError
from mmocc.evaluation.functional.ray_iou import ray_counts, ray_scores
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.grids import GridPair
from mmocc.structures import OccGrid

TASK = 'rayiou'
PRESETS = {'sparseocc': 'SparseOcc, FlashOCC, OPUS: 1, 2, 4 m'}
ORIGINS = 'origins'


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score occupancy along LiDAR rays.

    Args:
        pred_path (Path): npz with ``semantics`` (N, 200, 200, 16).
        gt_path (Path): npz with ``semantics`` and ``origins`` (N, K, 3),
            rows of NaN where a frame has fewer than K.
        presets (Sequence[str]): ``sparseocc``.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    grid = OccGrid().shape
    with GridPair(pred_path, gt_path, dims=3) as pair:
        if pair.shape != grid:
            raise ResultFileError(
                gt_path,
                f"has grids of {pair.shape}; rays need Occ3D's grid of {grid}",
                'semantics',
            )
        origins, total = _read_origins(pair), 0
        for place, pred, gt in pair:
            with pair.naming(place):
                total = total + ray_counts(pred, gt, origins[place])
    scores = ray_scores(total) | {
        'frames': len(pair),
        'origins': sum(map(len, origins)),
        'rays': int(total[0].sum()),
    }
    return Evaluation(
        TASK,
        dict.fromkeys(chosen, scores),
        {name: {'source': PRESETS[name]} for name in chosen},
    )


def _read_origins(pair: GridPair) -> list[np.ndarray]:
    """Read the ray origins (K_i, 3) of all frames, which are small."""
    path = pair.gt.path
    if ORIGINS not in pair.gt:
        raise ResultFileError(
            path,
            'is missing: the LiDAR positions of the scene in the ego frame, '
            'see mmocc.evaluation.functional.scene_origins',
            ORIGINS,
        )
    array = pair.gt.array(ORIGINS)
    if array.ndim != 3 or array.shape[0] != len(pair) or array.shape[2] != 3:
        raise ResultFileError(
            path,
            f'has shape {array.shape}, expected ({len(pair)}, K, 3)',
            ORIGINS,
        )
    frames = []
    for name, rows in zip(pair.names, array.astype(np.float64), strict=True):
        known = np.isfinite(rows).all(axis=1)
        if not known.any() or not np.isnan(rows[~known]).all():
            raise ResultFileError(
                path,
                'must hold finite metres, or rows of NaN alone behind at '
                'least one origin',
                ORIGINS,
                name,
            )
        frames.append(rows[known])
    return frames
