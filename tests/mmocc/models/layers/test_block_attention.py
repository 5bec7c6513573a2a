"""Block attention equals one softmax under the full mask."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmocc.models.layers.block_attention import (
    BlockLayout,
    PrefixMemory,
    block_attention,
)

HEADS, KV_HEADS, DIM = 4, 2, 8
SCALING = DIM**-0.5


def full_mask(layout: BlockLayout) -> torch.Tensor:
    """Who sees whom over the whole sequence, written out token by token."""
    kinds = [('image', 0, 0)] * layout.num_image
    for segment in range(layout.num_segments):
        kinds += [('text', segment, i) for i in range(layout.text_length)]
    kinds += [('query', 0, 0)] * layout.num_queries

    def sees(row, column):
        if column[0] == 'image':
            return True
        if row[0] != 'text':
            return False
        if column[0] == 'query':
            return layout.text_sees_queries
        return row[1] == column[1] and column[2] <= row[2]

    return torch.tensor([[sees(r, c) for c in kinds] for r in kinds])


def reference(query, key, value, mask, softcap):
    """Plain masked attention; heads of a group share keys."""
    groups = HEADS // KV_HEADS
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    scores = query @ key.transpose(-1, -2) * SCALING
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ value


def random_qkv(length, batch=2):
    generator = torch.Generator().manual_seed(0)
    shapes = [(batch, h, length, DIM) for h in (HEADS, KV_HEADS, KV_HEADS)]
    return [
        torch.randn(s, generator=generator, dtype=torch.float64)
        for s in shapes
    ]


@pytest.mark.parametrize('softcap', [None, 2.0])
@pytest.mark.parametrize('text_sees_queries', [False, True])
@pytest.mark.parametrize('segments', [0, 1, 3])
@pytest.mark.parametrize('queries', [0, 7])
def test_equals_the_full_mask(softcap, text_sees_queries, segments, queries):
    layout = BlockLayout(
        num_image=5,
        num_segments=segments,
        text_length=4,
        num_queries=queries,
        text_sees_queries=text_sees_queries,
        query_chunk=3,
    )
    qkv = random_qkv(sum(layout.sizes))
    out = block_attention(*qkv, layout, 0, SCALING, softcap)
    expected = reference(*qkv, full_mask(layout), softcap)
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)


def test_padding_is_never_seen():
    layout = BlockLayout(num_image=2, num_segments=1, text_length=3)
    q, k, v = random_qkv(5, batch=1)
    # The middle text token is padding: whatever it holds changes nothing.
    layout.text_valid = torch.tensor([[[True, False, True]]])
    before = block_attention(q, k, v, layout, 0, SCALING)
    k[:, :, 3], v[:, :, 3] = 9.0, -9.0
    after = block_attention(q, k, v, layout, 0, SCALING)
    keep = [0, 1, 2, 4]
    torch.testing.assert_close(before[:, :, keep], after[:, :, keep])


@pytest.mark.parametrize('softcap', [None, 2.0])
@pytest.mark.parametrize('text_sees_queries', [False, True])
def test_memory_equals_one_pass(softcap, text_sees_queries):
    """Image and queries first, then the texts in two steps."""
    whole = BlockLayout(3, 2, 4, 6, text_sees_queries=text_sees_queries)
    q, k, v = random_qkv(sum(whole.sizes))
    expected = block_attention(q, k, v, whole, 0, SCALING, softcap)
    text = expected[:, :, 3:11].unflatten(2, (2, 4))

    memory = PrefixMemory(num_image=3)
    first = BlockLayout(
        3, num_queries=6, memory=memory, text_sees_queries=text_sees_queries
    )
    pick = [0, 1, 2, *range(11, 17)]
    out = block_attention(
        q[:, :, pick], k[:, :, pick], v[:, :, pick], first, 0, SCALING, softcap
    )
    torch.testing.assert_close(out, expected[:, :, pick], atol=1e-12, rtol=0)
    for steps in ([0, 1], [2, 3]):
        length = steps[-1] + 1
        memory.text_valid = torch.ones(2, 2, length, dtype=torch.bool)
        layout = BlockLayout(0, 2, len(steps), memory=memory)
        pick = [3 + 4 * n + s for n in range(2) for s in steps]
        out = block_attention(
            q[:, :, pick],
            k[:, :, pick],
            v[:, :, pick],
            layout,
            0,
            SCALING,
            softcap,
        )
        torch.testing.assert_close(
            out.unflatten(2, (2, len(steps))),
            text[:, :, :, steps],
            atol=1e-12,
            rtol=0,
        )


def test_branches_share_the_prefix():
    memory = PrefixMemory(
        num_image=1,
        prefix={0: (torch.ones(1), torch.ones(1))},
        text={0: (torch.arange(2.0).view(1, 1, 2, 1, 1),) * 2},
        text_valid=torch.ones(1, 2, 1, dtype=torch.bool),
    )
    branched = memory.branch(3)
    assert branched.prefix is memory.prefix
    assert branched.text[0][0].flatten().tolist() == [0, 0, 0, 1, 1, 1]
    assert branched.text_valid.shape == (1, 6, 1)


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation returned."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.numel())
        return out


@pytest.mark.parametrize('softcap', [None, 50.0])
def test_the_full_square_never_exists(softcap):
    """Paper size, one head, on tensors that have a shape and no memory."""
    layout = BlockLayout(1536, 1, 128, 2500)
    length = sum(layout.sizes)
    qkv = [torch.empty(1, 1, length, 256, device='meta') for _ in range(3)]
    with LargestTensor() as largest:
        block_attention(*qkv, layout, 0, 1.0, softcap)
    # The largest are the keys themselves or image x image.
    assert largest.numel <= max(1536 * 1536, length * 256)
    assert largest.numel < length * length / 4
