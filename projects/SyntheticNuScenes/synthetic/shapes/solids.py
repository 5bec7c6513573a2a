"""What every shape is made of: solids, and how they get their place."""

from collections.abc import Sequence

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    COS,
    DETAIL,
    INSTANCE,
    LABEL,
    NUM_COLUMNS,
    SIN,
    STATIC,
    X,
    Y,
)
from mmocc.structures.occ3d import OCC3D_CLASSES

# How a surface is shaded.
PLAIN, FACADE, FOLIAGE, LAMP, GLASS, STRIPES, BARK, BRICK, PANEL = range(9)

_LABELS = {name: i for i, name in enumerate(OCC3D_CLASSES)}
MANMADE = _LABELS['manmade']
VEGETATION = _LABELS['vegetation']
OTHERS = _LABELS['others']

DARK = (28, 30, 34)
TYRE = (22, 22, 24)
CHROME = (150, 152, 156)

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
    """One row for ``raycast``, (16,) float32."""
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


def stack(rows: list[np.ndarray]) -> np.ndarray:
    """A shape (N, 16) of solids."""
    return np.stack(rows).astype(np.float32)
