"""``PlanCollisionMetric``: plans under published evaluators' rules."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmocc.evaluation.functional.arrays import as_array
from mmocc.evaluation.functional.plan_presets import (
    ALL,
    SUBSETS,
    PlanTallies,
    get_preset,
    preset_scores,
    tally_plan,
)
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.registry import METRICS
from mmocc.structures.occ3d import NUM_FUTURE


class PresetTallies(dict):
    """:class:`PlanTallies` for each preset; ``a + b`` joins two sets."""

    def __add__(self, other: 'PresetTallies') -> 'PresetTallies':
        return PresetTallies(
            {name: tallies + other[name] for name, tallies in self.items()}
        )


@METRICS.register_module()
class PlanCollisionMetric(SummedMetric):
    """L2 and collisions of the best plan, one preset beside the other.

    Reads ``token`` and the first of ``pred_ego.trajs``, (6, 2) metres of the
    ego origin; boxes and the true path come from the info file. A frame
    without ``gt_ego.fut_trajs`` is skipped. Plans carry no headings, so
    presets that were published for the LiDAR's path are measured on the ego
    origin's. Boundary metrics need maps: use ``tools/evaluate.py``. Names:
    ``collision/<preset>/<figure>`` for the figures and counts of
    :func:`mmocc.evaluation.functional.preset_scores`, and
    ``collision/<preset>/<subset>/...`` for subsets.

    Args:
        ann_file (str): Info file of the evaluated split, with every frame of
            its scenes.
        presets (Sequence[str]): Out of
            :data:`mmocc.evaluation.functional.PRESETS`. Defaults to ('vad',).
        subsets (Sequence[str]): Out of ``all``, ``non_straight`` and
            ``stop_start``. Defaults to ('all',).
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.
        prefix (str, optional): Prefix of scores, in place of ``collision``.
        collect_dir (str, optional): Shared folder of ``cpu`` collection.
    """

    default_prefix = 'collision'

    def __init__(
        self,
        ann_file: str,
        presets: Sequence[str] = ('vad',),
        subsets: Sequence[str] = (ALL,),
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        self.presets = {name: get_preset(name) for name in presets}
        if not self.presets:
            raise ValueError('presets is empty, expected at least one name')
        if not subsets or not set(subsets) <= set(SUBSETS):
            raise ValueError(
                f'subsets is {subsets}, expected some of {SUBSETS}'
            )
        self.subsets = tuple(subsets)
        self.scenes = SceneTruth(ann_file)

    def measure(self, sample: Sample) -> PresetTallies | None:
        """Tally one frame by preset and subset."""
        if find(sample, 'gt_ego', 'fut_trajs') is None:
            return None
        trajs = as_array(
            require(
                sample,
                'pred_ego',
                'trajs',
                'switch the planner on, or take PlanCollisionMetric out of '
                'the evaluator',
            )
        )
        if trajs.ndim != 3 or trajs.shape[1:] != (NUM_FUTURE, 2):
            raise ValueError(
                f'"pred_ego.trajs" has shape {trajs.shape}, expected (M, '
                f'{NUM_FUTURE}, 2)'
            )
        truth = self.scenes.plan_sample(sample.get('token'))
        planned = replace(truth, plan=trajs[0].astype(np.float64))
        tallies = PresetTallies()
        for name, preset in self.presets.items():
            tallies[name] = PlanTallies(tally_plan(planned, preset))
        return tallies

    def scores(self, total: PresetTallies) -> dict[str, float]:
        """Compute the scores of every preset and of its subsets."""
        scores = {}
        for name, preset in self.presets.items():
            for subset in self.subsets:
                group = name if subset == ALL else f'{name}/{subset}'
                read = preset_scores(total[name][subset], preset)
                scores |= {f'{group}/{key}': v for key, v in read.items()}
        return scores
