"""Load the weights of a whole model, or raise a clear error."""

import os

from mmengine.logging import MMLogger
from torch import nn

from mmocc.utils.checkpoint import load_checkpoint_safely
from mmocc.utils.complete_weights import complete_weights, listed


def load_weights(model: nn.Module, path: str | os.PathLike) -> None:
    """Load every weight of a model from a checkpoint, without unpickling code.

    Weights of parts that the model does not have are ignored with a warning,
    so a checkpoint of stage 3 serves a config of stage 2.

    Args:
        model (nn.Module): The model.
        path (str | os.PathLike): Checkpoint with ``state_dict``, or a bare
            state dict.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged, holds foreign objects, lacks a
            weight of the model, or has one in another shape.
    """
    weights = complete_weights(model, load_checkpoint_safely(path), path)
    own = model.state_dict()
    left_over = sorted(set(weights) - set(own))
    if left_over:
        MMLogger.get_current_instance().warning(
            f'{path} has {len(left_over)} weights of parts that the model '
            f'does not have, they are left out: {listed(left_over)}'
        )
    model.load_state_dict({name: weights.get(name, own[name]) for name in own})
