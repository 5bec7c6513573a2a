"""Check that a checkpoint holds every weight of a model."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mmocc.utils.checkpoint import CheckpointError

_SHOWN = 3  # how many weights an error lists


def complete_weights(
    model: nn.Module, checkpoint: Mapping[str, Any], path: str | os.PathLike
) -> dict[str, Tensor]:
    """Return the weights of a checkpoint after checking that none is missing.

    Args:
        model (nn.Module): The model.
        checkpoint (Mapping[str, Any]): With ``state_dict``, or a bare state
            dict.
        path (str | os.PathLike): Where it is from, for the error.

    Returns:
        dict[str, Tensor]: By name, those that the model does not have too.

    Raises:
        CheckpointError: If it lacks a weight of the model, or has it in
            another shape.
    """
    weights = checkpoint.get('state_dict', checkpoint)
    weights = {k: v for k, v in weights.items() if isinstance(v, Tensor)}
    own = model.state_dict()
    missing = [name for name in own if name not in weights]
    misshapen = [
        f'{name} {tuple(weights[name].shape)} for {tuple(value.shape)}'
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    for what, names in (
        ('lacks', missing),
        ('has in another shape', misshapen),
    ):
        if names:
            raise CheckpointError(
                f'{path} {what} {len(names)} of the {len(own)} weights of the '
                f'{type(model).__name__} that the config describes: '
                f'{listed(names)}; expected a checkpoint of this very config '
                '(for an earlier stage, use the config of that stage)'
            )
    return weights


def listed(names: Sequence[str]) -> str:
    """Join the first few of many names."""
    more = ', ...' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
