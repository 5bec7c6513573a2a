"""Read arrays and tensors as NumPy arrays on the host, without torch."""

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    'ArrayLike',
    'as_array',
    'as_integers',
    'drop_unknown',
    'mean_of_known',
]


def as_array(values: ArrayLike) -> np.ndarray:
    """Return an array, or a tensor of any device, as a NumPy array.

    Arrays are not copied; gradients are left behind.
    """
    if hasattr(values, 'detach'):  # a tensor; torch need not be installed
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def as_integers(values: ArrayLike, name: str) -> np.ndarray:
    """Return class ids as a NumPy array; ``name`` is for the error.

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
    """Return the mean of the values that are not NaN; NaN without any."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def drop_unknown(scores: dict[str, float]) -> dict[str, float]:
    """Return the scores without those that are NaN (nothing to measure)."""
    return {name: value for name, value in scores.items() if value == value}
