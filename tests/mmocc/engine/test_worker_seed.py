import random

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mmocc.engine.worker_seed import seed_worker


class Dice(Dataset):
    """Random numbers drawn while loading."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(()).item()


def test_epochs_differ_and_repeat_with_the_main_seed():
    def two_epochs() -> list:
        torch.manual_seed(5)
        loader = DataLoader(
            Dice(), num_workers=1, worker_init_fn=seed_worker, batch_size=None
        )
        return [list(loader), list(loader)]

    first = two_epochs()
    assert first[0] != first[1]
    assert two_epochs() == first
