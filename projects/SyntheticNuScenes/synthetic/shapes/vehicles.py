"""Cars, lorries, buses, trailers and diggers."""

from collections.abc import Sequence

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
    ELLIPSOID,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.solids import (
    DARK,
    GLASS,
    LAMP,
    PANEL,
    TYRE,
    Colour,
    solid,
    stack,
)


def _wheels(
    axles: Sequence[float], track: float, radius: float
) -> list[np.ndarray]:
    rows = []
    for x in axles:
        for side in (-1, 1):
            rows.append(
                solid(
                    ELLIPSOID,
                    (x, side * track, radius),
                    (radius, 0.16, radius),
                    TYRE,
                )
            )
    return rows


def _lights(
    front: float, rear: float, y: float, z: float, braking: bool
) -> list[np.ndarray]:
    red = (255, 42, 30) if braking else (122, 20, 20)
    rows = []
    for side in (-1, 1):
        rows.append(
            solid(
                BOX,
                (front, side * y, z),
                (0.04, 0.18, 0.1),
                (250, 248, 226),
                LAMP,
            )
        )
        rows.append(
            solid(
                BOX, (rear, side * y, z + 0.08), (0.04, 0.2, 0.12), red, LAMP
            )
        )
    if braking:
        rows.append(
            solid(BOX, (rear, 0, z + 0.28), (0.04, 0.4, 0.05), red, LAMP)
        )
    return rows


def car(
    size: Sequence[float], colour: Colour, braking: bool, style: int = 0
) -> np.ndarray:
    """A car of ``size`` (length, width, height): 0 saloon, 1 van, 2 hatch."""
    length, width, height = size
    half, wide = length / 2, width / 2 - 0.02
    colour = np.asarray(colour, float)
    waist = 0.56 * height
    rows = [
        solid(
            BOX,
            (0, 0, (0.26 + waist) / 2),
            (half - 0.05, wide, (waist - 0.26) / 2),
            colour,
        ),
        solid(
            BOX, (0, 0, 0.3), (half - 0.02, wide - 0.04, 0.1), colour * 0.35
        ),
    ]
    low, high = {0: (-0.30, 0.20), 1: (-0.47, 0.30), 2: (-0.46, 0.18)}[style]
    middle, span = (low + high) / 2 * length, (high - low) / 2 * length
    cabin = height - waist
    rows.append(
        solid(
            BOX,
            (middle, 0, waist + cabin * 0.45),
            (span, wide - 0.1, cabin * 0.45),
            (44, 54, 64),
            GLASS,
        )
    )
    rows.append(
        solid(
            BOX,
            (middle - 0.05, 0, height - 0.06),
            (span * 0.86, wide - 0.14, 0.06),
            colour * 0.95,
        )
    )
    for share in (-0.96, -0.1, 0.97):
        rows.append(
            solid(
                BOX,
                (middle + share * span * 0.97, 0, waist + cabin * 0.42),
                (0.05, wide - 0.085, cabin * 0.44),
                colour * 0.85,
            )
        )
    rows += _wheels((-0.3 * length, 0.31 * length), wide - 0.1, 0.33)
    rows += _lights(half - 0.03, -half + 0.03, wide - 0.28, 0.68, braking)
    rows.append(
        solid(
            BOX, (-half + 0.03, 0, 0.52), (0.03, 0.26, 0.07), (225, 225, 215)
        )
    )
    return stack(rows)


def truck(
    size: Sequence[float], colour: Colour, braking: bool, style: int = 0
) -> np.ndarray:
    """A lorry: cab and box, or a flat bed for odd styles."""
    length, width, height = size
    half, wide = length / 2, width / 2
    colour = np.asarray(colour, float)
    cab = min(2.2, 0.3 * length)
    box = length - cab - 0.2
    tone = np.array([222, 222, 218]) if style % 3 else colour * 0.8
    cab_high = min(2.6, height * 0.85)
    rows = [
        solid(
            BOX,
            (half - cab / 2, 0, (0.5 + cab_high) / 2),
            (cab / 2, wide - 0.05, (cab_high - 0.5) / 2),
            colour,
        ),
        solid(
            BOX,
            (half - 0.02, 0, cab_high * 0.74),
            (0.05, wide - 0.15, cab_high * 0.16),
            (44, 54, 64),
            GLASS,
        ),
        solid(
            BOX,
            (half - cab * 0.4, 0, cab_high * 0.74),
            (cab * 0.3, wide - 0.02, cab_high * 0.14),
            (44, 54, 64),
            GLASS,
        ),
        solid(
            BOX,
            (-half + box / 2, 0, (0.9 + height) / 2),
            (box / 2, wide, (height - 0.9) / 2),
            tone,
            PANEL,
            detail=1.2,
        ),
        solid(BOX, (0, 0, 0.72), (half - 0.1, wide - 0.3, 0.2), DARK),
    ]
    rows += _wheels((-0.32 * length, 0.36 * length), wide - 0.2, 0.48)
    rows += _lights(half, -half, wide - 0.3, 0.9, braking)
    return stack(rows)


def bus(size: Sequence[float], colour: Colour, braking: bool) -> np.ndarray:
    """A city bus with a window band."""
    length, width, height = size
    half, wide = length / 2, width / 2 - 0.03
    rows = [
        solid(
            BOX,
            (0, 0, (0.35 + height) / 2),
            (half - 0.04, wide, (height - 0.35) / 2),
            colour,
        ),
        solid(
            BOX,
            (-0.1, 0, height * 0.62),
            (half - 0.5, wide + 0.02, height * 0.16),
            (40, 48, 56),
            GLASS,
        ),
        solid(
            BOX,
            (half - 0.05, 0, height * 0.58),
            (0.06, wide - 0.1, height * 0.24),
            (40, 48, 56),
            GLASS,
        ),
        solid(
            BOX,
            (half - 0.04, 0, height * 0.92),
            (0.06, wide * 0.6, 0.14),
            (255, 190, 60),
            LAMP,
        ),
        solid(
            BOX, (0, 0, 0.5), (half - 0.02, wide + 0.01, 0.14), (50, 52, 56)
        ),
    ]
    rows += _wheels((-0.28 * length, 0.33 * length), wide - 0.1, 0.48)
    rows += _lights(half, -half, wide - 0.3, 0.8, braking)
    return stack(rows)


def trailer(size: Sequence[float], colour: Colour) -> np.ndarray:
    """A box trailer on legs."""
    length, width, height = size
    half, wide = length / 2, width / 2
    rows = [
        solid(
            BOX,
            (0, 0, (1.0 + height) / 2),
            (half, wide, (height - 1.0) / 2),
            colour,
            PANEL,
            detail=1.6,
        ),
        solid(BOX, (0.3 * length, 0, 0.5), (0.1, 0.5, 0.5), DARK),
    ]
    rows += _wheels((-0.36 * length, -0.24 * length), wide - 0.2, 0.48)
    return stack(rows)


def excavator(size: Sequence[float]) -> np.ndarray:
    """A yellow digger: tracks, body, cab, arm forward."""
    length, width, height = size
    half, wide = length / 2, width / 2
    yellow = (224, 168, 32)
    rows = [
        solid(
            BOX,
            (-0.12 * length, side * (wide - 0.3), 0.4),
            (0.34 * length, 0.3, 0.4),
            DARK,
        )
        for side in (-1, 1)
    ]
    rows += [
        solid(
            BOX, (-0.2 * length, 0, 1.25), (0.28 * length, wide, 0.45), yellow
        ),
        solid(
            BOX,
            (-0.05 * length, wide * 0.45, (1.7 + height) / 2),
            (0.12 * length, wide * 0.5, (height - 1.7) / 2),
            (52, 60, 66),
            GLASS,
        ),
        solid(
            BOX, (0.2 * length, -0.3, 2.0), (0.2 * length, 0.16, 0.22), yellow
        ),
        solid(BOX, (half - 0.5, -0.3, 1.2), (0.18, 0.16, 0.9), (206, 150, 26)),
        solid(BOX, (half - 0.35, -0.3, 0.45), (0.32, 0.5, 0.35), (70, 66, 60)),
    ]
    return stack(rows)
