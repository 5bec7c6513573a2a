"""Ablation: the denoiser's network without noise, in one pass."""

from torch import Tensor

from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.models.planners.trajectory_head import (
    TrainingOutput,
    TrajectoryHead,
)
from mmocc.registry import MODELS


@MODELS.register_module()
class RegressionHead(TrajectoryHead):
    """Plain regression from the clean anchor.

    Args:
        sizes (PlannerSizes): Given by the planner.
        denoiser (dict): Config of the network, such as ``AnchorDenoiser``; it
            runs at t = 0.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        denoiser: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.denoiser = MODELS.build(denoiser, default_args=dict(sizes=sizes))
        self.couples_anchors = self.denoiser.couples_anchors
        self.needs = self.denoiser.needs

    def forward(
        self, anchors: Tensor, noise: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor]:
        """See the base class; ``noise`` is not read."""
        predictions, hidden = self._pass(anchors, condition)
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
        predictions, hidden = self._pass(anchors, condition)
        return TrainingOutput(
            [p[:, None] for p in predictions], hidden[:, None]
        )

    def _pass(
        self, anchors: Tensor, condition: Condition
    ) -> tuple[list[Tensor], Tensor]:
        t = anchors.new_zeros(anchors.shape[:2])
        return self.denoiser(anchors, t, anchors, condition)
