"""Losses between scores of anchors and the anchor nearest to the truth."""

from abc import abstractmethod

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.losses.global_mean import global_mean
from mmocc.models.losses.sigmoid_focal import sigmoid_focal
from mmocc.registry import MODELS


class AnchorScoreLoss(BaseModule):
    """Mean over the frames of all processes that have a future.

    B frames, A anchors.

    Args:
        loss_weight (float): Factor on the loss. Defaults to 1.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self, loss_weight: float = 1.0, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.loss_weight = loss_weight

    @abstractmethod
    def per_frame(
        self, logits: Tensor, positive: Tensor, distances: Tensor
    ) -> Tensor:
        """Return the loss of each frame, (B,)."""

    def forward(
        self,
        logits: Tensor,
        positive: Tensor,
        distances: Tensor,
        known: Tensor,
    ) -> Tensor:
        """Compare scores with the ground truth.

        Args:
            logits (Tensor): (B, A).
            positive (Tensor): (B,) int64, the nearest anchor.
            distances (Tensor): (B, A) metres to the ground truth.
            known (Tensor): (B,) bool, whether any future step exists.

        Returns:
            Tensor: Scalar.
        """
        losses = self.per_frame(logits, positive, distances)
        known = known.to(losses)
        return self.loss_weight * global_mean(
            (losses * known).sum(), known.sum()
        )


@MODELS.register_module()
class AnchorBCELoss(AnchorScoreLoss):
    """Binary cross-entropy, the mean over all anchors (SparseOccVLA).

    Args:
        pos_weight (float): Weight of the positive anchor. Defaults to 1.
        loss_weight (float): Factor on the loss. Defaults to 1.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        pos_weight: float = 1.0,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, init_cfg)
        self.pos_weight = pos_weight

    def per_frame(
        self, logits: Tensor, positive: Tensor, distances: Tensor
    ) -> Tensor:
        """See the base class."""
        target = F.one_hot(positive, logits.shape[1]).to(logits)
        weight = 1 + (self.pos_weight - 1) * target
        losses = F.binary_cross_entropy_with_logits(
            logits, target, reduction='none'
        )
        return (weight * losses).mean(dim=-1)


@MODELS.register_module()
class AnchorFocalLoss(AnchorScoreLoss):
    """Focal loss, the mean over all anchors (DiffusionDrive's code).

    Args:
        gamma (float): Exponent on the probability of being wrong. Defaults
            to 2.
        alpha (float): Weight of the positive anchor, 1 - alpha of the others.
            Defaults to 0.25.
        loss_weight (float): Factor on the loss. Defaults to 1.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float = 0.25,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, init_cfg)
        self.gamma = gamma
        self.alpha = alpha

    def per_frame(
        self, logits: Tensor, positive: Tensor, distances: Tensor
    ) -> Tensor:
        """See the base class."""
        target = F.one_hot(positive, logits.shape[1]).to(logits)
        losses = sigmoid_focal(logits, target, self.gamma, self.alpha)
        return losses.mean(dim=-1)


@MODELS.register_module()
class AnchorCELoss(AnchorScoreLoss):
    """One cross-entropy over the anchors of a frame."""

    def per_frame(
        self, logits: Tensor, positive: Tensor, distances: Tensor
    ) -> Tensor:
        """See the base class."""
        return F.cross_entropy(logits, positive, reduction='none')


@MODELS.register_module()
class AnchorSoftLoss(AnchorScoreLoss):
    """Cross-entropy with targets softmax(-distance / temperature).

    Args:
        temperature (float): Metres. Defaults to 0.5.
        loss_weight (float): Factor on the loss. Defaults to 1.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        temperature: float = 0.5,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(loss_weight, init_cfg)
        self.temperature = temperature

    def per_frame(
        self, logits: Tensor, positive: Tensor, distances: Tensor
    ) -> Tensor:
        """See the base class."""
        target = (-distances / self.temperature).softmax(dim=-1)
        return F.cross_entropy(logits, target, reduction='none')
