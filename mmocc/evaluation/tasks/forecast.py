"""Task ``forecast``: occupancy at 1, 2 and 3 s, of npz files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmocc.evaluation.files import NpzFile, ResultFileError
from mmocc.evaluation.functional.forecast import (
    CONVENTIONS,
    check_times,
    copy_and_paste,
    forecast_histograms,
    forecast_scores,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.grids import GridPair

TASK = 'forecast'
PRESETS = CONVENTIONS
TIMES = 'times_s'
COPY = 'copy_and_paste'


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score forecasts of occupancy.

    Where the ground truth has a grid at 0 s, the forecast that nothing
    changes is scored beside the prediction.

    Args:
        pred_path (Path): npz with ``semantics`` (N, T, X, Y, Z) and
            ``times_s`` (T,).
        gt_path (Path): The same, each grid in its own frame's ego frame;
            it may have times that the prediction lacks.
        presets (Sequence[str]): ``occworld``, ``sparseworld``; both by
            default.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    with GridPair(pred_path, gt_path, dims=4) as pair:
        pred_times, gt_times = _read_times(pair.pred), _read_times(pair.gt)
        unknown = [time for time in pred_times if time not in gt_times]
        if unknown:
            raise ResultFileError(
                pred_path,
                f'has {unknown} s, which {gt_path} lacks; it has '
                f'{list(gt_times)}',
                TIMES,
            )
        wanted = [gt_times.index(time) for time in pred_times]
        later = [i for i, time in enumerate(gt_times) if time > 0]
        total, copied = 0, 0
        for place, pred, gt in pair:
            with pair.naming(place):
                total = total + forecast_histograms(pred, gt[wanted])
                if 0.0 in gt_times:
                    copies = copy_and_paste(
                        gt[gt_times.index(0.0)], len(later)
                    )
                    copied = copied + forecast_histograms(copies, gt[later])
    results, about = {}, {}
    for name in chosen:
        convention = CONVENTIONS[name]
        about[name] = {
            'source': convention.source,
            'absent': convention.absent,
        }
        windows = {'windows': len(pair)}
        results[name] = forecast_scores(total, pred_times, name) | windows
        if np.ndim(copied):
            times = [gt_times[i] for i in later]
            copies = forecast_scores(copied, times, name) | windows
            results[f'{name}/{COPY}'] = copies
            about[f'{name}/{COPY}'] = about[name] | {
                'baseline': 'the ground truth of 0 s, unchanged'
            }
    return Evaluation(TASK, results, about)


def _read_times(file: NpzFile) -> tuple[float, ...]:
    """Read the seconds after now of the grids of each frame."""
    file.require('semantics', TIMES)
    try:
        times = check_times(np.atleast_1d(file.array(TIMES)))
    except (TypeError, ValueError) as error:
        raise ResultFileError(file.path, str(error), TIMES) from error
    shape = file.header('semantics').shape
    if len(shape) != 5 or shape[1] != len(times):
        raise ResultFileError(
            file.path,
            f'has shape {shape}, expected (N, {len(times)}, X, Y, Z) as '
            f'{TIMES} has {len(times)} times',
            'semantics',
        )
    return times
