"""Ablation: a conditional variational autoencoder around the anchor.

ORION (Fu et al., ICCV 2025) reports that a VAE beats a diffusion head on
Bench2Drive; this is the same idea on our network.
"""

import torch
from torch import Tensor, nn

from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.models.planners.trajectory_head import (
    DenoiserHead,
    TrainingOutput,
)
from mmocc.registry import MODELS


@MODELS.register_module()
class VAEHead(DenoiserHead):
    """Decode a latent of the ground truth, or at test time of the scene.

    Args:
        sizes (PlannerSizes): Given by the planner.
        denoiser (dict): Config of the network, such as ``AnchorDenoiser``; it
            decodes the clean anchor and the latent, at t = 0.
        latent_dims (int): Width Z of the latent. Defaults to 32.
        loss_weight (float): Factor on the divergence. Defaults to 0.01.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        denoiser: dict,
        latent_dims: int = 32,
        loss_weight: float = 0.01,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(sizes, denoiser, init_cfg)
        num_steps, embed_dims = sizes.num_steps, sizes.embed_dims
        self.loss_weight = loss_weight
        self.prior = _gaussian_net(2 * embed_dims, embed_dims, latent_dims)
        # x, y and whether they exist, for each step.
        self.posterior = _gaussian_net(
            2 * embed_dims + 3 * num_steps, embed_dims, latent_dims
        )
        self.expand = nn.Linear(latent_dims, embed_dims)

    def forward(
        self, anchors: Tensor, noise: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor]:
        """See the base class; the latent is the mean of its prior."""
        mean, _ = self.prior(condition.scene()).chunk(2, dim=-1)
        latent = mean[:, None].expand(-1, anchors.shape[1], -1)
        predictions, hidden = self.decode_clean(
            anchors, condition, self.expand(latent)
        )
        return predictions[-1], hidden

    def training_pass(
        self,
        anchors: Tensor,
        noise: Tensor,
        condition: Condition,
        target: Tensor,
        mask: Tensor,
    ) -> TrainingOutput:
        """See the base class; adds ``loss_kl``.

        Of ``noise`` only the number of draws is read: the latent has noise of
        its own, the same for all anchors of a draw.
        """
        draws, count = noise.shape[1:3]
        scene = condition.scene()
        known = mask[..., None].to(target)
        future = torch.cat([target * known, known], dim=-1).flatten(1)
        prior = self.prior(scene).chunk(2, dim=-1)
        posterior = self.posterior(torch.cat([scene, future], dim=-1)).chunk(
            2, dim=-1
        )
        mean, log_variance = (part[:, None] for part in posterior)
        spread = torch.randn(
            len(scene), draws, mean.shape[-1], device=mean.device
        )
        latent = mean + (log_variance / 2).exp() * spread.to(mean)
        latent = latent[:, :, None].expand(-1, -1, count, -1).flatten(1, 2)
        clean = anchors[:, None].expand(-1, draws, -1, -1, -1).flatten(1, 2)
        predictions, hidden = self.decode_clean(
            clean, condition, self.expand(latent)
        )
        apart = divergence(posterior, prior) * mask.any(dim=1)
        return TrainingOutput(
            [each.unflatten(1, (draws, count)) for each in predictions],
            hidden.unflatten(1, (draws, count)),
            dict(loss_kl=self.loss_weight * apart.mean()),
        )


def divergence(
    posterior: tuple[Tensor, Tensor], prior: tuple[Tensor, Tensor]
) -> Tensor:
    """KL(posterior || prior) of diagonal Gaussians.

    Args:
        posterior (tuple[Tensor]): Mean and logarithm of the variance, (B, Z).
        prior (tuple[Tensor]): Likewise.

    Returns:
        Tensor: (B,) nats.
    """
    (mean, log_variance), (prior_mean, prior_log_variance) = posterior, prior
    ratio = log_variance - prior_log_variance
    shift = (mean - prior_mean).square() / prior_log_variance.exp()
    return 0.5 * (ratio.exp() + shift - 1 - ratio).sum(dim=-1)


def _gaussian_net(inputs: int, hidden: int, latent: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent)
    )
