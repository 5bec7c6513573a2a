"""Ablation: the denoiser's network without noise, in one pass."""

from torch import Tensor

from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.trajectory_head import (
    DenoiserHead,
    TrainingOutput,
)
from mmocc.registry import MODELS


@MODELS.register_module()
class RegressionHead(DenoiserHead):
    """Plain regression from the clean anchor.

    Args:
        sizes (PlannerSizes): Given by the planner.
        denoiser (dict): Config of the network, such as ``AnchorDenoiser``; it
            runs at t = 0.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def forward(
        self, anchors: Tensor, noise: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor]:
        """See the base class; ``noise`` is not read."""
        predictions, hidden = self.decode_clean(anchors, condition)
        return predictions[-1], hidden

    def training_pass(
        self,
        anchors: Tensor,
        noise: Tensor,
        condition: Condition,
        target: Tensor,
        mask: Tensor,
    ) -> TrainingOutput:
        """See the base class; the result has a single draw."""
        predictions, hidden = self.decode_clean(anchors, condition)
        return TrainingOutput(
            [p[:, None] for p in predictions], hidden[:, None]
        )
