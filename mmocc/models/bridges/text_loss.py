"""Cross-entropy of the next token, for every bridge that carries text."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.losses.global_mean import global_mean
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
    return global_mean(total, supervised.sum())
