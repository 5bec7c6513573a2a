"""``SafeCheckpointHook``: checkpoints that load safely and resume exactly."""

import re
from itertools import chain

import torch
from mmengine.dist import (
    all_gather_object,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, find_latest_checkpoint
from torch.distributed.tensor import DTensor

from mmocc.engine.hooks.finite_loss_hook import TrainingLostError
from mmocc.engine.random_state import get_random_state, set_random_state
from mmocc.registry import HOOKS
from mmocc.utils.atomic import remove_leftovers
from mmocc.utils.checkpoint import (
    from_plain,
    latest_checkpoint,
    require_safe,
    to_plain,
)

RANDOM_STATES = 'random_states'


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Save checkpoints that load without foreign objects and resume exactly.

    Takes the arguments of mmengine's ``CheckpointHook``. The configs of mmocc
    name it in ``default_hooks.checkpoint``; a config may name another hook.

    1. A checkpoint loads with ``torch.load(weights_only=True)``: the message
       hub's ``HistoryBuffer`` objects and NumPy values are stored as tensors
       and numbers. One that holds foreign objects is refused before
       anything of it is loaded.
    2. A checkpoint is complete or absent: it is written under a temporary
       name, and older ones are removed (``max_keep_ckpts``) only after the
       new one is there. Remote backends keep their own way of writing.
    3. A resumed run continues bit for bit (on CPU) as the run would have.
       The state of the random number generators of every process is kept
       with the checkpoint of an epoch, and put back before the next epoch
       also when nothing was interrupted: so validation, which a resumed run
       does not repeat, cannot shift the numbers of training.
    4. Weights and running means that are not finite are never written, the
       best checkpoint's included, so a lost training keeps its last good one.
    5. Resuming with another number of processes says what will differ.

    The training loader gets a generator of its own, seeded by run and epoch:
    starting workers draws from it, not from the run's random numbers, which
    would differ between a run and its continuation.

    With ``by_epoch=False`` the generators are put back before the iteration
    after the checkpoint; the batch of that iteration is loaded before, so
    random transforms in the main process (``num_workers=0``) may differ.
    """

    _snapshot: dict | None = None  # of this process, at the last checkpoint
    _gathered: list[dict] | None = None  # the same of every process
    _resumed: list[dict] | None = None  # those in the checkpoint just loaded

    def before_run(self, runner: Runner) -> None:
        """Refuse to load a checkpoint that holds foreign objects."""
        path = runner._load_from
        if path is None and runner._resume:
            path = find_latest_checkpoint(runner.work_dir)
        if path is not None and '://' not in str(path):
            require_safe(path)

    def before_train(self, runner: Runner) -> None:
        """Write through the atomic backend and remove unfinished files."""
        folder = str(self.out_dir or runner.work_dir)
        own_backend = self.backend_args or self.file_client_args
        if not own_backend and '://' not in folder:
            self.backend_args = dict(backend='atomic')
        super().before_train(runner)
        if is_main_process() and '://' not in folder:
            remove_leftovers(self.out_dir, '*.pth')
        if runner.iter > 0 and self._resumed is not None:
            self._take_over(runner, self._resumed)
        self._resumed = None
        runner.train_dataloader.generator = torch.Generator()

    def before_train_epoch(self, runner: Runner) -> None:
        """Start from the random state at the end of the last epoch."""
        runner.train_dataloader.generator.manual_seed(
            runner.seed + runner.epoch
        )
        if self.by_epoch and self._snapshot is not None:
            set_random_state(self._snapshot)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Start from the random state at the last checkpoint."""
        if not self.by_epoch and self._snapshot is not None:
            set_random_state(self._snapshot)
            self._snapshot = None

    def after_train_epoch(self, runner: Runner) -> None:
        """Remember the random state, then save as the parent does."""
        if self.by_epoch:
            self._snapshot = get_random_state()
        super().after_train_epoch(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the random states; turn all values into plain ones."""
        if self._gathered is not None:
            checkpoint[RANDOM_STATES] = self._gathered
        for key in list(checkpoint):
            checkpoint[key] = to_plain(checkpoint[key], f'checkpoint[{key!r}]')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Bring back mmengine's objects, which the Runner resumes next."""
        for key in ('message_hub', 'meta'):
            if key in checkpoint:
                checkpoint[key] = from_plain(checkpoint[key])
        self._resumed = checkpoint.get(RANDOM_STATES)

    def _take_over(self, runner: Runner, states: list[dict]) -> None:
        if len(states) != get_world_size():
            runner.logger.warning(
                f'the checkpoint was written by {len(states)} processes and '
                f'{get_world_size()} resume it: random numbers will differ '
                'from an uninterrupted run'
            )
            return
        self._snapshot = states[get_rank()]

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        """Save, on all processes, and only then remove what is too old."""
        self._require_finite(runner)
        if self._snapshot is None or not self.by_epoch:
            self._snapshot = get_random_state()
        self._gathered = all_gather_object(self._snapshot)
        keep, self.max_keep_ckpts = self.max_keep_ckpts, -1
        try:
            super()._save_checkpoint_with_step(runner, step, meta)
        finally:
            self.max_keep_ckpts = keep
        if keep > 0 and is_main_process():
            self._remove_outdated(step, keep)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save as the parent does, but no weights that are not finite."""
        if self.save_best:
            self._require_finite(runner)
        super()._save_best_checkpoint(runner, metrics)

    def _require_finite(self, runner: Runner) -> None:
        """Refuse to save weights that are not finite, on all processes."""
        broken = [
            name
            for name, weight in runner.model.state_dict().items()
            if isinstance(weight, torch.Tensor)
            and not local_part(weight).isfinite().all()
        ]
        broken = list(chain.from_iterable(all_gather_object(broken)))
        if broken:
            good = latest_checkpoint(runner.work_dir)
            raise TrainingLostError(
                f'{len(broken)} weights are not finite after iteration '
                f'{runner.iter}, such as {broken[0]}: they are not saved and '
                f'the run stops; the last good checkpoint is {good or "none"}.'
                ' Lower optim_wrapper.optimizer.lr or set '
                'optim_wrapper.clip_grad'
            )

    def _remove_outdated(self, step: int, keep: int) -> None:
        """Leave the newest ``keep`` checkpoints up to ``step``.

        Later ones belong to a run that got further and was restarted.
        """
        start, end = self.filename_tmpl.split('{}')
        name = re.compile(f'{re.escape(start)}(\\d+){re.escape(end)}')
        found = {}
        for entry in self.file_backend.list_dir_or_file(
            self.out_dir, list_dir=False
        ):
            match = name.fullmatch(entry)
            if match and int(match[1]) <= step:
                found[int(match[1])] = entry
        for old in sorted(found)[:-keep]:
            self.file_backend.remove(
                self.file_backend.join_path(self.out_dir, found[old])
            )


def local_part(weight: torch.Tensor) -> torch.Tensor:
    """Return what this process holds of a weight, sharded or not."""
    return weight.to_local() if isinstance(weight, DTensor) else weight
