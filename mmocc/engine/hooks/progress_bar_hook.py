"""``ProgressBarHook``: a progress bar of a run in the terminal."""

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from mmocc.registry import HOOKS


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Show a progress bar of training and testing on standard error.

    Args:
        name (str): Title before the bar.
        smoothing (float): Share of the newest loss in the one shown.
            Defaults to 0.1.
    """

    priority = 'VERY_LOW'

    def __init__(self, name: str, smoothing: float = 0.1) -> None:
        self.name = name
        self.smoothing = smoothing
        self._bar: tqdm | None = None
        self._loss: float | None = None

    def before_train(self, runner: Runner) -> None:
        """Open the bar at the iteration that the run resumes from."""
        self._start(f'{self.name}: train', runner.max_iters, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Advance by an iteration and show the smoothed loss."""
        loss = float(outputs['loss'])
        if self._loss is None:
            self._loss = loss
        self._loss += self.smoothing * (loss - self._loss)
        if self._bar is not None:
            self._bar.set_postfix_str(f'loss {self._loss:.3f}', refresh=False)
        self._step()

    def after_train(self, runner: Runner) -> None:
        """Close the bar, which stays on the screen."""
        self._stop()

    def before_test(self, runner: Runner) -> None:
        """Open a bar over the batches of the test set."""
        self._start(f'{self.name}: test', len(runner.test_dataloader), 0)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: list | None = None,
    ) -> None:
        """Advance by a batch."""
        self._step()

    def after_test(self, runner: Runner) -> None:
        """Close the bar, which stays on the screen."""
        self._stop()

    @master_only
    def _start(self, title: str, total: int, initial: int) -> None:
        self._bar = tqdm(desc=title, total=total, initial=initial, ncols=79)

    def _step(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
