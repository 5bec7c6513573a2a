"""``ReduceLossHook``: the logged loss is that of the global batch."""

import torch
from mmengine.dist import all_reduce_dict, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmocc.registry import HOOKS


@HOOKS.register_module()
class ReduceLossHook(Hook):
    """Log the mean of each loss over all processes.

    mmengine logs the losses of process 0, those of a part of the batch. Only
    the log changes: gradients are averaged by the model wrapper. Costs one
    small all-reduce per iteration; every process must report losses of the
    same names. ``tools/train.py`` adds this hook with ``--launcher``.
    """

    # Before RuntimeInfoHook, which reads the losses.
    priority = 'HIGHEST'

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Replace the losses in ``outputs`` by their mean over processes."""
        if outputs is None or get_world_size() == 1:
            return
        losses = {
            name: value.detach().float()
            for name, value in sorted(outputs.items())
            if isinstance(value, torch.Tensor)
        }
        all_reduce_dict(losses, op='mean')
        outputs.update(losses)
