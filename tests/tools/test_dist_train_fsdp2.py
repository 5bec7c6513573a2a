"""A sharded model on two CPU processes trains as a whole one on one does."""

import pytest
import torch
import two_processes
from launching import TOY_CONFIG, read_curve, run_tool, train, why

# Of losses and weights, absolute: sums are in another order.
TOLERANCE = 1e-4
CLIPPED = 'optim_wrapper.clip_grad.max_norm=0.5'
SHARDED = (
    'strategy.type=FSDP2Strategy',
    # Two layers; the second has one row, less than one for each process.
    'strategy.shard_modules=[Linear]',
    'train_dataloader.batch_size=2',
    CLIPPED,
)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Work folder of one process, three epochs of four iterations."""
    two_processes.require()
    folder = tmp_path_factory.mktemp('whole')
    train(TOY_CONFIG, '--work-dir', folder, '--cfg-options', CLIPPED)
    return folder


def train_sharded(folder, *arguments, options=()):
    return run_tool(
        *('dist_train.sh', TOY_CONFIG, 2, '--work-dir', folder),
        *(*arguments, '--cfg-options', *SHARDED, *options),
    )


def load(folder):
    return torch.load(folder / 'epoch_3.pth', weights_only=True)


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


def assert_same_curves(found, expected):
    for key in ('loss', 'grad_norm'):
        curves = read_curve(found, key), read_curve(expected, key)
        assert len(curves[1]) == 12
        assert_close(*curves)


def test_killed_and_resumed_it_equals_one_process(whole, tmp_path):
    done = train_sharded(tmp_path, options=['custom_hooks.0.iteration=6'])
    assert done.returncode != 0, why(done)
    assert len(read_curve(tmp_path)) == 6

    done = train_sharded(tmp_path, '--resume')
    assert done.returncode == 0, why(done)
    assert_same_curves(tmp_path, whole)

    found, expected = load(tmp_path), load(whole)
    assert_close(found['state_dict'], expected['state_dict'])
    assert_close(found['optimizer']['state'], expected['optimizer']['state'])
    # Whole tensors, not views of a larger storage or subclasses.
    for value in found['state_dict'].values():
        assert type(value) is torch.Tensor
        assert value.untyped_storage().nbytes() == value.nbytes
    assert not list(tmp_path.glob('*.tmp'))


def test_one_process_resumes_what_two_shards_began(whole, tmp_path):
    done = train_sharded(tmp_path, options=['train_cfg.max_epochs=2'])
    assert done.returncode == 0, why(done)
    resume = ('--work-dir', tmp_path, '--resume')
    train(TOY_CONFIG, *resume, '--cfg-options', CLIPPED)
    assert_same_curves(tmp_path, whole)


def test_two_shards_resume_what_one_process_began(whole, tmp_path):
    done = train_sharded(tmp_path, '--resume', whole / 'epoch_2.pth')
    assert done.returncode == 0, why(done)
    found, expected = read_curve(tmp_path), read_curve(whole)
    assert found.keys() == {9, 10, 11, 12}
    assert_close(found, {step: expected[step] for step in found})
