"""Random generators of a frame, the same in any process."""

import hashlib

import numpy as np


def frame_rng(results: dict, purpose: str) -> np.random.Generator:
    """Create the random generator of a frame in an epoch.

    Args:
        results (dict): Has ``token`` and, where the data set announces
            epochs, ``draw``, a pair (seed, epoch).
        purpose (str): Keeps the draws of different transforms apart.

    Returns:
        np.random.Generator: The same for the same seed, epoch, token and
        purpose, in any process.
    """
    seed, epoch = results.get('draw', (0, 0))
    text = f'{seed}/{epoch}/{results["token"]}/{purpose}'
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], 'little'))
