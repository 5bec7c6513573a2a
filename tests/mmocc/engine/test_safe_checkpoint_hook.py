"""The hook inside mmengine's Runner, with a toy in this process.

Killing and resuming a real process is in ``tests/tools/test_train_tool.py``.
"""

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmocc.engine import SafeCheckpointHook
from mmocc.engine.hooks.finite_loss_hook import TrainingLostError
from mmocc.utils.checkpoint import CheckpointError


class Points(Dataset):
    """Inputs with noise of the main process."""

    metainfo = dict(palette=np.array([[1, 2, 3]]))

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([index / 8 + 0.1 * np.random.rand()]).float()


class Model(BaseModel):
    """A linear layer that learns to double, behind a dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1)
        )

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict:
        error = (self.layers(inputs) - 2 * inputs).square().mean()
        return dict(loss=error)


class Curve(Hook):
    """Keeps every loss."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        self.losses.append(outputs['loss'].item())


def collate(samples: list) -> dict:
    return dict(inputs=torch.stack(samples))


@pytest.fixture
def run(tmp_path):
    count = 0

    def train(
        epochs: int | None = None,
        iterations: int | None = None,
        name: str = 'run',
        **settings,
    ) -> tuple[list[float], Runner]:
        nonlocal count
        count += 1
        torch.manual_seed(11)
        loader = DataLoader(
            Points(), batch_size=2, shuffle=False, collate_fn=collate
        )
        by_epoch = epochs is not None
        hook = dict(type=SafeCheckpointHook, interval=1, by_epoch=by_epoch)
        hook.update(settings.pop('hook', {}))
        length = (
            dict(by_epoch=True, max_epochs=epochs)
            if by_epoch
            else dict(by_epoch=False, max_iters=iterations)
        )
        curve = Curve()
        runner = Runner(
            model=Model(),
            work_dir=str(tmp_path / name),
            train_dataloader=loader,
            train_cfg=length,
            optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)),
            default_hooks=dict(checkpoint=hook),
            custom_hooks=[curve, *settings.pop('custom_hooks', [])],
            randomness=dict(seed=3),
            experiment_name=f'{tmp_path.name}-{count}',
            log_level='WARNING',
            **settings,
        )
        runner.train()
        return curve.losses, runner

    return train


def files(folder) -> set[str]:
    return {path.name for path in folder.glob('*.pth*')}


def test_resumed_epochs_equal_uninterrupted_ones(run, tmp_path):
    whole, _ = run(epochs=3, name='whole')
    first, _ = run(epochs=1)
    rest, runner = run(epochs=3, resume=True)
    assert first + rest == whole and len(whole) == 12
    assert len(set(whole)) == len(whole)

    # Everything that load() needs is plain, mmengine's own objects are back.
    checkpoint = torch.load(
        tmp_path / 'run' / 'epoch_3.pth', weights_only=True
    )
    assert len(checkpoint['random_states']) == 1
    scalars = runner.message_hub.log_scalars
    assert isinstance(scalars['train/loss'], HistoryBuffer)
    assert scalars['train/loss'].data[0].tolist() == whole


def test_resumed_iterations_equal_uninterrupted_dropout(run, monkeypatch):
    """Without noise in the main process, see the hook's docstring."""
    monkeypatch.setattr(
        Points,
        '__getitem__',
        lambda self, index: torch.tensor([index / 8]),
    )
    whole, _ = run(iterations=6, name='whole')
    first, _ = run(iterations=3)
    rest, _ = run(iterations=6, resume=True)
    assert first + rest == whole


def test_loading_weights_does_not_replay_random_numbers(run, tmp_path):
    first, _ = run(epochs=1)
    path = tmp_path / 'run' / 'epoch_1.pth'
    tuned, runner = run(epochs=1, name='tuned', load_from=str(path))
    assert runner.train_loop.max_epochs == 1 and len(tuned) == len(first)
    assert tuned != first


def test_interrupted_write_leaves_the_last_checkpoint(
    run, tmp_path, monkeypatch
):
    """Also with one to keep: it goes only after the next is there."""
    keep = dict(max_keep_ckpts=1)
    run(epochs=1, hook=keep)
    with monkeypatch.context() as broken:
        broken.setattr('mmocc.utils.atomic.os.replace', _no_space)
        with pytest.raises(OSError, match='No space'):
            run(epochs=2, resume=True, hook=keep)
    assert files(tmp_path / 'run') == {'epoch_1.pth'}
    # What a killed process would have left behind is cleared.
    (tmp_path / 'run' / f'epoch_2.pth.{"0" * 16}.tmp').write_bytes(b'half')
    run(epochs=3, resume=True, hook=keep)
    assert files(tmp_path / 'run') == {'epoch_3.pth'}


def _no_space(*_: object) -> None:
    raise OSError(28, 'No space left on device')


def test_newest_are_kept_across_a_resume(run, tmp_path):
    keep = dict(max_keep_ckpts=2)
    run(epochs=3, hook=keep)
    assert files(tmp_path / 'run') == {'epoch_2.pth', 'epoch_3.pth'}
    run(epochs=4, resume=True, hook=keep)
    assert files(tmp_path / 'run') == {'epoch_3.pth', 'epoch_4.pth'}


def test_foreign_object_in_the_hub_is_named_when_saving(run, tmp_path):
    class Foreign:
        pass

    class Pollute(Hook):
        def before_train(self, runner) -> None:
            MessageHub.get_current_instance().update_info('mine', Foreign())

    with pytest.raises(CheckpointError, match=r"'mine'.*Foreign"):
        run(epochs=1, custom_hooks=[Pollute()])
    assert files(tmp_path / 'run') == set()


def test_foreign_checkpoint_is_refused_before_training(run, tmp_path):
    path = tmp_path / 'foreign.pth'
    torch.save(dict(state_dict={}, hub=HistoryBuffer([1.0], [1])), path)
    for resume in (False, True):
        with pytest.raises(CheckpointError, match='HistoryBuffer'):
            run(epochs=1, load_from=str(path), resume=resume)


def test_other_number_of_processes_is_announced(run, tmp_path):
    whole, _ = run(epochs=2, name='whole')
    first, _ = run(epochs=1)
    path = tmp_path / 'run' / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['random_states'] *= 2
    torch.save(checkpoint, path)
    rest, _ = run(epochs=2, resume=True)
    assert len(first + rest) == len(whole) and first + rest != whole
    logs = (tmp_path / 'run').glob('*/*.log')
    assert any('written by 2 processes' in log.read_text() for log in logs)


def test_weights_that_are_not_finite_are_never_saved(run, tmp_path):
    class Break(Hook):
        """Spoils a weight in the second epoch, behind a finite loss."""

        def after_train_iter(
            self, runner, batch_idx, data_batch=None, outputs=None
        ) -> None:
            if runner.iter == 7:
                runner.model.layers[2].bias.data.fill_(float('inf'))

    with pytest.raises(TrainingLostError, match=r'layers.2.bias.*epoch_1.pth'):
        run(epochs=3, custom_hooks=[Break()], hook=dict(max_keep_ckpts=1))
    assert files(tmp_path / 'run') == {'epoch_1.pth'}


def test_running_means_that_are_not_finite_are_never_saved(run, tmp_path):
    class Drift(Hook):
        """Adds a running mean and lets it overflow in the second epoch."""

        def before_train(self, runner) -> None:
            runner.model.register_buffer('mean', torch.zeros(2))

        def before_train_epoch(self, runner) -> None:
            if runner.epoch == 1:
                runner.model.mean[1] = float('inf')

    with pytest.raises(TrainingLostError, match=r'mean: .*epoch_1.pth'):
        run(epochs=3, custom_hooks=[Drift()], hook=dict(max_keep_ckpts=1))
    assert files(tmp_path / 'run') == {'epoch_1.pth'}


def test_a_best_checkpoint_is_finite_too(run, tmp_path, monkeypatch):
    monkeypatch.setattr(Model, 'val_step', lambda self, data: [0])

    class Fixed(BaseMetric):
        """A score that looks like the best one whatever the weights are."""

        def process(self, data_batch, data_samples) -> None:
            self.results.append(0)

        def compute_metrics(self, results) -> dict:
            return dict(score=1.0)

    class Break(Hook):
        def before_val_epoch(self, runner) -> None:
            runner.model.layers[0].weight.data.fill_(float('nan'))

    with pytest.raises(TrainingLostError, match=r'layers.0.weight'):
        run(
            epochs=1,
            custom_hooks=[Break()],
            hook=dict(save_best='score', rule='greater'),
            val_dataloader=DataLoader(
                Points(), batch_size=8, collate_fn=collate
            ),
            val_cfg={},
            val_evaluator=[Fixed()],
        )
    assert files(tmp_path / 'run') == {'epoch_1.pth'}
