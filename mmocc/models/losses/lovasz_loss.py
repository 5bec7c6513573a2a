"""Lovász-softmax: a convex stand-in for the mean IoU (Berman et al., CVPR
2018, arXiv 1705.08790)."""

import torch
from torch import nn

from mmocc.registry import MODELS


def _jaccard_steps(positive: torch.Tensor) -> torch.Tensor:
    """Compute by how much each further wrong voxel raises 1 - IoU.

    Args:
        positive (Tensor): (n,) bool, whether a voxel truly has the class, in
            the order in which voxels turn wrong; at least one is True.

    Returns:
        Tensor: (n,) float32, summing to 1.
    """
    positive = positive.double()
    total = positive.sum()
    intersection = total - positive.cumsum(0)
    union = total + (1 - positive).cumsum(0)
    loss = 1 - intersection / union
    return loss.diff(prepend=loss.new_zeros(1)).float()


def lovasz_softmax(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Average the Lovász extension of 1 - IoU over the present classes.

    mmdet3d's ``lovasz_softmax`` sums in float32 and keeps sorted copies of
    all probabilities. Here the loss is linear in the probabilities once the
    errors are ranked: the factors are found without a graph, one class at a
    time, and autograd keeps two numbers for each logit.

    Args:
        logits (Tensor): (n, num_classes). All n voxels count as one set.
        labels (Tensor): (n,) class ids.

    Returns:
        Tensor: () float32; zero where there are no voxels.
    """
    probabilities = logits.float().softmax(-1)  # (n, num_classes)
    factors = torch.zeros_like(probabilities)
    offset = probabilities.new_zeros(())
    present = labels.unique().tolist()
    with torch.no_grad():
        for label in present:
            positive = labels == label
            scores = probabilities[:, label]  # (n,)
            order = torch.where(positive, 1 - scores, scores).argsort(
                descending=True
            )
            steps = torch.empty_like(scores)  # (n,)
            steps[order] = _jaccard_steps(positive[order])
            # A voxel's error is 1 - p where the class is there, else p.
            offset += steps[positive].sum()
            factors[:, label] = torch.where(positive, -steps, steps)
    return (offset + (factors * probabilities).sum()) / max(len(present), 1)


@MODELS.register_module()
class OccLovaszLoss(nn.Module):
    """Compare voxel logits with labels by the Lovász-softmax loss.

    Args:
        loss_weight (float): Factor on the loss. Defaults to 1.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self, logits: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Compare logits (n, num_classes) with class ids (n,); return ()."""
        return self.loss_weight * lovasz_softmax(logits, labels)
