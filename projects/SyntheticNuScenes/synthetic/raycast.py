"""Cast rays into a world of simple solids; used by all sensors.

A world is the plane ``z = 0`` and a list of solids. A solid is one row of a
float32 array with the columns below; it stands upright and is turned about
the vertical axis only. Cameras, LiDAR and visibility tests all use
:func:`cast`, so that they cannot disagree.
"""

from typing import NamedTuple

import numba
import numpy as np

# Columns of a solid.
KIND, X, Y, Z, HX, HY, HZ, COS, SIN = range(9)
LABEL, MATERIAL, RED, GREEN, BLUE, INSTANCE, DETAIL = range(9, 16)
NUM_COLUMNS = 16

BOX, ELLIPSOID, CYLINDER, CONE = 0, 1, 2, 3

# What a ray met, where that is no solid.
GROUND, SKY = -1, -2
# Owner of solids that are no annotated object.
STATIC = -1

CELL = 4.0
_MIN_RANGE = 1e-3
# Keeps directions off the axes, where a slab test divides by zero.
_TINY = 1e-12


class Scene(NamedTuple):
    """Solids with a uniform grid of cells over the ground plane.

    Attributes:
        solids (np.ndarray): (P, 16) float32.
        starts (np.ndarray): (rows * columns + 1,) int32, row-major.
        items (np.ndarray): Indices of the solids of each cell, int32.
        tops (np.ndarray): Height of the highest solid of each cell.
        columns, rows (int): Number of cells along x and y.
        x0, y0 (float): South-west corner in global metres.
        top (float): Height of the highest solid, metres.
    """

    solids: np.ndarray
    starts: np.ndarray
    items: np.ndarray
    tops: np.ndarray
    columns: int
    rows: int
    x0: float
    y0: float
    top: float


@numba.njit(cache=True)
def _reach(solids, p):
    """Half extents along the global x and y axes."""
    cos, sin = abs(solids[p, COS]), abs(solids[p, SIN])
    return (
        cos * solids[p, HX] + sin * solids[p, HY],
        sin * solids[p, HX] + cos * solids[p, HY],
    )


@numba.njit(cache=True)
def _cell_range(solids, p, columns, rows, x0, y0):
    ex, ey = _reach(solids, p)
    low_x = max(int(np.floor((solids[p, X] - ex - x0) / CELL)), 0)
    high_x = min(int(np.floor((solids[p, X] + ex - x0) / CELL)), columns - 1)
    low_y = max(int(np.floor((solids[p, Y] - ey - y0) / CELL)), 0)
    high_y = min(int(np.floor((solids[p, Y] + ey - y0) / CELL)), rows - 1)
    return low_x, high_x, low_y, high_y


@numba.njit(cache=True)
def _fill(solids, columns, rows, x0, y0):
    starts = np.zeros(columns * rows + 1, np.int32)
    for p in range(len(solids)):
        a, b, c, d = _cell_range(solids, p, columns, rows, x0, y0)
        for j in range(c, d + 1):
            for i in range(a, b + 1):
                starts[j * columns + i + 1] += 1
    for cell in range(columns * rows):
        starts[cell + 1] += starts[cell]
    cursor = np.empty(columns * rows, np.int32)
    for cell in range(columns * rows):
        cursor[cell] = starts[cell]
    items = np.empty(starts[-1], np.int32)
    tops = np.zeros(columns * rows, np.float32)
    for p in range(len(solids)):
        a, b, c, d = _cell_range(solids, p, columns, rows, x0, y0)
        for j in range(c, d + 1):
            for i in range(a, b + 1):
                cell = j * columns + i
                items[cursor[cell]] = p
                cursor[cell] += 1
                tops[cell] = max(tops[cell], solids[p, Z] + solids[p, HZ])
    return starts, items, tops


def build_scene(
    solids: np.ndarray, origin: tuple[float, float], extent: float
) -> Scene:
    """Sort solids into cells.

    Args:
        solids (np.ndarray): (P, 16) float32 rows as above.
        origin (tuple): South-west corner of the region, global metres.
        extent (float): Edge length of the square region, metres.
    """
    solids = np.ascontiguousarray(solids, np.float32)
    count = int(np.ceil(extent / CELL))
    x0, y0 = float(origin[0]), float(origin[1])
    starts, items, tops = _fill(solids, count, count, x0, y0)
    top = float((solids[:, Z] + solids[:, HZ]).max()) if len(solids) else 0.0
    return Scene(solids, starts, items, tops, count, count, x0, y0, top)


@numba.njit(cache=True)
def hit_local(kind, hx, hy, hz, lx, ly, lz, vx, vy, vz):
    """First hit of a ray given in the frame of a solid.

    Args:
        kind: Kind of solid.
        hx, hy, hz: Its half extents.
        lx, ly, lz: Origin of the ray.
        vx, vy, vz: Direction, of any length.

    Returns:
        float: Multiple of the direction, or inf.
    """
    if kind == BOX:
        a, b = (-hx - lx) / vx, (hx - lx) / vx
        near, far = min(a, b), max(a, b)
        a, b = (-hy - ly) / vy, (hy - ly) / vy
        near, far = max(near, min(a, b)), min(far, max(a, b))
        a, b = (-hz - lz) / vz, (hz - lz) / vz
        near, far = max(near, min(a, b)), min(far, max(a, b))
        return near if _MIN_RANGE < near <= far else np.inf
    lx, vx = lx / hx, vx / hx
    ly, vy = ly / hy, vy / hy
    lz, vz = lz / hz, vz / hz
    if kind == ELLIPSOID:
        a = vx * vx + vy * vy + vz * vz
        b = lx * vx + ly * vy + lz * vz
        c = lx * lx + ly * ly + lz * lz - 1.0
        root = b * b - a * c
        if root < 0.0:
            return np.inf
        t = (-b - np.sqrt(root)) / a
        return t if t > _MIN_RANGE else np.inf
    if kind == CYLINDER:
        a = vx * vx + vy * vy
        b = lx * vx + ly * vy
        c = lx * lx + ly * ly - 1.0
    else:  # cone: radius 1 at the bottom, 0 at the top
        slope = 0.5 * (1.0 - lz)
        a = vx * vx + vy * vy - 0.25 * vz * vz
        b = lx * vx + ly * vy + 0.5 * slope * vz
        c = lx * lx + ly * ly - slope * slope
    best = np.inf
    root = b * b - a * c
    if root >= 0.0 and abs(a) > 1e-12:
        t = (-b - np.sqrt(root)) / a
        if t > _MIN_RANGE and abs(lz + t * vz) <= 1.0:
            best = t
    if kind == CYLINDER and abs(vz) > 1e-9:
        cap = -1.0 if vz > 0.0 else 1.0
        t = (cap - lz) / vz
        if _MIN_RANGE < t < best:
            ex, ey = lx + t * vx, ly + t * vy
            if ex * ex + ey * ey <= 1.0:
                best = t
    return best


@numba.njit(cache=True)
def hit_solid(solids, p, ox, oy, oz, dx, dy, dz):
    """Multiple of a direction at which a ray meets solid ``p``, or inf."""
    px, py, pz = ox - solids[p, X], oy - solids[p, Y], oz - solids[p, Z]
    cos, sin = solids[p, COS], solids[p, SIN]
    return hit_local(
        solids[p, KIND], solids[p, HX], solids[p, HY], solids[p, HZ],
        cos * px + sin * py, cos * py - sin * px, pz,
        cos * dx + sin * dy + _TINY, cos * dy - sin * dx + _TINY, dz + _TINY,
    )  # fmt: skip


@numba.njit(cache=True)
def cast(
    solids, starts, items, tops, columns, rows, x0, y0, top,
    ox, oy, oz, dx, dy, dz, limit,
):  # fmt: skip
    """Find the first solid or ground that a ray hits.

    Args:
        solids, ..., top: The fields of :class:`Scene`, in order.
        ox, oy, oz: Origin in global metres.
        dx, dy, dz: Unit direction.
        limit: Range in metres.

    Returns:
        tuple: Distance, and the index of the solid, ``GROUND`` or ``SKY``.
    """
    best, found = limit, SKY
    if dz < -1e-9:
        t = -oz / dz
        if t < best:
            best, found = t, GROUND
    i = int(np.floor((ox - x0) / CELL))
    j = int(np.floor((oy - y0) / CELL))
    step_i, step_j = 1 if dx > 0 else -1, 1 if dy > 0 else -1
    delta_i = CELL / abs(dx) if abs(dx) > 1e-12 else np.inf
    delta_j = CELL / abs(dy) if abs(dy) > 1e-12 else np.inf
    edge_i = x0 + (i + (1 if dx > 0 else 0)) * CELL
    edge_j = y0 + (j + (1 if dy > 0 else 0)) * CELL
    next_i = (edge_i - ox) / dx if abs(dx) > 1e-12 else np.inf
    next_j = (edge_j - oy) / dy if abs(dy) > 1e-12 else np.inf
    entry = 0.0
    while 0 <= i < columns and 0 <= j < rows:
        if entry > best or (dz > 0.0 and oz + entry * dz > top):
            break
        cell = j * columns + i
        lowest = oz + (entry if dz > 0.0 else min(next_i, next_j)) * dz
        if lowest < tops[cell]:
            for k in range(starts[cell], starts[cell + 1]):
                p = items[k]
                t = hit_solid(solids, p, ox, oy, oz, dx, dy, dz)
                if t < best:
                    best, found = t, p
        if next_i < next_j:
            entry = next_i
            i += step_i
            next_i += delta_i
        else:
            entry = next_j
            j += step_j
            next_j += delta_j
    return best, found


@numba.njit(cache=True)
def _cast_many(
    solids,
    starts,
    items,
    tops,
    columns,
    rows,
    x0,
    y0,
    top,
    origin,
    rays,
    limit,
):
    count = len(rays)
    distance = np.empty(count, np.float32)
    found = np.empty(count, np.int32)
    for r in range(count):
        t, p = cast(
            solids, starts, items, tops, columns, rows, x0, y0, top,
            origin[0], origin[1], origin[2],
            rays[r, 0], rays[r, 1], rays[r, 2], limit,
        )  # fmt: skip
        distance[r] = t
        found[r] = p
    return distance, found


def cast_many(
    scene: Scene, origin: np.ndarray, rays: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cast many rays from one point.

    Args:
        scene (Scene): The world.
        origin (np.ndarray): (3,) global metres.
        rays (np.ndarray): (N, 3) unit directions.
        limit (float): Range in metres.

    Returns:
        tuple: (N,) float32 distances and (N,) int32 indices of solids, or
        ``GROUND``, or ``SKY`` (then the distance is ``limit``).
    """
    return _cast_many(
        *scene, np.asarray(origin, float), np.asarray(rays, float), limit
    )
