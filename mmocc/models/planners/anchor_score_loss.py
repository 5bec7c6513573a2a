"""What the scores of anchors are trained on."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmocc.models.losses.global_mean import global_mean

KINDS = ('bce', 'ce', 'focal', 'soft')


class AnchorScoreLoss(nn.Module):
    """Classify the anchor nearest to the ground truth. B frames, A anchors.

    ``bce`` and ``focal`` are means over all anchors of a frame; ``ce`` and
    ``soft`` are one cross-entropy a frame. SparseOccVLA: binary
    cross-entropy.

    Args:
        kind (str): ``bce``; ``ce``; ``focal`` (Lin et al., ICCV 2017; used by
            DiffusionDrive); ``soft``, cross-entropy with targets
            softmax(-distance / temperature). Defaults to 'bce'.
        pos_weight (float): Of the positive anchor in ``bce``. Defaults to 1.
        gamma (float): Of ``focal``. Defaults to 2.
        alpha (float): Of ``focal``. Defaults to 0.25.
        temperature (float): Metres, of ``soft``. Defaults to 0.5.
    """

    def __init__(
        self,
        kind: str = 'bce',
        pos_weight: float = 1.0,
        gamma: float = 2.0,
        alpha: float = 0.25,
        temperature: float = 0.5,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(
                f'planner.loss_score.kind is {kind!r}, expected one of {KINDS}'
            )
        self.kind = kind
        self.pos_weight = pos_weight
        self.gamma = gamma
        self.alpha = alpha
        self.temperature = temperature

    def forward(
        self,
        logits: Tensor,
        positive: Tensor,
        distances: Tensor,
        known: Tensor,
    ) -> Tensor:
        """Mean over the frames of all processes that have a future.

        Args:
            logits (Tensor): (B, A).
            positive (Tensor): (B,) int64, the nearest anchor.
            distances (Tensor): (B, A) metres to the ground truth.
            known (Tensor): (B,) bool, whether any future step exists.

        Returns:
            Tensor: A scalar.
        """
        if self.kind == 'ce':
            losses = F.cross_entropy(logits, positive, reduction='none')
        elif self.kind == 'soft':
            target = (-distances / self.temperature).softmax(dim=-1)
            losses = F.cross_entropy(logits, target, reduction='none')
        else:
            target = F.one_hot(positive, logits.shape[1]).to(logits)
            weight = 1 + (self.pos_weight - 1) * target
            if self.kind == 'focal':
                missed = (target - logits.sigmoid()).abs()
                side = self.alpha * target + (1 - self.alpha) * (1 - target)
                weight = side * missed**self.gamma
            losses = F.binary_cross_entropy_with_logits(
                logits, target, reduction='none'
            )
            losses = (weight * losses).mean(dim=-1)
        known = known.to(losses)
        return global_mean((losses * known).sum(), known.sum())
