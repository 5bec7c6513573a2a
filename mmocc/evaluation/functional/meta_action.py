"""Accuracy of meta-actions, the pairs (speed, direction) of OccVLA Table 4.

The table's columns, as far as its figures tell: "speed" and "trajectory" are
the top-1 accuracies of the two components, "Avg." is their mean, and
"Overall" is the joint accuracy (both right). An answer that cannot be parsed
is wrong, never left out. Classes are skewed, so recalls are given as well.
"""

from collections.abc import Sequence

import numpy as np

from mmocc.evaluation.functional.arrays import (
    ArrayLike,
    as_integers,
    drop_unknown,
)
from mmocc.structures.meta_action import (
    DIRECTIONS,
    IGNORE,
    SPEEDS,
    MetaAction,
)

# Predictions have one class more than labels: what could not be parsed.
TABLE_SHAPE = (
    len(SPEEDS),
    len(DIRECTIONS),
    len(SPEEDS) + 1,
    len(DIRECTIONS) + 1,
)


def meta_action_indices(
    actions: Sequence[MetaAction | None],
) -> np.ndarray:
    """Convert N meta-actions to (N, 2) indices; ``None`` becomes -1, -1."""
    pairs = [
        (IGNORE, IGNORE)
        if action is None
        else (action.speed_index, action.direction_index)
        for action in actions
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def meta_action_table(pred: ArrayLike, truth: ArrayLike) -> np.ndarray:
    """Count the frames of each (ground-truth pair, predicted pair).

    Tables add up over frames and processes.

    Args:
        pred (ArrayLike): (N, 2) indices of speed and direction; -1 where the
            answer could not be parsed.
        truth (ArrayLike): (N, 2) indices; a row with a -1 has no label and is
            left out.

    Returns:
        np.ndarray: (3, 6, 4, 7) int64: gt speed, gt direction, predicted
        speed (3 = unparsable), predicted direction (6 = unparsable).

    Raises:
        TypeError: Indices are not integers.
        ValueError: Shapes differ, or an index names no word.
    """
    pred = as_integers(pred, 'the predicted meta-action')
    truth = as_integers(truth, 'the labelled meta-action')
    if pred.shape != truth.shape or pred.shape[1:] != (2,):
        raise ValueError(
            f'meta-actions have shapes {pred.shape} (prediction) and '
            f'{truth.shape} (label), expected (N, 2) for both'
        )
    words = (len(SPEEDS), len(DIRECTIONS))
    for indices, name in ((pred, 'predicted'), (truth, 'labelled')):
        if (indices < IGNORE).any() or (indices >= words).any():
            raise ValueError(
                f'a {name} meta-action is outside the vocabulary: got '
                f'indices {indices.min(0)} to {indices.max(0)}, expected '
                f'{IGNORE} to {words[0] - 1} (speed) and {words[1] - 1} '
                '(direction)'
            )
    labelled = (truth != IGNORE).all(axis=1)
    pred = np.where(pred == IGNORE, words, pred)[labelled]
    table = np.zeros(TABLE_SHAPE, dtype=np.int64)
    np.add.at(table, (*truth[labelled].T, *pred.T), 1)
    return table


def _recalls(confusion: np.ndarray, words: Sequence[str]) -> dict[str, float]:
    """Compute the recall of each word that occurs, in per cent."""
    return {
        f'recall_{word.lower().replace(" ", "_")}': (
            float(row[index] / row.sum() * 100) if row.sum() else float('nan')
        )
        for index, (word, row) in enumerate(zip(words, confusion, strict=True))
    }


def meta_action_scores(table: np.ndarray) -> dict[str, float]:
    """Compute accuracies from a table, in per cent of labelled frames.

    Returns:
        dict: ``speed``, ``direction``, ``mean`` (of the two), ``joint``,
        ``unparsable``, ``recall_<word>`` for each word that occurs, and the
        count ``frames``. With no frame, the count alone.
    """
    frames = int(table.sum())
    if frames == 0:
        return {'frames': 0}
    speed = table.sum(axis=(1, 3))  # (3, 4)
    direction = table.sum(axis=(0, 2))  # (6, 7)
    joint = np.einsum('sdsd->', table[..., : len(SPEEDS), : len(DIRECTIONS)])
    parsed = table[..., : len(SPEEDS), : len(DIRECTIONS)].sum()
    right_speed = float(speed.trace() / frames * 100)
    right_direction = float(direction.trace() / frames * 100)
    scores = {
        'speed': right_speed,
        'direction': right_direction,
        'mean': (right_speed + right_direction) / 2,
        'joint': float(joint / frames * 100),
        'unparsable': float((frames - parsed) / frames * 100),
    }
    scores |= _recalls(speed, SPEEDS) | _recalls(direction, DIRECTIONS)
    return drop_unknown(scores) | {'frames': frames}
