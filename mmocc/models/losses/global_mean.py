"""Means over the samples of all processes."""

from mmdet.utils import reduce_mean
from torch import Tensor

# Keeps a batch in which nothing counts from dividing by zero. Not 1: of the
# frames of several processes less than one each may count.
TINY = 1e-6


def global_mean(total: Tensor, count: Tensor) -> Tensor:
    """Divide the sum of this process by the count of an average process.

    Distributed training averages gradients over processes. So the gradient is
    that of one process that takes the whole batch, however frames and labels
    are spread.

    Args:
        total (Tensor): () sum over the samples of this process.
        count (Tensor): () number of these samples; without gradient.

    Returns:
        Tensor: () mean; zero where no process has a sample.
    """
    return total / reduce_mean(count.to(total)).clamp(min=TINY)
