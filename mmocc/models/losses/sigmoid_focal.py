"""Focal loss of single logits."""

from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss
from torch import Tensor


def sigmoid_focal(
    logits: Tensor, targets: Tensor, gamma: float, alpha: float
) -> Tensor:
    """Compute the focal loss of each logit (Lin et al., arXiv 1708.02002).

    This is mmdet's, on any device: its CUDA kernel takes class ids in place
    of targets of 0 and 1.

    Args:
        logits (Tensor): Any shape.
        targets (Tensor): 0 or 1 in the same shape.
        gamma (float): Exponent on the probability of being wrong.
        alpha (float): Weight of positives; negatives weigh 1 - alpha.

    Returns:
        Tensor: Losses in the same shape.
    """
    return py_sigmoid_focal_loss(
        logits, targets, gamma=gamma, alpha=alpha, reduction='none'
    )
