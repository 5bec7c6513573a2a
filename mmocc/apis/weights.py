"""Weights of a whole model, or an error that says what is wrong."""

import os

from mmengine.logging import MMLogger
from torch import nn

from mmocc.utils.checkpoint import load_checkpoint_safely
from mmocc.utils.complete_weights import complete_weights, listed


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
    weights = complete_weights(model, load_checkpoint_safely(path), path)
    own = model.state_dict()
    left_over = sorted(set(weights) - set(own))
    if left_over:
        MMLogger.get_current_instance().warning(
            f'{path} has {len(left_over)} weights of parts that the model '
            f'does not have, they are left out: {listed(left_over)}'
        )
    model.load_state_dict({name: weights[name] for name in own})
