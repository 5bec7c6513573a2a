"""Roads of a map as a review page draws them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Roads:
    """Lines and outlines in the map frame: x east, y north, metres.

    Attributes:
        lanes (tuple[np.ndarray]): Centrelines (N, 2).
        connectors (tuple[np.ndarray]): Guide lines (N, 2) through
            intersections.
        crosswalks (tuple[np.ndarray]): Outlines (K, 2).
        stop_lines (tuple[np.ndarray]): Outlines (K, 2).
    """

    lanes: tuple[np.ndarray, ...] = ()
    connectors: tuple[np.ndarray, ...] = ()
    crosswalks: tuple[np.ndarray, ...] = ()
    stop_lines: tuple[np.ndarray, ...] = ()

    def within(self, low: np.ndarray, high: np.ndarray) -> 'Roads':
        """Crop to the rectangle from ``low`` (2,) to ``high`` (2,).

        Lines are cut to their points inside, outlines are kept whole.
        """
        return Roads(
            lanes=_cut(self.lanes, low, high),
            connectors=_cut(self.connectors, low, high),
            crosswalks=_touching(self.crosswalks, low, high),
            stop_lines=_touching(self.stop_lines, low, high),
        )

    def moved(self, transform: Callable[[np.ndarray], np.ndarray]) -> 'Roads':
        """Apply a function of points (N, 2) to every line and outline."""
        return Roads(
            *(
                tuple(map(transform, getattr(self, field.name)))
                for field in fields(self)
            )
        )


def _cut(
    lines: Iterable[np.ndarray], low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, ...]:
    parts = []
    for line in lines:
        inside = ((line >= low) & (line <= high)).all(axis=1)
        changes = np.flatnonzero(np.diff(inside)) + 1
        for part, kept in zip(
            np.split(line, changes),
            np.split(inside, changes),
            strict=True,
        ):
            if kept[0] and len(part) > 1:
                parts.append(part)
    return tuple(parts)


def _touching(
    outlines: Iterable[np.ndarray], low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, ...]:
    return tuple(
        outline
        for outline in outlines
        if (outline.max(axis=0) >= low).all()
        and (outline.min(axis=0) <= high).all()
    )
