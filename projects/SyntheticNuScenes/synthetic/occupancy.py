"""Occ3D labels of a key frame, with both visibility masks.

``mask_lidar`` marks voxels that a LiDAR ray meets or crosses, accumulated
over neighbouring poses; ``mask_camera`` those of them that a camera sees
(Tian et al., Occ3D, NeurIPS 2023, Sec. 3.3).
"""

from collections.abc import Sequence

import numba
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    GROUND_LABEL,
    RESOLUTION,
    Ground,
)
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
    CONE,
    COS,
    CYLINDER,
    ELLIPSOID,
    HX,
    HY,
    HZ,
    KIND,
    LABEL,
    SIN,
    X,
    Y,
    Z,
)
from mmocc.structures.occ3d import FREE, OCC3D_CLASSES
from mmocc.structures.occ_grid import OccGrid

GRID = OccGrid()
_VOXEL = float(GRID.voxel_size[0])
_MINIMUM = tuple(float(v) for v in GRID.minimum)
_SHAPE = GRID.shape
# A solid must reach this deep into a voxel to occupy it.
_BITE = 0.03
_SLACK = 0.45  # metres a voxel's centre may lie behind the surface it shows
_FIRST_STUFF = OCC3D_CLASSES.index('driveable_surface')


@numba.njit(cache=True)
def _inside(solid, x, y, z, grow):
    """True if a point is in a solid that is ``grow`` metres larger."""
    px, py, pz = x - solid[X], y - solid[Y], z - solid[Z]
    cos, sin = solid[COS], solid[SIN]
    lx = abs(cos * px + sin * py)
    ly = abs(cos * py - sin * px)
    hx, hy, hz = solid[HX] + grow, solid[HY] + grow, solid[HZ] + grow
    kind = solid[KIND]
    if abs(pz) > hz:
        return False
    if kind == ELLIPSOID:
        return (lx / hx) ** 2 + (ly / hy) ** 2 + (pz / hz) ** 2 <= 1.0
    if kind == CYLINDER:
        return (lx / hx) ** 2 + (ly / hy) ** 2 <= 1.0
    if kind == CONE:
        radius = max(0.5 * (1.0 - pz / hz), 0.0)
        return (lx / hx) ** 2 + (ly / hy) ** 2 <= radius * radius
    return lx <= hx and ly <= hy


@numba.njit(cache=True)
def _box_overlaps(solid, x, y, half):
    """True if an upright box meets the square of ``half`` around x, y."""
    px, py = x - solid[X], y - solid[Y]
    cos, sin = solid[COS], solid[SIN]
    lx, ly = abs(cos * px + sin * py), abs(cos * py - sin * px)
    spread = half * (abs(cos) + abs(sin))
    return (
        lx <= solid[HX] + spread - _BITE and ly <= solid[HY] + spread - _BITE
    )


@numba.njit(cache=True)
def _stamp(solids, rank, labels, ranks):
    """Label every voxel that a solid (in the ego frame) reaches into."""
    nx, ny, nz = labels.shape
    half = 0.5 * _VOXEL
    for p in range(len(solids)):
        solid = solids[p]
        cos, sin = abs(solid[COS]), abs(solid[SIN])
        ex = cos * solid[HX] + sin * solid[HY] - _BITE
        ey = sin * solid[HX] + cos * solid[HY] - _BITE
        ez = solid[HZ] - _BITE
        i0 = max(int(np.floor((solid[X] - ex - _MINIMUM[0]) / _VOXEL)), 0)
        i1 = min(int(np.floor((solid[X] + ex - _MINIMUM[0]) / _VOXEL)), nx - 1)
        j0 = max(int(np.floor((solid[Y] - ey - _MINIMUM[1]) / _VOXEL)), 0)
        j1 = min(int(np.floor((solid[Y] + ey - _MINIMUM[1]) / _VOXEL)), ny - 1)
        k0 = max(int(np.floor((solid[Z] - ez - _MINIMUM[2]) / _VOXEL)), 0)
        k1 = min(int(np.floor((solid[Z] + ez - _MINIMUM[2]) / _VOXEL)), nz - 1)
        box = solid[KIND] == BOX
        label = int(solid[LABEL])
        for i in range(i0, i1 + 1):
            x = _MINIMUM[0] + (i + 0.5) * _VOXEL
            for j in range(j0, j1 + 1):
                y = _MINIMUM[1] + (j + 0.5) * _VOXEL
                if box and not _box_overlaps(solid, x, y, half):
                    continue
                for k in range(k0, k1 + 1):
                    if ranks[i, j, k] > rank[p]:
                        continue
                    z = _MINIMUM[2] + (k + 0.5) * _VOXEL
                    if not box and not _touches(solid, x, y, z, half):
                        continue
                    labels[i, j, k] = label
                    ranks[i, j, k] = rank[p]


@numba.njit(cache=True)
def _touches(solid, x, y, z, half):
    """True if a round solid reaches into the voxel: 4 x 4 x 4 samples."""
    # The solid's point nearest to its axis may be the only one inside.
    cx = min(max(solid[X], x - half), x + half)
    cy = min(max(solid[Y], y - half), y + half)
    cz = min(max(solid[Z], z - half), z + half)
    if _inside(solid, cx, cy, cz, -0.3 * _BITE):
        return True
    step = 2 * half / 4
    for a in range(4):
        for b in range(4):
            for c in range(4):
                if _inside(
                    solid,
                    x - half + (a + 0.5) * step,
                    y - half + (b + 0.5) * step,
                    z - half + (c + 0.5) * step,
                    0.0,
                ):
                    return True
    return False


@numba.njit(cache=True)
def _lay_ground(codes, table, x0, y0, px, py, cos, sin, labels):
    """Label the ground layer by the commonest class of 4 x 4 samples."""
    nx, ny, _ = labels.shape
    layer = int(np.floor((0.0 - _MINIMUM[2]) / _VOXEL))
    votes = np.zeros(FREE + 1, np.int64)
    for i in range(nx):
        for j in range(ny):
            for label in range(len(votes)):
                votes[label] = 0
            for a in range(4):
                for b in range(4):
                    x = _MINIMUM[0] + (i + (a + 0.5) / 4) * _VOXEL
                    y = _MINIMUM[1] + (j + (b + 0.5) / 4) * _VOXEL
                    gx, gy = px + cos * x - sin * y, py + sin * x + cos * y
                    u = int(np.floor((gx - x0) / RESOLUTION))
                    v = int(np.floor((gy - y0) / RESOLUTION))
                    code = 0
                    if 0 <= u < codes.shape[1] and 0 <= v < codes.shape[0]:
                        code = codes[v, u]
                    votes[table[code]] += 1
            best = 0
            for label in range(len(votes)):
                if votes[label] > votes[best]:
                    best = label
            labels[i, j, layer] = best


def to_ego(solids: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Solids near the ego car, in its frame; ``pose`` is x, y, yaw."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    out = solids.astype(np.float64)
    px, py = out[:, X] - pose[0], out[:, Y] - pose[1]
    out[:, X], out[:, Y] = cos * px + sin * py, cos * py - sin * px
    turn_c, turn_s = out[:, COS].copy(), out[:, SIN].copy()
    out[:, COS] = cos * turn_c + sin * turn_s
    out[:, SIN] = cos * turn_s - sin * turn_c
    reach = np.hypot(out[:, HX], out[:, HY])
    edge = -_MINIMUM[0]
    near = (np.abs(out[:, X]) < edge + reach) & (
        np.abs(out[:, Y]) < edge + reach
    )
    return out[near]


def semantics(
    solids: np.ndarray, ground: Ground, pose: np.ndarray
) -> np.ndarray:
    """Full labels of a frame, before any mask.

    Args:
        solids (np.ndarray): (P, 16) global; later rows win over earlier
            ones of the same rank, things win over stuff.
        ground (Ground): Surface raster.
        pose (np.ndarray): Ego x, y, yaw.

    Returns:
        np.ndarray: (200, 200, 16) uint8.
    """
    labels = np.full(_SHAPE, FREE, np.uint8)
    _lay_ground(
        ground.codes,
        GROUND_LABEL,
        float(ground.origin[0]),
        float(ground.origin[1]),
        float(pose[0]),
        float(pose[1]),
        float(np.cos(pose[2])),
        float(np.sin(pose[2])),
        labels,
    )
    local = to_ego(solids, pose)
    stuff = (local[:, LABEL] >= _FIRST_STUFF).astype(np.uint8)
    rank = np.where(stuff, 1, 2).astype(np.uint8)
    _stamp(local, rank, labels, np.zeros(_SHAPE, np.uint8))
    return labels


@numba.njit(cache=True)
def _traverse(origin, ends, mask):
    """Mark the voxels from a point to each end point (Amanatides, 1987)."""
    nx, ny, nz = mask.shape
    shape = (nx, ny, nz)
    position = np.empty(3)
    cell = np.empty(3, np.int64)
    step = np.empty(3, np.int64)
    delta, following = np.empty(3), np.empty(3)
    for r in range(len(ends)):
        start, stop = 0.0, 1.0
        outside = False
        for a in range(3):
            low, high = 0.0, float(shape[a])
            d = ends[r, a] - origin[a]
            if abs(d) < 1e-12:
                if not low <= origin[a] < high:
                    outside = True
                continue
            t0, t1 = (low - origin[a]) / d, (high - origin[a]) / d
            start = max(start, min(t0, t1))
            stop = min(stop, max(t0, t1))
        if outside or start >= stop:
            continue
        for a in range(3):
            d = ends[r, a] - origin[a]
            position[a] = origin[a] + (start + 1e-9) * d
            cell[a] = min(max(int(np.floor(position[a])), 0), shape[a] - 1)
            if d > 0:
                step[a] = 1
                delta[a] = 1.0 / d
                following[a] = (cell[a] + 1 - origin[a]) / d
            elif d < 0:
                step[a] = -1
                delta[a] = -1.0 / d
                following[a] = (cell[a] - origin[a]) / d
            else:
                step[a] = 0
                delta[a], following[a] = np.inf, np.inf
        while True:
            mask[cell[0], cell[1], cell[2]] = 1
            axis = 0
            if following[1] < following[axis]:
                axis = 1
            if following[2] < following[axis]:
                axis = 2
            if following[axis] >= stop:
                break
            cell[axis] += step[axis]
            if cell[axis] < 0 or cell[axis] >= shape[axis]:
                break
            following[axis] += delta[axis]


def lidar_mask(
    surveys: Sequence[tuple[np.ndarray, np.ndarray]], pose: np.ndarray
) -> np.ndarray:
    """Voxels that rays cross or meet.

    Args:
        surveys (Sequence): Pairs of an origin (3,) and end points (N, 3) in
            global metres.
        pose (np.ndarray): Ego x, y, yaw of the frame.

    Returns:
        np.ndarray: (200, 200, 16) uint8.
    """
    mask = np.zeros(_SHAPE, np.uint8)
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    shift = np.array([pose[0], pose[1], 0.0])
    for origin, ends in surveys:
        cells = [
            ((points - shift) @ turn - GRID.minimum) / GRID.voxel_size
            for points in (origin[None], ends)
        ]
        _traverse(cells[0][0], cells[1], mask)
    return mask


@numba.njit(cache=True)
def _see(mask, seen, ego2cam, centre, fx, fy, cx, cy, ranges):
    nx, ny, nz = mask.shape
    height, width = ranges.shape
    for i in range(nx):
        x = _MINIMUM[0] + (i + 0.5) * _VOXEL
        for j in range(ny):
            y = _MINIMUM[1] + (j + 0.5) * _VOXEL
            for k in range(nz):
                if mask[i, j, k] == 0 or seen[i, j, k] == 1:
                    continue
                z = _MINIMUM[2] + (k + 0.5) * _VOXEL
                m = ego2cam
                depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
                if depth < 0.1:
                    continue
                a = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
                b = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
                u = fx * a / depth + cx
                v = fy * b / depth + cy
                if not (0.0 <= u < width and 0.0 <= v < height):
                    continue
                # The four pixels around it: on flat ground one pixel row
                # is further from the next than a voxel is long.
                reach = 0.0
                for q in range(4):
                    m_u = int(np.floor(u - 0.5)) + (q & 1)
                    m_v = int(np.floor(v - 0.5)) + (q >> 1)
                    m_u = min(max(m_u, 0), width - 1)
                    m_v = min(max(m_v, 0), height - 1)
                    reach = max(reach, ranges[m_v, m_u])
                away = np.sqrt(
                    (x - centre[0]) ** 2
                    + (y - centre[1]) ** 2
                    + (z - centre[2]) ** 2
                )
                if away <= reach + _SLACK:
                    seen[i, j, k] = 1


def camera_mask(
    mask: np.ndarray,
    views: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Voxels of a LiDAR mask that a camera sees.

    Args:
        mask (np.ndarray): (200, 200, 16) uint8.
        views (Sequence): cam2ego (4, 4), cam2img (3, 3) and range image
            (H, W) of each camera.

    Returns:
        np.ndarray: (200, 200, 16) uint8, a subset of ``mask``.
    """
    seen = np.zeros_like(mask)
    for cam2ego, cam2img, ranges in views:
        _see(
            mask,
            seen,
            np.linalg.inv(cam2ego),
            np.ascontiguousarray(cam2ego[:3, 3]),
            cam2img[0, 0],
            cam2img[1, 1],
            cam2img[0, 2],
            cam2img[1, 2],
            ranges,
        )
    return seen
