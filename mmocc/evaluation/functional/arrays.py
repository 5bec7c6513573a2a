"""Arrays of either library, as NumPy arrays on the host."""

from collections.abc import Sequence

import numpy as np
import torch

ArrayLike = np.ndarray | torch.Tensor | Sequence


def as_array(values: ArrayLike) -> np.ndarray:
    """Give ``values`` as a NumPy array, from any device, without a gradient.

    Arrays are not copied.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def as_integers(values: ArrayLike, name: str) -> np.ndarray:
    """Like :func:`as_array`, for ids; ``name`` is for the error.

    Raises:
        TypeError: The values are not integers. Rounding a class id would
            hide a mistake of the caller.
    """
    array = as_array(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(
            f'{name} holds {array.dtype} values, expected integer ids; take '
            'the argmax of scores, or cast on purpose'
        )
    return array


def mean_of_known(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def drop_unknown(scores: dict[str, float]) -> dict[str, float]:
    """Leave out the scores that are NaN: nothing was there to measure."""
    return {name: value for name, value in scores.items() if value == value}
