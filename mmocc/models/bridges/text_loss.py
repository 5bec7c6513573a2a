"""Cross-entropy of the next token, for every bridge that carries text."""

import torch.nn.functional as F
from mmdet.utils import reduce_mean
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.structures.tokens import IGNORE_LABEL, TextBatch


def next_token_loss(
    vlm: BaseModule, hidden: Tensor, text: TextBatch
) -> Tensor:
    """Mean over the supervised tokens of all processes.

    So the gradient does not depend on how frames are spread over processes.
    Logits are computed for supervised tokens only.

    Args:
        vlm (BaseModule): Its ``logits`` maps (n, D) to (n, V).
        hidden (Tensor): Last hidden states, (B, N, L, D).
        text (TextBatch): The texts.

    Returns:
        Tensor: Scalar.
    """
    targets = text.labels[..., 1:]
    supervised = targets != IGNORE_LABEL
    logits = vlm.logits(hidden[..., :-1, :][supervised])
    total = F.cross_entropy(logits, targets[supervised], reduction='sum')
    count = reduce_mean(supervised.sum().to(total))
    return total / count.clamp(min=1)
