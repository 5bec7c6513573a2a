"""Count the FLOPs of a model on torch's meta device.

The meta device computes shapes alone, so a model of billions of weights runs
on it in seconds and without memory. It fails where code asks for a value.
:class:`AssumedValues` answers there, so that the most work follows, and keeps
a list of what it assumed:

* a mask holds everywhere, so every masked token or voxel is computed;
* rows are all different, so none are merged;
* a flag is set, so that a text reaches its longest length;
* any other number is zero.

FLOPs are those of :mod:`torch.utils.flop_counter`, which knows matrix
products, convolutions and attention: a multiplication and an addition are two.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from mmocc.models.losses import OccLovaszLoss
from mmocc.models.planners.anchor_bank import AnchorBank
from mmocc.projects.Benchmarks.benchmarks.blank_batch import (
    BatchSize,
    blank_batch,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder import SparseVoxelRefiner
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.voxel_refiner import (
    RefinedQueries,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.occ_head.set_occ_loss import (
    SetOccLoss,
)

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
INDEXED = (
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
)
MASKS, NUMBERS = 'masks hold everywhere', 'numbers are 0'
# Anchors that belong to no command.
NO_COMMAND = -1


class FlopCount(NamedTuple):
    """FLOPs of a run.

    Attributes:
        by_module (Counter[str]): FLOPs of each module with everything below
            it, by dotted name; '' is the whole model.
        not_counted (Counter[str]): Calls of operators of unknown FLOPs.
        assumed (Counter[str]): Values that were assumed, with their number.
    """

    by_module: Counter
    not_counted: Counter
    assumed: Counter

    @property
    def total(self) -> int:
        return self.by_module['']


def count_flops(model: nn.Module, run: Callable[[], Any]) -> FlopCount:
    """Count the FLOPs of a run of a model, on the meta device or another.

    Attention is computed as matrix products, and PyTorch's fused layers are
    switched off, so that the count depends on no device's kernels.

    Args:
        model (nn.Module): Model whose modules are told apart.
        run (Callable): Calls the model. Gradients are switched off.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            torch.no_grad(),
            # Unknown to the meta device, and without effect on FLOPs.
            mock.patch('torch.autocast', lambda *_, **__: nullcontext()),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
            AssumedValues(counter) as seen,
        ):
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    by_module = Counter()
    for name, flops in seen.flops.items():
        # Drop the class name of the model, and add up along the path.
        parts = name.split('.')[1:]
        for end in range(len(parts) + 1):
            by_module['.'.join(parts[:end])] += flops
    return FlopCount(by_module, seen.not_counted, seen.assumed)


class AssumedValues(TorchDispatchMode):
    """See every operator, and answer where a meta tensor has no values.

    Args:
        counter (FlopCounterMode): Counter that is active around this mode.
    """

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()
        self.counter = counter
        self.flops = Counter()  # by the innermost module that ran
        self.not_counted, self.assumed = Counter(), Counter()

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: tuple,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        """Run one operator, or answer in its place."""
        kwargs = kwargs or {}
        if tree_any(_is_meta, (args, kwargs)):
            args, kwargs = tree_map_only(Tensor, _to_meta, (args, kwargs))
            if func in INDEXED:
                args = (args[0], self._index_all(args[1]), *args[2:])
            answer, assumption = _answer(func, args, kwargs)
            if assumption:
                self.assumed[assumption] += 1
                return answer
        before = self.counter.get_total_flops()
        result = func(*args, **kwargs)
        flops = self.counter.get_total_flops() - before
        if flops:
            running = self.counter.mod_tracker.parents - {'Global'}
            innermost = max(running, key=_depth, default='')
            self.flops[innermost] += flops
        elif not _is_light(func):
            self.not_counted[func.overloadpacket.__name__] += 1
        return result

    def _index_all(self, index: list[Tensor | None]) -> list[Tensor | None]:
        """Replace masks by the indices of masks that hold everywhere."""
        rows = []
        for each in index:
            if each is not None and each.dtype in (torch.bool, torch.uint8):
                self.assumed[MASKS] += 1
                rows += _nonzero_everywhere(each).unbind(1)
            else:
                rows.append(each)
        return rows


def _depth(name: str) -> tuple[int, str]:
    """Order module names by depth, equal depths by name."""
    return name.count('.'), name


def _answer(
    func: torch._ops.OpOverload, args: tuple, kwargs: dict
) -> tuple[Any, str]:
    """Return the result of an operator that reads values, and the assumption.

    The assumption is '' where the operator reads none.
    """
    x = args[0] if args else None
    if func is aten._local_scalar_dense.default:
        flag = x.dtype == torch.bool
        return (True, 'flags are set') if flag else (0, NUMBERS)
    if func is aten.nonzero.default:
        return _nonzero_everywhere(x), MASKS
    if func is aten._unique2.default:
        # Values, where each of the input went, how often each occurred.
        where = x.new_empty(x.shape, dtype=torch.long)
        return (x.flatten(), where, where.flatten()), 'rows all differ'
    if func is aten.bincount.default:
        least = kwargs.get('minlength', args[2] if len(args) > 2 else 0)
        return x.new_empty(least, dtype=torch.long), NUMBERS
    device = kwargs.get('device')
    if func is aten._to_copy.default and device not in (None, _META):
        dtype = kwargs.get('dtype') or x.dtype
        return torch.zeros(x.shape, dtype=dtype, device='cpu'), NUMBERS
    return None, ''


_META = torch.device('meta')


def _nonzero_everywhere(mask: Tensor) -> Tensor:
    """Return ``mask.nonzero()`` of a mask that holds everywhere."""
    return mask.new_empty(mask.numel(), mask.dim(), dtype=torch.long)


def _is_meta(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def _to_meta(value: Tensor) -> Tensor:
    return value if value.is_meta else value.to(_META)


def _is_light(func: torch._ops.OpOverload) -> bool:
    """Check for operators of no work, or of one step for each element."""
    return (
        func.is_view
        or torch.Tag.pointwise in func.tags
        or func.overloadpacket.__name__ in MOVES
    )


# Modules that need values: what they return instead, and what is missing.
STAND_INS = {
    SparseVoxelRefiner: (
        lambda features, points, scores: RefinedQueries(
            features, points, None
        ),
        'linear layers and sparse convolutions over voxels that hold points, '
        'whose number depends on the scene',
    ),
    SetOccLoss: (
        lambda layers, targets, initial_points=None: {},
        'nearest neighbours and losses of points, without matrix products',
    ),
    OccLovaszLoss: (
        lambda logits, labels: logits.new_zeros(()),
        'a sort of the voxels for each class that is there',
    ),
}
LOSSES = (SetOccLoss, OccLovaszLoss)


def skip_value_modules(model: nn.Module, mode: str) -> dict[str, str]:
    """Let modules that cannot run without values return a stand-in, in place.

    Args:
        model (nn.Module): The model.
        mode (str): 'loss', or 'predict', which runs no losses.

    Returns:
        dict[str, str]: What is not counted therefore, by module name.
    """
    skipped = {}
    for name, module in model.named_modules():
        kind = type(module)
        if kind in STAND_INS and (mode == 'loss' or kind not in LOSSES):
            module.forward, skipped[name] = STAND_INS[kind]
    return skipped


def fill_anchors(model: nn.Module) -> None:
    """Give planners without a checkpoint anchors of unknown values."""
    for bank in model.modules():
        if isinstance(bank, AnchorBank):
            state = {
                name: torch.empty_like(value, device='cpu').fill_(
                    0 if bank.mode == 'per_command' else NO_COMMAND
                )
                for name, value in bank.state_dict().items()
            }
            with warnings.catch_warnings():
                # PyTorch warns that nothing is copied to the meta device.
                warnings.simplefilter('ignore', UserWarning)
                bank.load_state_dict(state)


def count_batch(
    model: nn.Module, size: BatchSize, mode: str, device: str = 'meta'
) -> FlopCount:
    """Count the FLOPs of a forward pass over a batch of zeros.

    Args:
        model (nn.Module): The model; frozen here, in place.
        size (BatchSize): Sizes of the batch.
        mode (str): 'loss' or 'predict'.
        device (str): Device of the model. Defaults to 'meta'.
    """
    inputs, samples = blank_batch(size, device)
    model.requires_grad_(False).train(mode == 'loss')
    return count_flops(model, lambda: model(inputs, samples, mode=mode))
