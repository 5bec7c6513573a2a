"""Greedy continuation of several texts of several frames at once."""

import torch
from torch import Tensor

from mmocc.models.bridges.packed_sequence import PackedSequence
from mmocc.models.layers.block_layout import PrefixMemory
from mmocc.structures.protocols import VisionLanguageBridge


@torch.no_grad()
def greedy_decode(
    bridge: VisionLanguageBridge,
    memory: PrefixMemory | PackedSequence,
    prompts: Tensor,
    valid: Tensor,
    eos_token_id: int,
    max_new_tokens: int,
) -> list[list[list[int]]]:
    """Generate by appending the most likely token until every text ends.

    Args:
        bridge (VisionLanguageBridge): Continues from a memory.
        memory (PrefixMemory | PackedSequence): The frame's visual part, from
            ``bridge.remember``; is extended by prompts and answers.
        prompts (Tensor): (B, N, L) int64, padded on the right.
        valid (Tensor): (B, N, L) bool. Rows without a valid token stay empty.
        eos_token_id (int): Ends a text, and is not returned.
        max_new_tokens (int): Longest answer in tokens.

    Returns:
        list[list[list[int]]]: New token ids for each frame and text.
    """
    last = (valid.sum(dim=-1) - 1).clamp(min=0)  # (B, N)
    hidden = bridge.read(memory, prompts, valid)
    index = last[..., None, None].expand(-1, -1, 1, hidden.shape[-1])
    hidden = hidden.gather(2, index)  # (B, N, 1, D)
    running = valid.any(dim=-1)
    tokens = []
    while True:
        token = bridge.vlm.logits(hidden).argmax(dim=-1)  # (B, N, 1)
        running = running & (token[..., 0] != eos_token_id)
        tokens.append(
            torch.where(running[..., None], token, torch.full_like(token, -1))
        )
        if len(tokens) == max_new_tokens or not running.any():
            break
        hidden = bridge.read(memory, token, running[..., None])
    rows = torch.cat(tokens, dim=-1).tolist()
    return [
        [[t for t in answer if t >= 0] for answer in frame] for frame in rows
    ]
