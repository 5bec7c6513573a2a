"""Padded texts, and hidden states that bridges return.

B frames, V cameras, N texts a frame, L tokens a text, Q occupancy queries, D
the width of the language model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

IGNORE_LABEL = -100


class TextBatch(NamedTuple):
    """The texts of a batch, padded on the right.

    Attributes:
        input_ids (Tensor): (B, N, L) int64; padding holds id 0.
        labels (Tensor): (B, N, L) int64, -100 on questions and padding.
        valid (Tensor): (B, N, L) bool, False on padding. A frame with fewer
            than N texts has rows without any valid token.
    """

    input_ids: Tensor
    labels: Tensor
    valid: Tensor

    @classmethod
    def pad(
        cls,
        input_ids: Sequence[Sequence[Tensor]],
        labels: Sequence[Sequence[Tensor]],
        device: torch.device,
    ) -> 'TextBatch':
        """Stack ragged texts.

        Args:
            input_ids (Sequence): For each frame, its texts, (L_i,) int64.
            labels (Sequence): Likewise.
            device (torch.device): Device of the result.
        """
        num_texts = max(len(texts) for texts in input_ids)
        length = max(
            (len(ids) for texts in input_ids for ids in texts), default=0
        )
        shape = (len(input_ids), num_texts, length)
        padded_ids = torch.zeros(shape, dtype=torch.long)
        padded_labels = torch.full(shape, IGNORE_LABEL)
        valid = torch.zeros(shape, dtype=torch.bool)
        for b, texts in enumerate(zip(input_ids, labels, strict=True)):
            for n, (ids, targets) in enumerate(zip(*texts, strict=True)):
                padded_ids[b, n, : len(ids)] = ids
                padded_labels[b, n, : len(ids)] = targets
                valid[b, n, : len(ids)] = True
        return cls(
            padded_ids.to(device), padded_labels.to(device), valid.to(device)
        )

    @classmethod
    def one_each(cls, texts: Sequence[Tensor]) -> 'TextBatch':
        """Make a batch of one text (L_i,) for each frame, on its device."""
        nested = [[text.cpu()] for text in texts]
        return cls.pad(nested, nested, texts[0].device)


class BridgeOutput(NamedTuple):
    """Last hidden states of the three kinds of token.

    Attributes:
        image (Tensor): (B, n_image, D).
        text (Tensor or None): (B, N, L, D).
        queries (Tensor or None): (B, Q, D).
    """

    image: Tensor
    text: Tensor | None = None
    queries: Tensor | None = None


class SparseBridgeOutput(NamedTuple):
    """Last hidden states of a language model that reads occupancy queries.

    Attributes:
        queries (Tensor): (B, Q, D), one for each occupancy query.
        overview (Tensor): (B, G, D), the global queries.
        text (Tensor or None): (B, N, L, D).
        prompt (Tensor or None): (B, P, D).
    """

    queries: Tensor
    overview: Tensor
    text: Tensor | None = None
    prompt: Tensor | None = None

    @property
    def reasoning(self) -> Tensor | None:
        """(B, D), the last token of the prompt."""
        return None if self.prompt is None else self.prompt[:, -1]
