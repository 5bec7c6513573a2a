"""``MetaActionMetric``: accuracy of (speed, direction) in the evaluator."""

import numpy as np

from mmocc.evaluation.functional.arrays import ArrayLike, as_integers
from mmocc.evaluation.functional.meta_action import (
    meta_action_scores,
    meta_action_table,
)
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.registry import METRICS
from mmocc.structures.meta_action import IGNORE


@METRICS.register_module()
class MetaActionMetric(SummedMetric):
    """Speed, direction, mean and joint accuracy (OccVLA Table 4).

    Reads ``speed`` and ``direction`` of ``gt_meta`` and ``pred_meta``. Frames
    whose label is -1 are skipped; a prediction of -1 is an answer that could
    not be parsed, and wrong. Names: ``meta/speed``, ``meta/direction``,
    ``meta/mean``, ``meta/joint``, ``meta/unparsable`` and
    ``meta/recall_<word>``, in per cent.
    """

    default_prefix = 'meta'

    def measure(self, sample: Sample) -> np.ndarray | None:
        """Count one frame in a table (3, 6, 4, 7)."""
        truth = [
            find(sample, 'gt_meta', key) for key in ('speed', 'direction')
        ]
        if any(index is None for index in truth):
            return None
        truth = _pair(truth, 'the labelled meta-action')
        if (truth == IGNORE).any():
            return None
        pred = [
            require(
                sample,
                'pred_meta',
                key,
                'let the model predict meta-actions (-1 where an answer '
                'cannot be parsed), or take MetaActionMetric out of the '
                'evaluator',
            )
            for key in ('speed', 'direction')
        ]
        return meta_action_table(
            _pair(pred, 'the predicted meta-action'), truth
        )

    def scores(self, total: np.ndarray) -> dict[str, float]:
        """Compute accuracies over all labelled frames."""
        return meta_action_scores(total)


def _pair(indices: list[ArrayLike], name: str) -> np.ndarray:
    """Stack two scalar indices as one row, (1, 2)."""
    return np.stack([as_integers(i, name).reshape(()) for i in indices])[None]
