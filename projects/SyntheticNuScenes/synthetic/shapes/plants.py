"""Trees, conifers, hedges and bushes."""

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
    CONE,
    CYLINDER,
    ELLIPSOID,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.solids import (
    BARK,
    FOLIAGE,
    VEGETATION,
    solid,
    stack,
)


def tree(rng: np.random.Generator) -> np.ndarray:
    """A trunk and a solid canopy of three overlapping ellipsoids."""
    height = rng.uniform(4.2, 8.0)
    radius = rng.uniform(1.3, 2.4)
    green = np.array([62, 104, 42]) * rng.uniform(0.75, 1.25)
    green[0] *= rng.uniform(0.8, 1.5)
    clear = rng.uniform(1.8, 2.8)
    thick = 0.12 + 0.03 * height / 2
    rows = [
        solid(
            CYLINDER,
            (0, 0, (clear + 0.8) / 2),
            (thick, thick, (clear + 0.8) / 2),
            (92, 72, 54),
            BARK,
            VEGETATION,
        )
    ]
    crown = (height - clear) / 2
    rows.append(
        solid(
            ELLIPSOID,
            (0, 0, clear + crown),
            (radius, radius, crown),
            green,
            FOLIAGE,
            VEGETATION,
        )
    )
    for angle in rng.uniform(0, 2 * np.pi, 3):
        reach = radius * rng.uniform(0.45, 0.7)
        size = radius * rng.uniform(0.55, 0.75)
        rows.append(
            solid(
                ELLIPSOID,
                (
                    reach * np.cos(angle),
                    reach * np.sin(angle),
                    clear + crown * rng.uniform(0.7, 1.25),
                ),
                (size, size, size * 0.85),
                green * rng.uniform(0.85, 1.15),
                FOLIAGE,
                VEGETATION,
            )
        )
    return stack(rows)


def conifer(rng: np.random.Generator) -> np.ndarray:
    """A trunk with two cones."""
    height, radius = rng.uniform(5.0, 9.0), rng.uniform(1.2, 1.9)
    green = np.array([38, 78, 48]) * rng.uniform(0.8, 1.2)
    low = rng.uniform(0.7, 1.3)
    body = height - low
    return stack(
        [
            solid(
                CYLINDER,
                (0, 0, low / 2 + 0.2),
                (0.18, 0.18, low / 2 + 0.2),
                (84, 66, 50),
                BARK,
                VEGETATION,
            ),
            solid(
                CONE,
                (0, 0, low + body * 0.35),
                (radius, radius, body * 0.35),
                green,
                FOLIAGE,
                VEGETATION,
            ),
            solid(
                CONE,
                (0, 0, low + body * 0.65),
                (radius * 0.72, radius * 0.72, body * 0.35),
                green * 1.08,
                FOLIAGE,
                VEGETATION,
            ),
        ]
    )


def hedge(length: float, rng: np.random.Generator) -> np.ndarray:
    """A clipped hedge along x."""
    height = rng.uniform(0.4, 0.8)
    green = np.array([58, 92, 40]) * rng.uniform(0.8, 1.2)
    return stack(
        [
            solid(
                BOX,
                (0, 0, height),
                (length / 2, 0.45, height),
                green,
                FOLIAGE,
                VEGETATION,
            )
        ]
    )


def bush(rng: np.random.Generator) -> np.ndarray:
    """A round shrub."""
    radius = rng.uniform(0.5, 1.1)
    green = np.array([64, 98, 46]) * rng.uniform(0.75, 1.25)
    return stack(
        [
            solid(
                ELLIPSOID,
                (0, 0, radius * 0.7),
                (radius, radius, radius * 0.8),
                green,
                FOLIAGE,
                VEGETATION,
            )
        ]
    )
