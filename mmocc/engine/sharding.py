"""Tensors in pieces and whole: what sharded training adds to checkpoints."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def gather(tree: Any, keep: bool) -> Any:
    """Replace sharded tensors by whole ones on the CPU.

    A collective call: every process must hand in a tree of the same form. One
    tensor at a time is whole on each device.

    Args:
        tree (Any): Nested dicts and lists, such as a state dict.
        keep (bool): Whether this process wants the result; the others only
            take part.

    Returns:
        Any: The tree with tensors on the CPU; None in place of each tensor
        where ``keep`` is False.
    """

    def whole(value: Tensor) -> Tensor | None:
        sharded = isinstance(value, DTensor)
        if sharded:
            value = value.full_tensor()
        if not keep:
            return None
        # A gathered tensor may be a view of padded shards: a file would hold
        # the padding too.
        return value.detach().to('cpu', copy=sharded)

    return _map_tensors(whole, tree)


def shard_like(value: Tensor, example: Tensor) -> Tensor:
    """This process's piece of a whole tensor.

    Every process holds the whole (or maps the same file), so nothing is sent.

    Args:
        value (Tensor): Whole, on the CPU.
        example (Tensor): The tensor whose sharding is wanted.

    Returns:
        Tensor: A ``DTensor`` placed as ``example``; ``value`` itself where
        ``example`` is not sharded, or where the shapes differ, which is for
        the caller to report.
    """
    if not isinstance(example, DTensor) or value.shape != example.shape:
        return value
    return distribute_tensor(
        value.to(example.device_mesh.device_type),
        example.device_mesh,
        example.placements,
        src_data_rank=None,
    )


def _map_tensors(function: Callable[[Tensor], Any], tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        parts = {key: _map_tensors(function, tree[key]) for key in tree}
        return type(tree)(parts)
    if isinstance(tree, list | tuple):
        return type(tree)(_map_tensors(function, part) for part in tree)
    return tree
