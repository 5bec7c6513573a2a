"""What stands along a street: lamps, signs, stops, signals."""

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
    CYLINDER,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.solids import (
    DARK,
    GLASS,
    LAMP,
    solid,
    stack,
)


def lamp_post(rng: np.random.Generator) -> np.ndarray:
    """A street light that leans over +y."""
    height = rng.uniform(5.5, 7.5)
    grey = (96, 100, 104)
    return stack(
        [
            solid(
                CYLINDER, (0, 0, height / 2), (0.11, 0.11, height / 2), grey
            ),
            solid(BOX, (0, 0.8, height), (0.06, 0.85, 0.06), grey),
            solid(
                BOX,
                (0, 1.6, height - 0.06),
                (0.14, 0.35, 0.07),
                (228, 226, 210),
            ),
        ]
    )


def sign(rng: np.random.Generator) -> np.ndarray:
    """A traffic sign that faces -x."""
    colour = ((36, 84, 160), (190, 40, 36), (230, 190, 40))[rng.integers(3)]
    return stack(
        [
            solid(CYLINDER, (0, 0, 1.3), (0.06, 0.06, 1.3), (120, 122, 124)),
            solid(BOX, (-0.08, 0, 2.4), (0.03, 0.34, 0.34), colour),
        ]
    )


def bus_stop(rng: np.random.Generator) -> np.ndarray:
    """A shelter, open towards +y."""
    tint = np.array([70, 80, 92]) * rng.uniform(0.8, 1.3)
    return stack(
        [
            solid(BOX, (0, -0.7, 1.2), (1.9, 0.06, 1.2), tint, GLASS),
            solid(BOX, (0, 0, 2.45), (2.0, 0.85, 0.07), tint * 0.7),
            solid(BOX, (-1.9, 0, 1.2), (0.06, 0.7, 1.2), tint, GLASS),
            solid(BOX, (0.2, -0.4, 0.45), (1.2, 0.2, 0.08), (130, 100, 70)),
        ]
    )


SIGNAL_COLOURS = {
    'red': ((255, 40, 28), (52, 44, 18), (16, 44, 22)),
    'yellow': ((66, 18, 16), (255, 196, 40), (16, 44, 22)),
    'green': ((66, 18, 16), (52, 44, 18), (40, 255, 110)),
}


def traffic_light(reach: float) -> np.ndarray:
    """A signal that faces -x, with an arm of ``reach`` metres over +y."""
    grey = (60, 64, 66)
    rows = [
        solid(CYLINDER, (0, 0, 2.9), (0.12, 0.12, 2.9), grey),
        solid(BOX, (0, reach / 2, 5.6), (0.07, reach / 2, 0.07), grey),
    ]
    for y, z in ((0.0, 2.9), (reach * 0.55, 5.0), (reach, 5.0)):
        rows.append(solid(BOX, (-0.16, y, z), (0.1, 0.26, 0.72), DARK))
    return stack(rows)


def signal_lamps(reach: float, state: str) -> np.ndarray:
    """The lamps of :func:`traffic_light`, lit as ``state`` says."""
    rows = []
    for y, z in ((0.0, 2.9), (reach * 0.55, 5.0), (reach, 5.0)):
        for step, colour in enumerate(SIGNAL_COLOURS[state]):
            rows.append(
                solid(
                    BOX,
                    (-0.28, y, z + 0.46 - 0.46 * step),
                    (0.03, 0.19, 0.19),
                    colour,
                    LAMP,
                )
            )
    return stack(rows)
