"""``rayiou``: RayIoU of npz files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmocc.evaluation.files import NpzFile, ResultFileError
from mmocc.evaluation.functional.ray_iou import ray_counts, ray_scores
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.grids import GridPair
from mmocc.structures import OccGrid

TASK = 'rayiou'
PRESETS = {'sparseocc': 'SparseOcc, FlashOCC, OPUS: 1, 2, 4 m'}
ORIGINS = 'origins'


def evaluate(
    pred_path: Path, truth_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score occupancy along LiDAR rays.

    Args:
        pred_path (Path): npz with ``semantics`` (N, 200, 200, 16).
        truth_path (Path): npz with ``semantics`` and ``origins`` (N, K, 3),
            rows of NaN where a frame has fewer than K.
        presets (Sequence[str]): ``sparseocc``.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    with NpzFile(pred_path) as pred, NpzFile(truth_path) as truth:
        pair = GridPair(pred, truth, dims=3)
        if pair.shape != OccGrid().shape:
            raise ResultFileError(
                truth.path,
                f"has grids of {pair.shape}; rays need Occ3D's grid of "
                f'{OccGrid().shape}',
                'semantics',
            )
        origins = _origins(truth, pair)
        total, rays = 0, 0
        for place, said, true in pair:
            with pair.naming(place):
                total = total + ray_counts(said, true, origins[place])
            rays += len(origins[place])
        pred.finish()
        truth.finish()
        frames = len(pair)
    scores = ray_scores(total) | {
        'frames': frames,
        'origins': rays,
        'rays': int(total[0].sum()),
    }
    return Evaluation(
        TASK,
        dict.fromkeys(chosen, scores),
        {name: {'source': PRESETS[name]} for name in chosen},
    )


def _origins(truth: NpzFile, pair: GridPair) -> list[np.ndarray]:
    """(K_i, 3) of each frame; small enough to hold."""
    if ORIGINS not in truth:
        raise ResultFileError(
            truth.path,
            'is missing: the LiDAR positions of the scene in the ego frame, '
            'see mmocc.evaluation.functional.scene_origins',
            ORIGINS,
        )
    array = truth.array(ORIGINS)
    if array.ndim != 3 or array.shape[0] != len(pair) or array.shape[2] != 3:
        raise ResultFileError(
            truth.path,
            f'has shape {array.shape}, expected ({len(pair)}, K, 3)',
            ORIGINS,
        )
    frames = []
    for place, rows in enumerate(array.astype(np.float64)):
        known = np.isfinite(rows).all(axis=1)
        if not known.any() or not np.isnan(rows[~known]).all():
            raise ResultFileError(
                truth.path,
                'must hold finite metres, or rows of NaN alone behind at '
                'least one origin',
                ORIGINS,
                pair.names[place],
            )
        frames.append(rows[known])
    return frames
