"""Houses and walls."""

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.solids import (
    BRICK,
    FACADE,
    PANEL,
    solid,
    stack,
)

WALLS = (
    (186, 172, 150),
    (150, 92, 74),
    (206, 200, 190),
    (128, 130, 136),
    (172, 142, 108),
    (104, 84, 78),
    (198, 182, 128),
    (142, 158, 164),
)


def building(
    width: float, depth: float, height: float, rng: np.random.Generator
) -> np.ndarray:
    """A house of ``width`` along x, front at y = depth / 2."""
    wall = np.array(WALLS[rng.integers(len(WALLS))]) * rng.uniform(0.85, 1.1)
    bay = rng.uniform(2.2, 3.8)
    half = (width / 2, depth / 2)
    rows = [
        solid(
            BOX,
            (0, 0, height / 2),
            (*half, height / 2),
            wall,
            FACADE,
            detail=bay,
        ),
        solid(
            BOX,
            (0, 0, height + 0.25),
            (half[0] + 0.12, half[1] + 0.12, 0.25),
            wall * 0.7,
        ),
    ]
    if rng.random() < 0.5:
        rows.append(
            solid(
                BOX,
                (0, half[1] + 0.08, 1.7),
                (half[0] * 0.96, 0.12, 1.7),
                wall * rng.uniform(0.45, 0.8),
                PANEL,
                detail=bay,
            )
        )
    if rng.random() < 0.4:
        awning = rng.uniform(60, 210, 3)
        rows.append(
            solid(
                BOX,
                (rng.uniform(-0.3, 0.3) * width, half[1] + 0.55, 3.0),
                (width * 0.16, 0.6, 0.1),
                awning,
            )
        )
    if height > 9 and rng.random() < 0.6:
        rows.append(
            solid(
                BOX,
                (rng.uniform(-0.25, 0.25) * width, 0, height + 1.2),
                (1.8, 1.5, 1.2),
                (120, 118, 116),
            )
        )
    return stack(rows)


def wall(length: float, rng: np.random.Generator) -> np.ndarray:
    """A low garden wall along x."""
    height = rng.uniform(0.45, 0.9)
    return stack(
        [
            solid(
                BOX,
                (0, 0, height),
                (length / 2, 0.15, height),
                np.array([150, 128, 110]) * rng.uniform(0.7, 1.1),
                BRICK,
            )
        ]
    )
