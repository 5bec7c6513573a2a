"""A mean over what all processes have, out of each one's own sum."""

from mmdet.utils import reduce_mean
from torch import Tensor

# Keeps a batch in which nothing counts from dividing by zero. Not 1: of the
# frames of several processes less than one each may count.
TINY = 1e-6


def global_mean(total: Tensor, count: Tensor) -> Tensor:
    """Divide a sum by the count of an average process.

    Distributed training averages gradients over processes. So the gradient is
    that of one process that takes the whole batch, however frames and labels
    are spread.

    Args:
        total (Tensor): () sum over what counts in this process.
        count (Tensor): () how many that are; no gradient.

    Returns:
        Tensor: (); zero where nothing counts in any process.
    """
    return total / reduce_mean(count.to(total)).clamp(min=TINY)
