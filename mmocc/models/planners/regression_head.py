"""Ablation: the denoiser's network without noise, in one pass."""

from torch import Tensor

from mmocc.models.planners.anchor_denoiser import AnchorDenoiser
from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.trajectory_head import (
    TrainingOutput,
    TrajectoryHead,
)


class RegressionHead(TrajectoryHead):
    """Plain regression from the clean anchor.

    Args:
        denoiser (AnchorDenoiser): The network, always at t = 0.
    """

    def __init__(self, denoiser: AnchorDenoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

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
