"""Fresh and repeatable random numbers in data loader workers."""

import random

import numpy as np
import torch
from mmengine.registry import FUNCTIONS


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seed NumPy and Python as torch seeded itself in this worker.

    mmengine's default gives a worker the same seed whenever it starts: with
    ``persistent_workers=False`` every epoch repeats the augmentations of the
    first. torch's own seed is drawn from the main process's generator at the
    start of an epoch, so it changes by epoch, and a resumed run (see
    ``SafeCheckpointHook``) draws the same one again. Use it as
    ``worker_init_fn=dict(type='seed_worker')`` of a dataloader.

    Args:
        worker_id (int): Not used; part of the call that torch makes.
    """
    seed = torch.initial_seed() % 2**32  # NumPy takes 32 bits
    np.random.seed(seed)
    random.seed(seed)
