"""Build things out of solids: trees, houses, cars, people, street furniture.

A shape is a list of solids in its own frame: x forward, y left, z up from
the ground, origin below the centre. :func:`place` moves it into the world.
"""

from collections.abc import Sequence

import numpy as np

from mmocc.structures.occ3d import OCC3D_CLASSES
from mmocc.synthetic.raycast import (
    BOX,
    CONE,
    COS,
    CYLINDER,
    DETAIL,
    ELLIPSOID,
    INSTANCE,
    LABEL,
    NUM_COLUMNS,
    SIN,
    STATIC,
    X,
    Y,
)

# How a surface is shaded.
PLAIN, FACADE, FOLIAGE, LAMP, GLASS, STRIPES, BARK, BRICK, PANEL = range(9)

_LABELS = {name: i for i, name in enumerate(OCC3D_CLASSES)}
MANMADE = _LABELS['manmade']
VEGETATION = _LABELS['vegetation']
OTHERS = _LABELS['others']

DARK = (28, 30, 34)
TYRE = (22, 22, 24)
CHROME = (150, 152, 156)
_SKIN = ((236, 200, 170), (196, 150, 115), (120, 82, 58), (224, 178, 140))

Colour = Sequence[float]


def solid(
    kind: int,
    centre: Sequence[float],
    half: Sequence[float],
    colour: Colour,
    material: int = PLAIN,
    label: int = MANMADE,
    yaw: float = 0.0,
    detail: float = 0.0,
) -> np.ndarray:
    """One row for :mod:`mmocc.synthetic.raycast`, (16,) float32."""
    row = np.zeros(NUM_COLUMNS, np.float32)
    row[1:4], row[4:7] = centre, half
    row[0], row[COS], row[SIN] = kind, np.cos(yaw), np.sin(yaw)
    row[LABEL], row[10], row[11:14] = label, material, colour
    row[INSTANCE], row[DETAIL] = STATIC, detail
    return row


def place(
    shape: np.ndarray,
    x: float,
    y: float,
    yaw: float,
    instance: int = STATIC,
    label: int | None = None,
) -> np.ndarray:
    """Move a shape (N, 16) to a pose, and give it an owner and a class."""
    out = shape.copy()
    cos, sin = np.cos(yaw), np.sin(yaw)
    out[:, X] = x + cos * shape[:, X] - sin * shape[:, Y]
    out[:, Y] = y + sin * shape[:, X] + cos * shape[:, Y]
    out[:, COS] = cos * shape[:, COS] - sin * shape[:, SIN]
    out[:, SIN] = sin * shape[:, COS] + cos * shape[:, SIN]
    out[:, INSTANCE] = instance
    if label is not None:
        out[:, LABEL] = label
    return out


def _stack(rows: list[np.ndarray]) -> np.ndarray:
    return np.stack(rows).astype(np.float32)


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
    return _stack(rows)


def conifer(rng: np.random.Generator) -> np.ndarray:
    """A trunk with two cones."""
    height, radius = rng.uniform(5.0, 9.0), rng.uniform(1.2, 1.9)
    green = np.array([38, 78, 48]) * rng.uniform(0.8, 1.2)
    low = rng.uniform(0.7, 1.3)
    body = height - low
    return _stack(
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
    return _stack(
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
    return _stack(
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
    return _stack(rows)


def wall(length: float, rng: np.random.Generator) -> np.ndarray:
    """A low garden wall along x."""
    height = rng.uniform(0.45, 0.9)
    return _stack(
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


def lamp_post(rng: np.random.Generator) -> np.ndarray:
    """A street light that leans over +y."""
    height = rng.uniform(5.5, 7.5)
    grey = (96, 100, 104)
    return _stack(
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
    return _stack(
        [
            solid(CYLINDER, (0, 0, 1.3), (0.06, 0.06, 1.3), (120, 122, 124)),
            solid(BOX, (-0.08, 0, 2.4), (0.03, 0.34, 0.34), colour),
        ]
    )


def bus_stop(rng: np.random.Generator) -> np.ndarray:
    """A shelter, open towards +y."""
    tint = np.array([70, 80, 92]) * rng.uniform(0.8, 1.3)
    return _stack(
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
    return _stack(rows)


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
    return _stack(rows)


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
    return _stack(rows)


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
    return _stack(rows)


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
    return _stack(rows)


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
    return _stack(rows)


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
    return _stack(rows)


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
    return _stack(rows)


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
    return _stack(rows)


def worker(
    size: Sequence[float], rng: np.random.Generator, stride: float
) -> np.ndarray:
    """A construction worker: orange vest, yellow helmet."""
    rows = person(size, rng, stride)
    rows[2:5, 11:14] = (244, 122, 26)
    rows[6, 11:14] = (248, 206, 40)
    return rows


def cone(size: Sequence[float]) -> np.ndarray:
    """A traffic cone with a white ring."""
    _, width, height = size
    return _stack(
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
    return _stack(
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
    return _stack(
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
