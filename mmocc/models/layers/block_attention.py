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
:class:`~mmocc.models.layers.block_layout.PrefixMemory` for all questions and
all decoding steps.

The four blocks are computed one by one. The largest score tensors are
(image x image), (query_chunk x image) and (text x (image + own text)); the
square of the whole sequence never exists.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmocc.models.layers.block_layout import BlockLayout, PrefixMemory

__all__ = ['BlockLayout', 'PrefixMemory', 'block_attention']


def _capped_softmax(
    scores: Tensor, softcap: float | None, visible: Tensor | None = None
) -> Tensor:
    """Cap scores as Gemma 2, hide what is not visible, and apply softmax.

    The softmax runs in float32 at least.
    """
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
    """Attend from every query to every key.

    Heads of a group share keys and values.

    Args:
        query (Tensor): (B, heads, Lq, head_dim).
        key (Tensor): (B, kv_heads, Lk, head_dim).
        value (Tensor): (B, kv_heads, Lk, head_dim).
        scaling (float): Factor on the dot products.
        softcap (float or None): Soft cap of the scores.

    Returns:
        Tensor: (B, heads, Lq, head_dim).
    """
    folded = _fold_groups(query, key.shape[1])  # (B, kv_heads, groups Lq, d)
    if softcap is None:
        out = F.scaled_dot_product_attention(folded, key, value, scale=scaling)
    else:
        scores = folded @ key.transpose(-1, -2) * scaling
        out = _capped_softmax(scores, softcap) @ value
    return out.reshape(query.shape)


def _fold_groups(query: Tensor, kv_heads: int) -> Tensor:
    """Fold heads that share keys: (B, heads, L, d) to (B, kv, groups L, d).

    So keys need not be copied.
    """
    batch, _, _, dim = query.shape
    return query.reshape(batch, kv_heads, -1, dim)


def _segment_mask(
    num_new: int, num_past: int, valid: Tensor | None, device: torch.device
) -> Tensor:
    """Return which keys of its own segment a new text token sees.

    Args:
        num_new (int): Number of tokens of a segment in this pass.
        num_past (int): Number of its tokens in memory.
        valid (Tensor or None): (B, N, num_past + num_new) bool.
        device (torch.device): Device of the result.

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
    """Attend from text tokens to a shared prefix and their segment's past.

    Args:
        query (Tensor): (B, heads, N * L, head_dim).
        shared (tuple): Keys and values of the prefix, each (B, kv_heads,
            n_shared, head_dim).
        own (tuple): Keys and values of the segments, each (B, kv_heads, N,
            Lk, head_dim).
        mask (Tensor): Bool, output of :func:`_segment_mask`.
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
    # Masks become (B or 1, 1, 1, N or 1, L, n_shared + Lk).
    visible = mask if mask.dim() == 2 else mask[:, None, None]
    visible = F.pad(visible, (num_shared, 0), value=True)
    scores = torch.cat([to_shared, to_own], dim=-1) * scaling
    weights = _capped_softmax(scores, softcap, visible)
    on_shared, on_own = weights.split([num_shared, to_own.shape[-1]], dim=-1)
    out = on_shared.reshape(batch, kv_heads, -1, num_shared) @ shared[1]
    out = out.view(split.shape)  # (B, kv, groups, N, L, d)
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
    """Compute the attention of one layer over a packed sequence.

    Args:
        query (Tensor): (B, heads, L, head_dim), L = sum of ``layout.sizes``.
        key (Tensor): (B, kv_heads, L, head_dim).
        value (Tensor): (B, kv_heads, L, head_dim).
        layout (BlockLayout): Lengths of the blocks, and the memory.
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
            num_past, own = memory.append_text(layer, own)
            valid = memory.text_valid
        mask = _segment_mask(layout.text_length, num_past, valid, query.device)
        parts.append(_attend_text(q_text, prefix, own, mask, scaling, softcap))

    if layout.num_queries:
        parts += [
            _attend(chunk, k_image, v_image, scaling, softcap)
            for chunk in q_occ.split(layout.query_chunk, dim=2)
        ]
    return torch.cat(parts, dim=2)
