"""The state of every random number generator of a process."""

import random
from typing import Any

import numpy as np
import torch


def get_random_state() -> dict[str, Any]:
    """Snapshot the generators of torch, NumPy and Python.

    Returns:
        dict[str, Any]: Tensors and plain values, fit for a checkpoint.
        ``cuda`` is the state of the current device, None without one.
    """
    name, keys, position, has_gauss, gauss = np.random.get_state()
    version, words, python_gauss = random.getstate()
    return dict(
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        numpy=dict(
            name=name,
            keys=torch.from_numpy(keys.astype(np.int64)),
            position=int(position),
            has_gauss=int(has_gauss),
            gauss=float(gauss),
        ),
        python=dict(
            version=version,
            words=torch.tensor(words, dtype=torch.int64),
            gauss=python_gauss,
        ),
    )


def set_random_state(state: dict[str, Any]) -> None:
    """Put back a snapshot of ``get_random_state``."""
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())
    numpy_state = state['numpy']
    np.random.set_state(
        (
            numpy_state['name'],
            numpy_state['keys'].cpu().numpy().astype(np.uint32),
            numpy_state['position'],
            numpy_state['has_gauss'],
            numpy_state['gauss'],
        )
    )
    python_state = state['python']
    random.setstate(
        (
            python_state['version'],
            tuple(python_state['words'].tolist()),
            python_state['gauss'],
        )
    )
