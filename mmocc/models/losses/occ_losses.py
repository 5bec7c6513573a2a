"""Cross-entropy over voxels, or over a sample of them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.utils import reduce_mean
from torch import nn

from mmocc.registry import MODELS
from mmocc.structures.occ3d import FREE

# Label of voxels that no loss looks at, as in mmdet3d's segmentation.
IGNORE_INDEX = 255
# Keeps a batch without any voxel that counts from dividing by zero.
TINY = 1e-6


class VoxelSample(NamedTuple):
    """Selection of n voxels for a loss.

    Attributes:
        index (Tensor): (n,) int64 into the flattened labels.
        labels (Tensor): (n,) int64 class ids.
        weights (Tensor): (n,) float32. They sum to 1 where nothing is
            sampled, and do so on average where free space is.
    """

    index: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


@MODELS.register_module()
class OccCrossEntropyLoss(nn.Module):
    """Compare voxel logits with labels by the mean cross-entropy.

    Most of a grid is free space. ``free_ratio`` draws a share of it anew in
    each call and weights that share up. The divisor is that of all voxels, so
    the expectation over draws is the loss of all voxels, and so is that of
    its gradient.

    The loss takes logits of chosen voxels, because those of all 640,000 are
    seldom needed::

        sample = loss_ce.select(labels, mask)
        loss = loss_ce(vqvae.logits_at(features, sample.index), sample)

    Args:
        class_weights (Sequence[float], optional): Weight of each class in
            the mean, as in ``F.cross_entropy``. Defaults to None, all equal.
        free_ratio (float): Probability in (0, 1] that a free voxel is chosen.
            Defaults to 1, no sampling.
        loss_weight (float): Factor on the loss. Defaults to 1.
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        free_ratio: float = 1.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 < free_ratio <= 1:
            raise ValueError(
                f'OccCrossEntropyLoss got free_ratio={free_ratio}, expected '
                'a share in (0, 1]; 1 looks at all of the free space'
            )
        self.free_ratio = free_ratio
        self.loss_weight = loss_weight
        if class_weights is not None:
            class_weights = torch.tensor(class_weights, dtype=torch.float32)
        # Comes from the config, hence not into checkpoints.
        self.register_buffer('class_weights', class_weights, persistent=False)

    def select(
        self, labels: torch.Tensor, mask: torch.Tensor | None = None
    ) -> VoxelSample:
        """Choose the voxels of a loss; random where free space is sampled.

        Args:
            labels (Tensor): Class ids of any shape and integer type;
                ``IGNORE_INDEX`` marks voxels without a label.
            mask (Tensor, optional): Bool of the same shape, True where a
                voxel counts.

        Returns:
            VoxelSample: Chosen voxels in the order of the grid.
        """
        labels = labels.flatten()
        counts = labels != IGNORE_INDEX
        if mask is not None:
            counts = counts & mask.flatten()
        chosen = counts
        if self.free_ratio < 1:
            drawn = torch.rand(labels.shape, device=labels.device)
            chosen = counts & ((labels != FREE) | (drawn < self.free_ratio))
        index = chosen.nonzero().squeeze(1)
        chosen_labels = labels[index].long()  # (n,)
        weights = torch.ones_like(index, dtype=torch.float32)
        if self.class_weights is None:
            total = counts.sum()
        else:
            weights = self.class_weights[chosen_labels]
            frequency = (
                labels[counts]
                .long()
                .bincount(minlength=len(self.class_weights))
            )
            total = (frequency * self.class_weights).sum()
        # The mean over the voxels of all processes, as one process would take.
        total = reduce_mean(total.float()).clamp(min=TINY)
        scale = torch.where(chosen_labels == FREE, 1 / self.free_ratio, 1.0)
        return VoxelSample(index, chosen_labels, weights * scale / total)

    def forward(
        self, logits: torch.Tensor, sample: VoxelSample
    ) -> torch.Tensor:
        """Compute the weighted cross-entropy of a selection.

        Args:
            logits (Tensor): (n, num_classes) of the voxels ``sample.index``.
            sample (VoxelSample): Output of :meth:`select`.

        Returns:
            Tensor: () float32; zero where no voxel counts.
        """
        losses = F.cross_entropy(
            logits.float(), sample.labels, reduction='none'
        )  # (n,)
        return self.loss_weight * (losses * sample.weights).sum()
