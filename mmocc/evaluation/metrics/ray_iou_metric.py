"""``RayIoUMetric``: occupancy along LiDAR rays in mmengine's evaluator."""

import numpy as np

from mmocc.evaluation.functional.ray_iou import ray_counts, ray_scores
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.registry import METRICS


@METRICS.register_module()
class RayIoUMetric(SummedMetric):
    """RayIoU of the current frame at 1, 2 and 4 m (SparseOcc, ECCV 2024).

    Reads ``token``, ``gt_occ.semantics`` and ``pred_occ.semantics``; keeps
    counts (5, 17). Rays are cast where the prediction lies: on its GPU, or on
    all cores. Names: ``ray/RayIoU``, ``ray/RayIoU@1``, ``ray/RayIoU@2``,
    ``ray/RayIoU@4`` and ``ray/RayIoU@<t>_<class>``; per cent.

    Args:
        ann_file (str): Info file of the evaluated split, with every frame of
            its scenes: rays start at the LiDAR's positions in all of them.
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the scores, in place of ``ray``.
        collect_dir (str, optional): Shared folder of ``cpu`` collection.
    """

    default_prefix = 'ray'

    def __init__(
        self,
        ann_file: str,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        self.scenes = SceneTruth(ann_file)

    def measure(self, sample: Sample) -> np.ndarray | None:
        """Count the rays (5, 17) of one frame."""
        truth = find(sample, 'gt_occ', 'semantics')
        if truth is None:
            return None
        pred = require(
            sample,
            'pred_occ',
            'semantics',
            'switch the occupancy head on, or take RayIoUMetric out of the '
            'evaluator',
        )
        origins = self.scenes.ray_origins(sample.get('token'))
        return ray_counts(pred, truth, origins)

    def scores(self, total: np.ndarray) -> dict[str, float]:
        """Compute RayIoU over all frames."""
        return ray_scores(total)
