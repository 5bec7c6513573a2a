"""SparseOccVLA's head: anchors plus noise, denoised."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.models.planners.trajectory_head import (
    DenoiserHead,
    TrainingOutput,
)
from mmocc.registry import MODELS


@MODELS.register_module()
class DenoisingHead(DenoiserHead):
    """Truncated diffusion around the anchors.

    Noise is added to the anchor while the target is the ground truth, as in
    DiffusionDrive: regression from an anchor with noise as augmentation,
    rather than a diffusion of ground truth trajectories.

    Args:
        sizes (PlannerSizes): Given by the planner.
        denoiser (dict): Config of the network, such as ``AnchorDenoiser``.
        schedule (dict): Config of the noise schedule, such as
            ``TruncatedDDIM``.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        denoiser: dict,
        schedule: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(sizes, denoiser, init_cfg)
        self.schedule = MODELS.build(schedule, default_args=dict(sizes=sizes))

    def noise(
        self, anchors: Tensor, frame_keys: Sequence[str] | None
    ) -> Tensor:
        """See the base class; drawn as ``schedule`` says."""
        return self.schedule.draw(len(anchors), frame_keys)

    def forward(
        self, anchors: Tensor, noise: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor]:
        """See the base class."""
        states = []

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            predictions, hidden = self.denoiser(x, t, anchors, condition)
            states.append(hidden)
            return predictions[-1]

        return self.schedule.sample(anchors, noise, denoise), states[-1]

    def training_pass(
        self,
        anchors: Tensor,
        noise: Tensor,
        condition: Condition,
        target: Tensor,
        mask: Tensor,
    ) -> TrainingOutput:
        """See the base class. One timestep for all anchors of a draw."""
        frames, draws, count = noise.shape[:3]
        t = torch.randint(
            self.schedule.train_timesteps,
            (frames, draws, 1),
            device=noise.device,
        ).expand(-1, -1, count)  # (B, R, K)
        clean = anchors[:, None].expand_as(noise)
        x = self.schedule.add_noise(clean, noise, t)
        # Draws of one anchor are denoised side by side, like anchors.
        predictions, hidden = self.denoiser(
            x.flatten(1, 2), t.flatten(1), clean.flatten(1, 2), condition
        )
        return TrainingOutput(
            [each.unflatten(1, (draws, count)) for each in predictions],
            hidden.unflatten(1, (draws, count)),
        )
