"""``ForecastMetric``: occupancy at 1, 2 and 3 s in mmengine's evaluator."""

from collections.abc import Sequence

import numpy as np

from mmocc.evaluation.functional.arrays import as_array
from mmocc.evaluation.functional.forecast import (
    check_times,
    copy_and_paste,
    forecast_histograms,
    forecast_scores,
    get_convention,
    is_window,
)
from mmocc.evaluation.functional.moved_copy import moved_copy
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.registry import METRICS
from mmocc.structures import OccGrid
from mmocc.structures.occ3d import NUM_FUTURE, STEP_SECONDS

COPY, MOVED = 'copy_and_paste', 'moved_copy'
ALL_STEPS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


@METRICS.register_module()
class ForecastMetric(SummedMetric):
    """mIoU and IoU at each horizon, beside forecasts that cost nothing.

    Reads ``gt_occ.future_semantics`` (T, X, Y, Z), one grid every 0.5 s each
    in its own ego frame, ``gt_occ.future_valid`` (T,) and ``gt_occ.semantics``
    of now (``LoadFutureOcc3D``), and ``pred_occ.future_semantics``. No mask is
    used. Frames that lack a label at a time that is forecast are skipped.
    Keeps histograms (T, 18, 18). Names: ``forecast/mIoU_<t>s``,
    ``forecast/IoU_<t>s``, and the means ``..._avg`` of 1, 2 and 3 s; the same
    under ``forecast/copy_and_paste/``, the ground truth of now left
    unchanged, and under ``forecast/moved_copy/`` (with ``ann_file``), the
    same seen from where the car really will be; per cent.

    Args:
        convention (str): ``occworld`` or ``sparseworld``; which score a class
            without ground truth gets, and which frames are windows. Defaults
            to 'sparseworld'.
        times_s (Sequence[float]): Seconds after now of the T predicted grids.
            Defaults to every 0.5 s up to 3 s.
        ann_file (str, optional): Info file of the evaluated split. With it,
            the frames that the convention forecasts from are scored alone
            (4219 of nuScenes val), and the car's poses are known; without
            it, every frame whose labels exist. Defaults to None.
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the scores, in place of ``forecast``.
        collect_dir (str, optional): Shared folder of ``cpu`` collection.
    """

    default_prefix = 'forecast'

    def __init__(
        self,
        convention: str = 'sparseworld',
        times_s: Sequence[float] = ALL_STEPS,
        ann_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        get_convention(convention)
        self.convention = convention
        self.times_s = check_times(times_s)
        self._steps = [round(t / STEP_SECONDS) - 1 for t in self.times_s]
        if self._steps[0] < 0 or any(
            abs((step + 1) * STEP_SECONDS - time) > 1e-6
            for step, time in zip(self._steps, self.times_s, strict=True)
        ):
            raise ValueError(
                f'times_s is {list(self.times_s)}, expected multiples of '
                f'{STEP_SECONDS} s after now: key frames'
            )
        self._names = ['', COPY]
        self.scenes = None
        if ann_file is not None:
            if self._steps[-1] >= NUM_FUTURE:
                raise ValueError(
                    f'times_s ends at {self.times_s[-1]:g} s, and info files '
                    f'hold poses up to {NUM_FUTURE * STEP_SECONDS:g} s; leave '
                    'ann_file out, or forecast less'
                )
            self._names.append(MOVED)
            self.scenes = SceneTruth(ann_file)

    def measure(self, sample: Sample) -> np.ndarray | None:
        """Count histograms (2 or 3, T, 18, 18): forecast, copies."""
        future = find(sample, 'gt_occ', 'future_semantics')
        if future is None or not self._counts(sample):
            return None
        remedy = 'load it with LoadFutureOcc3D'
        valid = as_array(require(sample, 'gt_occ', 'future_valid', remedy))
        if len(valid) <= self._steps[-1]:
            raise ValueError(
                f'there are labels of {len(valid)} frames to come, and '
                f"{self.times_s[-1]:g} s are forecast; set the data set's "
                f'num_future to {self._steps[-1] + 1}'
            )
        if not valid[self._steps].all():
            return None
        now = require(sample, 'gt_occ', 'semantics', remedy)
        pred = require(
            sample,
            'pred_occ',
            'future_semantics',
            'switch the forecaster on, or take ForecastMetric out of the '
            'evaluator',
        )
        truth = as_array(future)[self._steps]
        forecasts = [pred, copy_and_paste(now, len(truth))]
        if self.scenes is not None:
            poses, _ = self.scenes.future_poses(sample.get('token'))
            forecasts.append(moved_copy(now, poses[self._steps], OccGrid()))
        return np.stack([forecast_histograms(f, truth) for f in forecasts])

    def _counts(self, sample: Sample) -> bool:
        """Return whether the convention forecasts from this frame."""
        if self.scenes is None:
            return True
        index, length = self.scenes.position(sample.get('token'))
        return is_window(index, length, self.convention)

    def scores(self, total: np.ndarray) -> dict[str, float]:
        """Compute the scores of the forecast and of the copies."""
        scores = {}
        for name, histograms in zip(self._names, total, strict=True):
            read = forecast_scores(histograms, self.times_s, self.convention)
            group = f'{name}/' if name else ''
            scores |= {f'{group}{key}': value for key, value in read.items()}
        return scores
