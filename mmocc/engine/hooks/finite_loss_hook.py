"""``FiniteLossHook``: a training that is lost stops."""

import math

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmocc.registry import HOOKS
from mmocc.utils.checkpoint import latest_checkpoint


class TrainingLostError(RuntimeError):
    """Losses or weights are not finite any more."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """End the run when a loss stays NaN or infinite.

    The losses are read where mmengine's ``RuntimeInfoHook`` has put them for
    the log, so nothing waits for the GPU a second time. On several processes
    they are means over all of these (``ReduceLossHook``), so all stop in the
    same iteration. Our configs have this hook as
    ``default_hooks.finite_loss``; ``tools/train.py`` adds it to others.

    Args:
        patience (int): Number of iterations in a row that may have a loss
            that is not finite. The next one ends the run. Defaults to 3.
    """

    # After RuntimeInfoHook (VERY_HIGH), before checkpoints (VERY_LOW).
    priority = 'ABOVE_NORMAL'

    def __init__(self, patience: int = 3) -> None:
        if not isinstance(patience, int) or patience < 0:
            raise ValueError(
                f'default_hooks.finite_loss.patience is {patience!r}, '
                'expected a number of iterations, 0 or more; to switch the '
                'check off, set default_hooks.finite_loss=None'
            )
        self.patience = patience
        self.lost = 0  # iterations in a row

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Count iterations whose losses are not finite.

        Raises:
            TrainingLostError: They are more than ``patience`` in a row.
        """
        scalars = runner.message_hub.log_scalars
        broken = [
            name
            for name in outputs or ()
            if (history := scalars.get(f'train/{name}')) is not None
            and not math.isfinite(history.current())
        ]
        self.lost = self.lost + 1 if broken else 0
        if self.lost <= self.patience:
            return
        good = latest_checkpoint(runner.work_dir)
        raise TrainingLostError(
            f'{", ".join(broken)} have not been finite for {self.lost} '
            f'iterations, up to iteration {runner.iter + 1} (epoch '
            f'{runner.epoch + 1}), samples {_tokens(data_batch)}: the run '
            f'stops; the last good checkpoint is {good or "none"}. Lower '
            'optim_wrapper.optimizer.lr, set optim_wrapper.clip_grad, or look '
            'at these samples; default_hooks.finite_loss.patience allows more '
            'such iterations'
        )


def _tokens(data_batch: dict | None) -> str:
    """Name the samples of a batch."""
    samples = (data_batch or {}).get('data_samples') or ()
    names = [getattr(sample, 'token', None) for sample in samples]
    return ', '.join(str(name) for name in names if name) or 'unknown'
