"""``PlanningMetric``: open-loop L2 in mmengine's evaluator."""

from typing import get_args

from mmocc.evaluation.functional.arrays import as_array
from mmocc.evaluation.functional.planning import (
    PlanningSums,
    SampleRule,
    planning_scores,
    planning_sums,
)
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.registry import METRICS


@METRICS.register_module()
class PlanningMetric(SummedMetric):
    """L2 errors of the best plan, in both published read-outs.

    Reads ``gt_ego.fut_trajs``, ``gt_ego.fut_masks`` and the first of
    ``pred_ego.trajs``. Names: ``plan/L2_at_{1,2,3}s`` (UniAD),
    ``plan/L2_mean_{1,2,3}s`` (ST-P3, VAD), their means ``..._avg``,
    ``plan/L2_band_{1,2,3}s`` (error within one second) in metres, and
    ``plan/samples``, the number of frames they were taken over.

    Args:
        samples (str): ``complete_only`` or ``all_masked``; see
            :func:`mmocc.evaluation.functional.planning_scores`. To print
            both, list the metric twice with different prefixes. Defaults to
            'complete_only'.
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the scores, in place of ``plan``.
        collect_dir (str, optional): Shared folder of ``cpu`` collection.
    """

    default_prefix = 'plan'

    def __init__(
        self,
        samples: SampleRule = 'complete_only',
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if samples not in get_args(SampleRule):
            raise ValueError(
                f'samples is {samples!r}, expected one of '
                f'{get_args(SampleRule)}'
            )
        self.samples = samples

    def measure(self, sample: Sample) -> PlanningSums | None:
        """Sum the errors of one frame."""
        truth = find(sample, 'gt_ego', 'fut_trajs')
        if truth is None:
            return None
        mask = require(
            sample,
            'gt_ego',
            'fut_masks',
            'it says which future steps exist; load it with fut_trajs',
        )
        trajs = require(
            sample,
            'pred_ego',
            'trajs',
            'switch the planner on, or take PlanningMetric out of the '
            'evaluator',
        )
        return planning_sums(
            as_array(trajs)[:1], as_array(truth)[None], as_array(mask)[None]
        )

    def scores(self, total: PlanningSums) -> dict[str, float]:
        """Compute L2 errors under the metric's sample rule."""
        return planning_scores(total, self.samples)
