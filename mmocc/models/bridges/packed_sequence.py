"""Several texts behind one prefix, in one packed sequence.

Every token belongs to a segment: the prefix, or one of the texts. A text sees
the prefix and its own past, never another text; the prefix sees no text. So
each text is read as if it stood alone behind the prefix, which is computed
once.
"""

import dataclasses
from typing import Any

import torch
from torch import Tensor

PREFIX = -1


@dataclasses.dataclass
class PackedSequence:
    """Tokens of a packed sequence so far, with the model's cache of them.

    Attributes:
        num_prefix (int): Tokens of the prefix, which come first.
        segments (Tensor): (S,) int64 segment of each token, ``PREFIX`` or the
            number of a text.
        valid (Tensor): (B, S) bool, False on padding.
        cache (Any): The language model's keys and values of these tokens, its
            ``first(n)`` a cache of the first n; None where nothing is kept.
        lengths (Tensor or None): (B, N) int64 tokens of each text so far.
            None before the first text.
    """

    num_prefix: int
    segments: Tensor
    valid: Tensor
    cache: Any = None
    lengths: Tensor | None = None

    @classmethod
    def of_prefix(cls, prefix: Tensor, cache: Any) -> 'PackedSequence':
        """Start a sequence from the embeddings (B, P, D) of the prefix."""
        shape = prefix.shape[:2]
        return cls(
            num_prefix=shape[1],
            segments=prefix.new_full(shape[1:], PREFIX, dtype=torch.long),
            valid=prefix.new_ones(shape, dtype=torch.bool),
            cache=cache,
        )

    def without_text(self) -> 'PackedSequence':
        """Return the same prefix, for texts that start anew."""
        return PackedSequence(
            num_prefix=self.num_prefix,
            segments=self.segments[: self.num_prefix],
            valid=self.valid[:, : self.num_prefix],
            cache=self.cache.first(self.num_prefix),
        )

    def append(self, valid: Tensor, first: int = 0) -> Tensor:
        """Append texts to the sequence.

        Args:
            valid (Tensor): (B, N, L) bool, False on padding.
            first (int): Segment of the first of them. Defaults to 0.

        Returns:
            Tensor: Positions (B, N * L) of the new tokens, as if each text
            started right behind the prefix; padding is not counted.
        """
        num_texts, length = valid.shape[1:]
        numbers = torch.arange(first, first + num_texts, device=valid.device)
        self.segments = torch.cat(
            [self.segments, numbers.repeat_interleave(length)]
        )
        self.valid = torch.cat([self.valid, valid.flatten(1)], dim=1)
        ahead = (valid.cumsum(dim=-1) - 1).clamp(min=0)
        return self.num_prefix + ahead.flatten(1)

    def extend_texts(self, valid: Tensor) -> Tensor:
        """Append tokens to each text, or start the texts.

        Args:
            valid (Tensor): (B, N, L) bool, with the N of earlier calls.

        Returns:
            Tensor: Positions (B, N * L) of the new tokens.
        """
        if self.lengths is None:
            self.lengths = torch.zeros_like(valid[..., 0], dtype=torch.long)
        behind = self.lengths.repeat_interleave(valid.shape[-1], dim=1)
        self.lengths = self.lengths + valid.sum(dim=-1)
        return self.append(valid) + behind

    def visible(self, num_new: int, bidirectional: bool) -> Tensor:
        """Build the attention mask of the last ``num_new`` tokens.

        Args:
            num_new (int): Number L of new tokens.
            bidirectional (bool): Whether tokens of the prefix see later ones
                of the prefix too.

        Returns:
            Tensor: (B, L, S) bool.
        """
        order = torch.arange(len(self.segments), device=self.segments.device)
        own = self.segments[-num_new:, None]
        past = order <= order[-num_new:, None]
        if bidirectional:
            past = past | (own == PREFIX)
        related = (self.segments == PREFIX) | (self.segments == own)
        return (related & past) & self.valid[:, None]
