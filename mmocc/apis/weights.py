"""Load the weights of a whole model, or raise a clear error."""

import os

from torch import nn

from mmocc.utils.checkpoint import load_checkpoint_safely
from mmocc.utils.complete_weights import load_complete_weights


def load_weights(model: nn.Module, path: str | os.PathLike) -> None:
    """Load every weight of a model from a checkpoint, without unpickling code.

    Args:
        model (nn.Module): The model.
        path (str | os.PathLike): Checkpoint with ``state_dict``, or a bare
            state dict.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it is damaged or holds foreign objects, or see
            ``load_complete_weights``.
    """
    load_complete_weights(model, load_checkpoint_safely(path), path)
