"""Two processes train as one does that takes the whole batch."""

from pathlib import Path

import pytest
import torch
import two_processes
from launching import TOY_CONFIG, read_curve, run_tool, train, why

# Of a logged loss, absolute: gradients are summed in another order.
TOLERANCE = 1e-4


def assert_same_training(
    config: Path, folder: Path, batch_size: int, *options: str
) -> None:
    """Train with 1 x ``batch_size`` and 2 x half of it, compare.

    Args:
        config (Path): Must be free of dropout and random transforms, and
            fix ``randomness.seed``.
        folder (Path): For the two work folders.
        batch_size (int): The global batch size, even.
        *options (str): ``KEY=VALUE`` for both runs.
    """
    two_processes.require()
    one, two = folder / 'one', folder / 'two'
    size = 'train_dataloader.batch_size'
    train(
        config,
        '--work-dir',
        one,
        '--cfg-options',
        f'{size}={batch_size}',
        *options,
    )
    done = run_tool(
        'dist_train.sh',
        config,
        2,
        '--work-dir',
        two,
        '--cfg-options',
        f'{size}={batch_size // 2}',
        *options,
    )
    assert done.returncode == 0, why(done)
    expected, found = read_curve(one), read_curve(two)
    assert expected and expected.keys() == found.keys()
    assert max(expected.values()) > min(expected.values())
    for step, loss in expected.items():
        assert found[step] == pytest.approx(loss, abs=TOLERANCE), step


def test_two_cpu_processes_equal_one(tmp_path):
    assert_same_training(TOY_CONFIG, tmp_path, 4)
    weights = [
        torch.load(tmp_path / name / 'epoch_3.pth', weights_only=True)
        for name in ('one', 'two')
    ]
    for name, weight in weights[0]['state_dict'].items():
        torch.testing.assert_close(
            weights[1]['state_dict'][name], weight, atol=TOLERANCE, rtol=0
        )
    assert len(weights[1]['random_states']) == 2
