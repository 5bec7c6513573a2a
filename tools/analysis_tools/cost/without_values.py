"""Counts the FLOPs of a run, also of tensors that have shapes but no values.

PyTorch's meta device computes shapes alone, so a model of billions of weights
runs on it in seconds and without memory. It stops where code asks for a
value. Here something is answered in its place, so that most work follows, and
written down:

* a mask holds everywhere, so every masked token or voxel is computed;
* rows are all different, so none are merged;
* a flag is set, so that a text reaches its longest length;
* any other number is zero.

FLOPs are those of ``torch.utils.flop_counter``: a multiplication and an
addition are two. It knows matrix products, convolutions and attention. All
other operators are written down by name, but for those that compute nothing
or one number for each element.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten
# Operators that make or move numbers. PyTorch tags views and operators that
# go element by element, but not these.
MOVES = frozenset(
    """
    _local_scalar_dense _reshape_copy _to_copy _unsafe_view arange as_strided
    cat clone constant_pad_nd copy copy_ detach embedding empty empty_like
    empty_strided expand eye fill_ flip full full_like gather index index_copy
    index_put index_put_ index_select lift_fresh new_empty new_empty_strided
    new_full new_ones new_zeros nonzero ones ones_like promote_types repeat
    roll scalar_tensor scatter slice_scatter stack take_along_dim tril triu
    unfold where zero_ zeros zeros_like
    """.split()
)


class FlopCount(NamedTuple):
    """What a run took.

    Attributes:
        flops (Counter[str]): By the innermost module that ran, a dotted name;
            '' is the model itself.
        uncounted (Counter[str]): Calls of operators whose FLOPs are unknown.
        answers (Counter[tuple[str, str]]): Module that asked for a value, and
            what was answered.
    """

    flops: Counter
    uncounted: Counter
    answers: Counter


def count_flops(model: nn.Module, run: Callable[[], Any]) -> FlopCount:
    """Count a run of a model, on the meta device or on another.

    Attention is computed as matrix products, and PyTorch's fused layers are
    switched off, so that the count does not depend on a device's kernels.

    Args:
        model (nn.Module): Whose modules get the FLOPs.
        run (Callable): Calls the model. Gradients are switched off.
    """
    counter = FlopCounterMode(display=False)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            torch.no_grad(),
            # Unknown to the meta device, and without a word in FLOPs.
            mock.patch('torch.autocast', lambda *_, **__: nullcontext()),
            sdpa_kernel(SDPBackend.MATH),
            _innermost(model) as running,
            counter,
            WithoutValues(counter, running) as seen,
        ):
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return seen.count


@contextmanager
def _innermost(model: nn.Module) -> Iterator[list[str]]:
    """Names of the modules that run, the innermost one last."""
    running = ['']
    hooks = []
    for name, module in model.named_modules():
        hooks += [
            module.register_forward_pre_hook(
                lambda *_, name=name: running.append(name)
            ),
            module.register_forward_hook(
                lambda *_: running.pop() and None, always_call=True
            ),
        ]
    yield running
    for hook in hooks:
        hook.remove()


class WithoutValues(TorchDispatchMode):
    """Sees every operator, and answers where a tensor has no values.

    Args:
        counter (FlopCounterMode): Active around this mode.
        running (list[str]): Names of the modules that run, kept by others.
    """

    def __init__(self, counter: FlopCounterMode, running: list[str]) -> None:
        super().__init__()
        self.counter = counter
        self.running = running
        self.count = FlopCount(Counter(), Counter(), Counter())

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: tuple,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        """Run one operator."""
        kwargs = kwargs or {}
        if tree_any(_is_meta, (args, kwargs)):
            args, kwargs = tree_map_only(Tensor, _on_meta, (args, kwargs))
            if func in INDEXED:
                args = (args[0], self._all_of(args[1]), *args[2:])
            answer, said = _answer(func, args, kwargs)
            if said:
                self._say(said)
                return answer
        before = self.counter.get_total_flops()
        result = func(*args, **kwargs)
        flops = self.counter.get_total_flops() - before
        if flops:
            self.count.flops[self.running[-1]] += flops
        elif not _is_light(func):
            self.count.uncounted[func.overloadpacket.__name__] += 1
        return result

    def _say(self, said: str) -> None:
        self.count.answers[self.running[-1], said] += 1

    def _all_of(self, index: list[Tensor | None]) -> list[Tensor | None]:
        """The rows of masks that hold everywhere."""
        rows = []
        for each in index:
            if each is not None and each.dtype in (torch.bool, torch.uint8):
                self._say(EVERYWHERE)
                rows += _everywhere(each).unbind(1)
            else:
                rows.append(each)
        return rows


INDEXED = (
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
)
EVERYWHERE = 'masks hold everywhere'


def _answer(
    func: torch._ops.OpOverload, args: tuple, kwargs: dict
) -> tuple[Any, str]:
    """What an operator that reads values gives, and the words for it.

    The words are empty where it reads none.
    """
    x = args[0] if args else None
    if func is aten._local_scalar_dense.default:
        flag = x.dtype == torch.bool
        return (True, 'flags are set') if flag else (0, 'numbers are 0')
    if func is aten.nonzero.default:
        return _everywhere(x), EVERYWHERE
    if func is aten._unique2.default:
        # In the order of its result: values, where each went, how often.
        where = x.new_empty(x.shape, dtype=torch.long)
        return (x.flatten(), where, where.flatten()), 'rows all differ'
    if func is aten.bincount.default:
        least = kwargs.get('minlength', args[2] if len(args) > 2 else 0)
        counts = x.new_empty(least, dtype=torch.long)
        return counts, 'numbers are 0'
    if func is aten._to_copy.default and _leaves(kwargs):
        dtype = kwargs.get('dtype') or x.dtype
        return (
            torch.zeros(x.shape, dtype=dtype, device='cpu'),
            'numbers are 0',
        )
    return None, ''


def _leaves(kwargs: dict) -> bool:
    """Whether a copy goes to a device with values."""
    device = kwargs.get('device')
    return device is not None and torch.device(device).type != 'meta'


def _everywhere(mask: Tensor) -> Tensor:
    """``mask.nonzero()`` of one that holds everywhere."""
    return mask.new_empty(mask.numel(), mask.dim(), dtype=torch.long)


def _is_meta(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def _on_meta(value: Tensor) -> Tensor:
    return value if value.is_meta else value.to('meta')


def _is_light(func: torch._ops.OpOverload) -> bool:
    """Whether it computes nothing, or one number for each element."""
    return (
        func.is_view
        or torch.Tag.pointwise in func.tags
        or func.overloadpacket.__name__ in MOVES
    )
