"""A loss that is not finite ends the run, and no such weights are kept."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub

from mmocc.engine import FiniteLossHook
from mmocc.engine.hooks.finite_loss_hook import TrainingLostError


@pytest.fixture
def step(tmp_path, request):
    """Log a loss and run the hook, as an iteration of a runner does."""
    hub = MessageHub.get_instance(f'finite-{request.node.name}')
    runner = SimpleNamespace(
        message_hub=hub, work_dir=str(tmp_path), iter=6, epoch=1
    )
    batch = dict(data_samples=[SimpleNamespace(token='token-of-a-frame')])

    def run(hook, **losses):
        for name, value in losses.items():
            hub.update_scalar(f'train/{name}', torch.tensor(value))
        hook.after_train_iter(runner, 0, batch, losses)

    return run


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_it_names_losses_iteration_samples_and_checkpoint(
    step, tmp_path, value
):
    (tmp_path / 'epoch_1.pth').write_bytes(b'weights')
    hook = FiniteLossHook(patience=1)
    step(hook, loss_occ=1.0, loss_text=value)
    with pytest.raises(TrainingLostError) as stopped:
        step(hook, loss_occ=1.0, loss_text=value)
    message = str(stopped.value)
    for part in ('loss_text', 'iteration 7', 'epoch 2', 'token-of-a-frame'):
        assert part in message
    assert 'epoch_1.pth' in message and 'loss_occ' not in message


def test_only_iterations_in_a_row_count(step):
    hook = FiniteLossHook(patience=2)
    for value in (float('nan'), float('nan'), 1.0) * 3:
        step(hook, loss=value)
    assert hook.lost == 0


@pytest.mark.parametrize('patience', [-1, None, 2.5])
def test_an_impossible_patience_is_refused(patience):
    with pytest.raises(ValueError, match=r'finite_loss\.patience is'):
        FiniteLossHook(patience)
