"""People on foot and on two wheels."""

from collections.abc import Sequence

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
    ELLIPSOID,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.solids import (
    CHROME,
    DARK,
    TYRE,
    Colour,
    solid,
    stack,
)

_SKIN = ((236, 200, 170), (196, 150, 115), (120, 82, 58), (224, 178, 140))


def cycle(
    size: Sequence[float],
    colour: Colour,
    rider: bool,
    motor: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """A bicycle or a motorcycle, with or without its rider."""
    length, _, height = size
    half = length / 2
    radius = 0.3 if motor else 0.34
    thick = 0.12 if motor else 0.05
    rows = [
        solid(
            ELLIPSOID,
            (x, 0, radius),
            (radius, thick, radius),
            TYRE,
        )
        for x in (half - radius, -half + radius)
    ]
    seat = 0.82
    body = 0.16 if motor else 0.05
    rows.append(
        solid(
            BOX,
            (-0.05, 0, 0.58),
            (half - 0.45, body, 0.2 if motor else 0.06),
            colour,
        )
    )
    rows.append(solid(BOX, (0.3 * length, 0, 0.98), (0.05, 0.3, 0.05), CHROME))
    rows.append(solid(BOX, (-0.15 * length, 0, seat), (0.22, 0.1, 0.06), DARK))
    if rider:
        cloth = rng.uniform(40, 210, 3)
        rows += [
            solid(
                ELLIPSOID,
                (-0.1, 0, seat + 0.36),
                (0.2, 0.24, 0.38),
                cloth,
            ),
            solid(BOX, (0.12, 0, seat - 0.2), (0.14, 0.2, 0.3), cloth * 0.5),
            solid(
                ELLIPSOID,
                (-0.02, 0, height - 0.16),
                (0.14, 0.13, 0.16),
                rng.uniform(30, 230, 3),
            ),
        ]
    return stack(rows)


def person(
    size: Sequence[float], rng: np.random.Generator, stride: float
) -> np.ndarray:
    """A pedestrian; ``stride`` in [-1, 1] swings the legs."""
    _, width, height = size
    shirt = rng.uniform(30, 225, 3)
    trousers = rng.uniform(20, 120, 3)
    skin = _SKIN[rng.integers(len(_SKIN))]
    hip = 0.5 * height
    swing = 0.17 * stride
    rows = [
        solid(
            BOX,
            (swing * side, side * 0.1, hip / 2),
            (0.1, 0.09, hip / 2),
            trousers,
        )
        for side in (-1, 1)
    ]
    rows.append(
        solid(
            ELLIPSOID,
            (0, 0, hip + 0.16 * height),
            (0.17, width / 2 * 0.82, 0.21 * height),
            shirt,
        )
    )
    for side in (-1, 1):
        rows.append(
            solid(
                BOX,
                (-swing * side * 0.8, side * (width / 2 - 0.07), hip + 0.12),
                (0.07, 0.06, 0.3),
                shirt * 0.85,
            )
        )
    rows.append(
        solid(
            ELLIPSOID,
            (0.02, 0, height - 0.14),
            (0.12, 0.11, 0.15),
            skin,
        )
    )
    rows.append(
        solid(
            ELLIPSOID,
            (-0.03, 0, height - 0.1),
            (0.12, 0.115, 0.11),
            rng.uniform(15, 90, 3),
        )
    )
    return stack(rows)


def worker(
    size: Sequence[float], rng: np.random.Generator, stride: float
) -> np.ndarray:
    """A construction worker: orange vest, yellow helmet."""
    rows = person(size, rng, stride)
    rows[2:5, 11:14] = (244, 122, 26)
    rows[6, 11:14] = (248, 206, 40)
    return rows
