"""Layout of a packed sequence of image, text and query tokens.

The rules of who sees whom are in
:mod:`mmocc.models.layers.block_attention`. B frames, N texts of a frame.
"""

import dataclasses

import torch
from torch import Tensor

KeysAndValues = tuple[Tensor, Tensor]


@dataclasses.dataclass
class PrefixMemory:
    """Keys and values of tokens that later passes attend to, by layer.

    Attributes:
        num_image (int): Number of image tokens of a frame.
        prefix (dict[int, tuple[Tensor, Tensor]]): Keys and values of the
            image tokens, which all texts of a frame see, each (B, kv_heads,
            n_image, head_dim).
        text (dict[int, tuple[Tensor, Tensor]]): Keys and values of the text
            so far, each (B, kv_heads, N, n_past, head_dim). Empty before the
            first text.
        text_valid (Tensor or None): (B, N, n_past) bool, False on padding.
    """

    num_image: int
    prefix: dict[int, KeysAndValues] = dataclasses.field(default_factory=dict)
    text: dict[int, KeysAndValues] = dataclasses.field(default_factory=dict)
    text_valid: Tensor | None = None

    def without_text(self) -> 'PrefixMemory':
        """Return a memory of the same prefix, for texts that start anew."""
        return PrefixMemory(num_image=self.num_image, prefix=self.prefix)

    def branch(self, copies: int) -> 'PrefixMemory':
        """Return a memory for several continuations of each text.

        The prefix is shared, the text repeated.

        Args:
            copies (int): Number of continuations of each text; they stand
                next to each other.
        """

        def repeat(x: Tensor, dim: int) -> Tensor:
            return x.repeat_interleave(copies, dim=dim)

        return PrefixMemory(
            num_image=self.num_image,
            prefix=self.prefix,
            text={
                layer: (repeat(k, 2), repeat(v, 2))
                for layer, (k, v) in self.text.items()
            },
            text_valid=repeat(self.text_valid, 1),
        )

    def append_text(
        self, layer: int, own: KeysAndValues
    ) -> tuple[int, KeysAndValues]:
        """Append the text of a pass to that of earlier passes.

        Args:
            layer (int): Index of the layer.
            own (tuple[Tensor, Tensor]): New keys and values, each
                (B, kv_heads, N, n_new, head_dim).

        Returns:
            tuple: Number of tokens that were there before, and all keys and
            values, each (B, kv_heads, N, n_past + n_new, head_dim).
        """
        num_past = 0
        if layer in self.text:
            past_key, past_value = self.text[layer]
            num_past = past_key.shape[3]
            own = (
                torch.cat([past_key, own[0]], dim=3),
                torch.cat([past_value, own[1]], dim=3),
            )
        self.text[layer] = own
        return num_past, own


@dataclasses.dataclass
class BlockLayout:
    """Lengths of the blocks of one pass, and the memory that it extends.

    Attributes:
        num_image (int): Number of image tokens; 0 if they are in ``memory``.
        num_segments (int): Number of texts of a frame, N.
        text_length (int): Number of tokens of each text in this pass.
        num_queries (int): Number of occupancy queries.
        text_valid (Tensor or None): (B, N, text_length) bool, False on
            padding that later tokens must not see. None if padding only
            follows the last token that is read.
        text_sees_queries (bool): Whether texts also attend to the queries,
            the ablation of Sec. 3.2.
        query_chunk (int): Number of queries that are computed at a time.
        memory (PrefixMemory or None): Read where this pass lacks the image
            or past text, and extended by this pass. Its ``text_valid`` covers
            past and new tokens and takes the place of ``text_valid``.
    """

    num_image: int
    num_segments: int = 0
    text_length: int = 0
    num_queries: int = 0
    text_valid: Tensor | None = None
    text_sees_queries: bool = False
    query_chunk: int = 512
    memory: PrefixMemory | None = None

    @property
    def sizes(self) -> list[int]:
        """Lengths of the image, text and query blocks."""
        return [
            self.num_image,
            self.num_segments * self.text_length,
            self.num_queries,
        ]
