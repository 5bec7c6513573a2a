"""Weights of a whole model, or an error that says what is wrong."""

import os

from mmengine.logging import MMLogger
from torch import Tensor, nn

from mmocc.utils.checkpoint import CheckpointError, load_checkpoint_safely

_SHOWN = 3  # how many weights an error lists


def load_weights(model: nn.Module, path: str | os.PathLike) -> None:
    """Load every weight of a model, safely.

    Weights of parts that the model does not have are left out with a warning:
    a checkpoint of stage 3 serves a config of stage 2.

    Args:
        model (nn.Module): The model.
        path (str | os.PathLike): A checkpoint with ``state_dict``, or a bare
            state dict.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, holds foreign objects, or lacks a
            weight of the model, or has it in another shape.
    """
    checkpoint = load_checkpoint_safely(path)
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
                f'{_listed(names)}; expected a checkpoint of this very config '
                '(for an earlier stage, use the config of that stage)'
            )
    left_over = sorted(set(weights) - set(own))
    if left_over:
        MMLogger.get_current_instance().warning(
            f'{path} has {len(left_over)} weights of parts that the model '
            f'does not have, they are left out: {_listed(left_over)}'
        )
    model.load_state_dict({name: weights[name] for name in own})


def _listed(names: list[str]) -> str:
    more = ', ...' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
