"""Attention over [image | text | queries] by blocks, without a full mask.

OccVLA packs three kinds of token into one sequence and lets them look at each
other like this (paper Sec. 3.2, Eq. 1 and 2; rows look at columns)::

                  image    text 1   text 2   queries
        image       x
        text 1      x      causal
        text 2      x               causal
        queries     x

A frame may carry several texts (its questions). Each is a segment that sees
the image and its own past, never another segment. As neither the image nor a
text sees the queries, leaving these out changes nothing else; as the image
sees no text, its keys and values are computed once a frame and kept in a
:class:`PrefixMemory` for all questions and all decoding steps.

The four blocks are computed one by one. The largest score tensors are
(image x image), (query_chunk x image) and (text x (image + own text)); the
square of the whole sequence never exists.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclasses.dataclass
class PrefixMemory:
    """Keys and values of tokens that later passes look at, by layer.

    Attributes:
        num_image (int): Image tokens of a frame.
        prefix (dict[int, tuple[Tensor, Tensor]]): Keys and values that all
            texts of a frame see: the image tokens', each (B, kv_heads,
            n_image, head_dim).
        text (dict[int, tuple[Tensor, Tensor]]): Those of the text so far, each
            (B, kv_heads, N, n_past, head_dim). Empty before the first text.
        text_valid (Tensor or None): (B, N, n_past) bool, False on padding.
    """

    num_image: int
    prefix: dict = dataclasses.field(default_factory=dict)
    text: dict = dataclasses.field(default_factory=dict)
    text_valid: Tensor | None = None

    def without_text(self) -> 'PrefixMemory':
        """A memory of the same prefix, for texts that start anew."""
        return PrefixMemory(num_image=self.num_image, prefix=self.prefix)

    def branch(self, copies: int) -> 'PrefixMemory':
        """Share the prefix and repeat the text for ``copies`` continuations.

        Args:
            copies (int): New segments for each present one, adjacent.
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


@dataclasses.dataclass
class BlockLayout:
    """What the packed sequence of one pass holds.

    Attributes:
        num_image (int): Image tokens; 0 if they are in ``memory``.
        num_segments (int): Texts of a frame, N.
        text_length (int): Tokens of each text in this pass.
        num_queries (int): Occupancy queries.
        text_valid (Tensor or None): (B, N, text_length) bool, False on
            padding that later tokens must not see. None if padding only
            follows the last token that is read.
        text_sees_queries (bool): Ablation of Sec. 3.2: texts also attend to
            the queries.
        query_chunk (int): Queries attended at a time.
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
        """Lengths of the image, text and query parts."""
        return [
            self.num_image,
            self.num_segments * self.text_length,
            self.num_queries,
        ]


def _capped_softmax(
    scores: Tensor, softcap: float | None, visible: Tensor | None = None
) -> Tensor:
    """Softmax, in fp32 at least, behind Gemma 2's soft-capping."""
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if visible is not None:
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
    wide = torch.promote_types(scores.dtype, torch.float32)
    return scores.softmax(dim=-1, dtype=wide).to(scores.dtype)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float,
    softcap: float | None,
) -> Tensor:
    """Every query sees every key; heads of a group share keys and values.

    Args:
        query (Tensor): (B, heads, Lq, head_dim).
        key (Tensor): (B, kv_heads, Lk, head_dim).
        value (Tensor): (B, kv_heads, Lk, head_dim).
        scaling (float): Factor on the dot products.
        softcap (float or None): Soft cap of the scores.

    Returns:
        Tensor: (B, heads, Lq, head_dim).
    """
    folded = _fold_groups(query, key.shape[1])
    if softcap is None:
        out = F.scaled_dot_product_attention(folded, key, value, scale=scaling)
    else:
        scores = folded @ key.transpose(-1, -2) * scaling
        out = _capped_softmax(scores, softcap) @ value
    return out.reshape(query.shape)


def _fold_groups(query: Tensor, kv_heads: int) -> Tensor:
    """(B, heads, L, d) -> (B, kv_heads, groups * L, d), without key copies."""
    batch, _, _, dim = query.shape
    return query.reshape(batch, kv_heads, -1, dim)


def _segment_mask(
    num_new: int, num_past: int, valid: Tensor | None, device: torch.device
) -> Tensor:
    """Which keys of its own segment a new text token sees.

    Args:
        num_new (int): Tokens in this pass.
        num_past (int): Tokens of the segment in memory.
        valid (Tensor or None): (B, N, num_past + num_new) bool.
        device (torch.device): Of the result.

    Returns:
        Tensor: Bool, broadcastable to (B, N, num_new, num_past + num_new).
    """
    keys = torch.arange(num_past + num_new, device=device)
    queries = torch.arange(num_new, device=device) + num_past
    mask = keys <= queries[:, None]
    return mask if valid is None else mask & valid[:, :, None]


def _attend_text(
    query: Tensor,
    shared: tuple[Tensor, Tensor],
    own: tuple[Tensor, Tensor],
    mask: Tensor,
    scaling: float,
    softcap: float | None,
) -> Tensor:
    """Text tokens see a shared prefix and their own segment's past.

    Args:
        query (Tensor): (B, heads, N * L, head_dim).
        shared (tuple): Keys and values (B, kv_heads, n_shared, head_dim).
        own (tuple): Those of the segments, (B, kv_heads, N, Lk, head_dim).
        mask (Tensor): From :func:`_segment_mask`.
        scaling (float): Factor on the dot products.
        softcap (float or None): Soft cap of the scores.

    Returns:
        Tensor: (B, heads, N * L, head_dim).
    """
    batch, heads, _, dim = query.shape
    kv_heads, segments = own[0].shape[1:3]
    groups = heads // kv_heads
    to_shared = _fold_groups(query, kv_heads) @ shared[0].transpose(-1, -2)
    num_shared = to_shared.shape[-1]
    # (B, kv, groups, N, L, .): the segment axis must meet own keys' axis 2.
    to_shared = to_shared.view(
        batch, kv_heads, groups, segments, -1, num_shared
    )
    split = query.view(batch, kv_heads, groups, segments, -1, dim)
    to_own = torch.einsum('bkgnqd,bknsd->bkgnqs', split, own[0])
    visible = mask if mask.dim() == 2 else mask[:, None, None]
    visible = F.pad(visible, (num_shared, 0), value=True)
    scores = torch.cat([to_shared, to_own], dim=-1) * scaling
    weights = _capped_softmax(scores, softcap, visible)
    on_shared, on_own = weights.split([num_shared, to_own.shape[-1]], dim=-1)
    out = on_shared.reshape(batch, kv_heads, -1, num_shared) @ shared[1]
    out = out.view(split.shape)
    out = out + torch.einsum('bkgnqs,bknsd->bkgnqd', on_own, own[1])
    return out.reshape(batch, heads, -1, dim)


def block_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: BlockLayout,
    layer: int,
    scaling: float,
    softcap: float | None = None,
) -> Tensor:
    """Attention of one layer over the packed sequence.

    Args:
        query (Tensor): (B, heads, L, head_dim), L = sum of ``layout.sizes``.
        key (Tensor): (B, kv_heads, L, head_dim).
        value (Tensor): (B, kv_heads, L, head_dim).
        layout (BlockLayout): What the sequence holds.
        layer (int): Index of the layer, the key into ``layout.memory``.
        scaling (float): Factor on the dot products.
        softcap (float or None): Soft cap of the scores (Gemma 2).

    Returns:
        Tensor: (B, heads, L, head_dim).
    """
    q_image, q_text, q_occ = query.split(layout.sizes, dim=2)
    k_image, k_text, k_occ = key.split(layout.sizes, dim=2)
    v_image, v_text, v_occ = value.split(layout.sizes, dim=2)
    memory = layout.memory
    parts = []
    if layout.num_image:
        parts.append(_attend(q_image, k_image, v_image, scaling, softcap))
        prefix = (k_image, v_image)
        if layout.text_sees_queries:
            prefix = (
                torch.cat([k_image, k_occ], dim=2),
                torch.cat([v_image, v_occ], dim=2),
            )
        if memory is not None:
            memory.prefix[layer] = prefix
    else:
        prefix = memory.prefix[layer]

    if layout.num_segments:
        own = (
            k_text.unflatten(2, (layout.num_segments, layout.text_length)),
            v_text.unflatten(2, (layout.num_segments, layout.text_length)),
        )
        num_past, valid = 0, layout.text_valid
        if memory is not None:
            num_past, own = _remember(memory, layer, own)
            valid = memory.text_valid
        mask = _segment_mask(layout.text_length, num_past, valid, query.device)
        parts.append(_attend_text(q_text, prefix, own, mask, scaling, softcap))

    if layout.num_queries:
        parts += [
            _attend(chunk, k_image, v_image, scaling, softcap)
            for chunk in q_occ.split(layout.query_chunk, dim=2)
        ]
    return torch.cat(parts, dim=2)


def _remember(
    memory: PrefixMemory, layer: int, own: tuple[Tensor, Tensor]
) -> tuple[int, tuple[Tensor, Tensor]]:
    """Append this pass's text to the memory.

    Returns:
        tuple: Tokens that were there before, and all keys and values.
    """
    num_past = 0
    if layer in memory.text:
        past_key, past_value = memory.text[layer]
        num_past = past_key.shape[3]
        own = (
            torch.cat([past_key, own[0]], dim=3),
            torch.cat([past_value, own[1]], dim=3),
        )
    memory.text[layer] = own
    return num_past, own
