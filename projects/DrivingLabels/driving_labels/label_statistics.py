"""Histograms of labels, and confusions between two labellers."""

from collections import Counter
from collections.abc import Iterable, Sequence

from mmocc.structures import DIRECTIONS, SPEEDS, MetaAction

WORDS = {'speed': SPEEDS, 'direction': DIRECTIONS}


def histogram(actions: Sequence[MetaAction]) -> dict[str, dict[str, int]]:
    """Count the words and pairs of labels.

    Returns:
        dict: ``speed`` and ``direction``, every word with its count, and
        ``pair``, every pair that occurs.
    """
    counts = {
        part: {
            word: sum(getattr(action, part) == word for action in actions)
            for word in words
        }
        for part, words in WORDS.items()
    }
    pairs = Counter(f'{a.speed}; {a.direction}' for a in actions)
    return counts | {'pair': dict(pairs.most_common())}


def confusion(
    pairs: Iterable[tuple[MetaAction, MetaAction]], part: str
) -> list[list[int]]:
    """Count the confusion matrix of two labels of the same frames.

    Args:
        pairs (Iterable): (row's label, column's label) of each frame.
        part (str): ``speed`` or ``direction``.

    Returns:
        list[list[int]]: In the order of the vocabulary.
    """
    words = WORDS[part]
    counts = Counter(
        (getattr(row, part), getattr(column, part)) for row, column in pairs
    )
    return [[counts[row, column] for column in words] for row in words]


def agreement(table: Sequence[Sequence[int]]) -> float | None:
    """Return the share of frames on the diagonal; None without frames."""
    total = sum(map(sum, table))
    if not total:
        return None
    return sum(table[k][k] for k in range(len(table))) / total


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of cells in columns: the first to the left, others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(
        '  '.join(
            [
                row[0].ljust(widths[0]),
                *(
                    cell.rjust(width)
                    for cell, width in zip(row[1:], widths[1:], strict=True)
                ),
            ]
        ).rstrip()
        for row in rows
    )
