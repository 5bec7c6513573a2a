"""``OccMetric``: Occ3D mIoU and geometric IoU in mmengine's evaluator."""

from collections.abc import Sequence
from typing import get_args

import numpy as np

from mmocc.evaluation.functional.occ import (
    AbsentRule,
    MaskName,
    occ_histogram,
    occ_report,
)
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.registry import METRICS


@METRICS.register_module()
class OccMetric(SummedMetric):
    """Semantic occupancy of the current frame, under one or more masks.

    Reads ``gt_occ`` (``semantics`` and the masks asked for) and
    ``pred_occ.semantics``; keeps one (18, 18) histogram per mask. Names:
    ``occ/mIoU``, ``occ/IoU``, ``occ/mIoU_flat``, ``occ/mIoU_non_flat`` and
    ``occ/IoU_<class>`` inside the camera mask; ``..._all_voxels`` without a
    mask; ``..._lidar_mask`` inside the LiDAR mask. Per cent.

    Args:
        masks (Sequence[str]): Out of ``camera`` (published figures), ``lidar``
            and ``none``; classes are listed for the first. Defaults to
            ('camera', 'none').
        absent (str): What a class without ground truth scores: ``official``,
            ``drop`` or ``occworld``; see
            :func:`mmocc.evaluation.functional.class_iou`. Defaults to
            'official'.
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the scores, in place of ``occ``.
        collect_dir (str, optional): Shared folder of ``cpu`` collection.
    """

    default_prefix = 'occ'

    def __init__(
        self,
        masks: Sequence[MaskName] = ('camera', 'none'),
        absent: AbsentRule = 'official',
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        known = get_args(MaskName)
        if not masks or not set(masks) <= set(known):
            raise ValueError(f'masks is {masks}, expected some of {known}')
        if absent not in get_args(AbsentRule):
            raise ValueError(
                f'absent is {absent!r}, expected one of {get_args(AbsentRule)}'
            )
        self.masks = tuple(masks)
        self.absent = absent

    def measure(self, sample: Sample) -> np.ndarray | None:
        """Count histograms (masks, 18, 18) of one frame."""
        truth = find(sample, 'gt_occ', 'semantics')
        if truth is None:
            return None
        pred = require(
            sample,
            'pred_occ',
            'semantics',
            'switch the occupancy head on, or take OccMetric out of the '
            'evaluator',
        )
        histograms = []
        for name in self.masks:
            mask = None
            if name != 'none':
                mask = require(
                    sample,
                    'gt_occ',
                    f'mask_{name}',
                    f'load it with the label, or leave {name!r} out of masks',
                )
            histograms.append(occ_histogram(pred, truth, mask))
        return np.stack(histograms)

    def scores(self, total: np.ndarray) -> dict[str, float]:
        """Compute the scores under each mask."""
        return occ_report(
            dict(zip(self.masks, total, strict=True)), self.absent
        )
