"""``ReduceLossHook``: the logged loss is that of the global batch."""

import torch
from mmengine.dist import all_reduce_dict, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmocc.registry import HOOKS


@HOOKS.register_module()
class ReduceLossHook(Hook):
    """Average the logged losses over all processes.

    mmengine logs what the first process saw. Gradients are averaged anyway;
    this makes the curve comparable with that of one process that takes the
    whole batch. Costs one small all-reduce per iteration, and expects every
    process to report losses of the same names.
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
