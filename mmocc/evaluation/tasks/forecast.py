"""``forecast``: occupancy at 1, 2 and 3 s, of npz files."""

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
    pred_path: Path, truth_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score forecasts.

    Where the ground truth has a grid at 0 s, the forecast that nothing
    changes is scored beside the prediction.

    Args:
        pred_path (Path): npz with ``semantics`` (N, T, X, Y, Z) and
            ``times_s`` (T,).
        truth_path (Path): The same, each grid in its own frame's ego frame;
            it may have times that the prediction lacks.
        presets (Sequence[str]): ``occworld``, ``sparseworld``; both by
            default.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    with NpzFile(pred_path) as pred, NpzFile(truth_path) as truth:
        said_times, true_times = (_times(file) for file in (pred, truth))
        unknown = [time for time in said_times if time not in true_times]
        if unknown:
            raise ResultFileError(
                pred.path,
                f'has {unknown} s, which {truth.path} lacks; it has '
                f'{list(true_times)}',
                TIMES,
            )
        wanted = [true_times.index(time) for time in said_times]
        later = [i for i, time in enumerate(true_times) if time > 0]
        pair = GridPair(pred, truth, dims=4)
        total, copied = 0, 0
        for place, said, true in pair:
            with pair.naming(place):
                total = total + forecast_histograms(said, true[wanted])
                if 0.0 in true_times:
                    pasted = copy_and_paste(
                        true[true_times.index(0.0)], len(later)
                    )
                    copied = copied + forecast_histograms(pasted, true[later])
        pred.finish()
        truth.finish()
        frames = len(pair)
    results, about = {}, {}
    for name in chosen:
        convention = CONVENTIONS[name]
        about[name] = {
            'source': convention.source,
            'absent': convention.absent,
        }
        results[name] = forecast_scores(total, said_times, name)
        results[name]['windows'] = frames
        if np.ndim(copied):
            times = [true_times[i] for i in later]
            results[f'{name}/{COPY}'] = forecast_scores(copied, times, name)
            results[f'{name}/{COPY}']['windows'] = frames
            about[f'{name}/{COPY}'] = about[name] | {
                'baseline': 'the ground truth of 0 s, unchanged'
            }
    return Evaluation(TASK, results, about)


def _times(file: NpzFile) -> tuple[float, ...]:
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
