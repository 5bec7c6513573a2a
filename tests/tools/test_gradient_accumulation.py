"""Two batches before a step are one batch of twice the size."""

import pytest
import torch
from launching import TOY, TOY_CONFIG


@pytest.fixture
def train_toy(load_tool, monkeypatch, tmp_path):
    """Train in this process; returns the weights after two epochs."""
    monkeypatch.syspath_prepend(str(TOY))
    monkeypatch.setenv('LOCAL_RANK', '0')

    def run(name, *options):
        folder = tmp_path / name
        # A schedule would count batches.
        fixed = ('param_scheduler=None', 'train_cfg.max_epochs=2')
        command = ['train.py', str(TOY_CONFIG), '--work-dir', str(folder)]
        monkeypatch.setattr(
            'sys.argv', [*command, '--cfg-options', *fixed, *options]
        )
        load_tool('train.py').main()
        return torch.load(folder / 'epoch_2.pth', weights_only=True)

    return run


def test_two_halves_of_a_batch_equal_it(train_toy):
    size, steps = (
        'train_dataloader.batch_size',
        'optim_wrapper.accumulative_counts',
    )
    whole = train_toy('whole', f'{size}=4')['state_dict']
    halves = train_toy('halves', f'{size}=2', f'{steps}=2')['state_dict']
    other = train_toy('other', f'{size}=2')['state_dict']
    torch.testing.assert_close(halves, whole, atol=1e-6, rtol=0)
    assert (other['hidden.weight'] - whole['hidden.weight']).abs().max() > 1e-3
