"""What is put on a road: cones, barriers, bins."""

from collections.abc import Sequence

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
    CONE,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.solids import (
    STRIPES,
    Colour,
    solid,
    stack,
)


def cone(size: Sequence[float]) -> np.ndarray:
    """A traffic cone with a white ring."""
    _, width, height = size
    return stack(
        [
            solid(
                BOX, (0, 0, 0.04), (width / 2, width / 2, 0.04), (30, 30, 32)
            ),
            solid(
                CONE,
                (0, 0, height / 2),
                (width * 0.38, width * 0.38, height / 2),
                (240, 98, 24),
                STRIPES,
                detail=0.26,
            ),
        ]
    )


def barrier(size: Sequence[float]) -> np.ndarray:
    """A red and white barrier across y."""
    length, width, height = size
    return stack(
        [
            solid(
                BOX,
                (0, 0, height * 0.62),
                (length / 2 * 0.5, width / 2, height * 0.38),
                (214, 60, 44),
                STRIPES,
                detail=0.5,
            ),
            solid(
                BOX,
                (0, width * 0.36, height * 0.15),
                (length / 2, 0.1, height * 0.15),
                (70, 70, 74),
            ),
            solid(
                BOX,
                (0, -width * 0.36, height * 0.15),
                (length / 2, 0.1, height * 0.15),
                (70, 70, 74),
            ),
        ]
    )


def bin_(size: Sequence[float], colour: Colour) -> np.ndarray:
    """A rubbish bin on wheels."""
    length, width, height = size
    colour = np.asarray(colour, float)
    return stack(
        [
            solid(
                BOX,
                (0, 0, height * 0.46),
                (length / 2 * 0.9, width / 2 * 0.9, height * 0.46),
                colour,
            ),
            solid(
                BOX,
                (0, 0, height * 0.95),
                (length / 2, width / 2, height * 0.05),
                colour * 0.6,
            ),
        ]
    )
