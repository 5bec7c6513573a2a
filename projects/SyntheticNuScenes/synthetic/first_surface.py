"""The first surface in every pixel of a camera, by rasterised ray casting.

Gives what ``raycast.cast`` gives for the ray through
each pixel's centre, but faster: each solid is tested only in the rectangle
that its box covers.
"""

import numba
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    COS,
    GROUND,
    HX,
    HY,
    HZ,
    KIND,
    SIN,
    SKY,
    X,
    Y,
    Z,
    hit_local,
)

_NEAR = 0.05  # metres before the camera at which boxes are cut off
_TINY = 1e-12


@numba.njit(cache=True)
def _corners(solids, p, rotation, centre, out):
    """Corners (8, 3) of a solid's box in the camera frame."""
    cos, sin = solids[p, COS], solids[p, SIN]
    for c in range(8):
        lx = solids[p, HX] if c & 1 else -solids[p, HX]
        ly = solids[p, HY] if c & 2 else -solids[p, HY]
        lz = solids[p, HZ] if c & 4 else -solids[p, HZ]
        x = solids[p, X] + cos * lx - sin * ly - centre[0]
        y = solids[p, Y] + sin * lx + cos * ly - centre[1]
        z = solids[p, Z] + lz - centre[2]
        for a in range(3):
            out[c, a] = (
                rotation[0, a] * x + rotation[1, a] * y + rotation[2, a] * z
            )


@numba.njit(cache=True)
def _rectangle(corners, fx, fy, cx, cy):
    """Pixel range of a box, cut off at the near plane."""
    low_u, low_v, high_u, high_v = np.inf, np.inf, -np.inf, -np.inf
    for c in range(8):
        z = corners[c, 2]
        for bit in (0, 1, 2, 4):
            d = c ^ bit
            if bit == 0:
                if z < _NEAR:
                    continue
                x, y, depth = corners[c, 0], corners[c, 1], z
            else:
                other = corners[d, 2]
                if d < c or (z < _NEAR) == (other < _NEAR):
                    continue
                share = (_NEAR - z) / (other - z)
                x = corners[c, 0] + share * (corners[d, 0] - corners[c, 0])
                y = corners[c, 1] + share * (corners[d, 1] - corners[c, 1])
                depth = _NEAR
            u, v = fx * x / depth + cx, fy * y / depth + cy
            low_u, high_u = min(low_u, u), max(high_u, u)
            low_v, high_v = min(low_v, v), max(high_v, v)
    return low_u, low_v, high_u, high_v


@numba.njit(cache=True)
def _measure(solids, rotation, centre, fx, fy, cx, cy, far, nearest, boxes):
    """Fill depth (inf for unseen) and pixel range of each solid's box."""
    corners = np.empty((8, 3))
    for p in range(len(solids)):
        _corners(solids, p, rotation, centre, corners)
        low, high = np.inf, -np.inf
        for c in range(8):
            low, high = min(low, corners[c, 2]), max(high, corners[c, 2])
        if high < _NEAR or low > far:
            nearest[p] = np.inf
            continue
        nearest[p] = max(low, _NEAR)
        box = _rectangle(corners, fx, fy, cx, cy)
        for c in range(4):
            boxes[p, c] = box[c]


@numba.njit(cache=True)
def _lay_horizon(rotation, centre, fx, fy, cx, cy, far, depth, found):
    """Fill the image with ground and sky."""
    height, width = depth.shape
    for v in range(height):
        b = (v + 0.5 - cy) / fy
        for u in range(width):
            a = (u + 0.5 - cx) / fx
            dz = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2]
            depth[v, u], found[v, u] = far, SKY
            if dz < -1e-9 and -centre[2] / dz < far:
                depth[v, u], found[v, u] = -centre[2] / dz, GROUND


@numba.njit(cache=True)
def _rasterise(
    solids, order, nearest, boxes, rotation, centre, fx, fy, cx, cy,
    depth, found,
):  # fmt: skip
    """Draw the solids in ``order`` over the surfaces found so far."""
    height, width = depth.shape
    for p in order:
        u0 = int(max(np.floor(boxes[p, 0] - 0.5), 0.0))
        v0 = int(max(np.floor(boxes[p, 1] - 0.5), 0.0))
        u1 = int(min(np.ceil(boxes[p, 2] + 0.5), float(width)))
        v1 = int(min(np.ceil(boxes[p, 3] + 0.5), float(height)))
        if u0 >= u1 or v0 >= v1:
            continue
        cos, sin = solids[p, COS], solids[p, SIN]
        px, py = centre[0] - solids[p, X], centre[1] - solids[p, Y]
        lx, ly = cos * px + sin * py, cos * py - sin * px
        lz = centre[2] - solids[p, Z]
        # The direction in the solid's frame is linear in the pixel.
        gx = (cos * rotation[0, 0] + sin * rotation[1, 0]) / fx
        gy = (cos * rotation[1, 0] - sin * rotation[0, 0]) / fx
        gz = rotation[2, 0] / fx
        kind = solids[p, KIND]
        hx, hy, hz = solids[p, HX], solids[p, HY], solids[p, HZ]
        for v in range(v0, v1):
            b = (v + 0.5 - cy) / fy
            a = (0.5 - cx) / fx
            dx = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2]
            dy = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2]
            vx = cos * dx + sin * dy + _TINY
            vy = cos * dy - sin * dx + _TINY
            vz = (
                rotation[2, 0] * a
                + rotation[2, 1] * b
                + rotation[2, 2]
                + _TINY
            )
            for u in range(u0, u1):
                if depth[v, u] <= nearest[p]:
                    continue
                t = hit_local(
                    kind, hx, hy, hz, lx, ly, lz,
                    vx + u * gx, vy + u * gy, vz + u * gz,
                )  # fmt: skip
                if t < depth[v, u]:
                    depth[v, u], found[v, u] = t, p


def first_surfaces(
    solids: np.ndarray,
    cam2global: np.ndarray,
    cam2img: np.ndarray,
    size: tuple[int, int],
    far: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the first surface behind each pixel's centre.

    Args:
        solids (np.ndarray): (P, 16) solids.
        cam2global (np.ndarray): (4, 4) pose of the camera.
        cam2img (np.ndarray): (3, 3) intrinsics.
        size (tuple): Width and height in pixels.
        far (float): Depth in metres of the horizon.

    Returns:
        tuple: Depth along the optical axis (H, W) float32 metres, and the
        index of the solid, ``GROUND`` or ``SKY``, (H, W) int32.
    """
    width, height = size
    view = (
        np.ascontiguousarray(cam2global[:3, :3]),
        np.ascontiguousarray(cam2global[:3, 3]),
        cam2img[0, 0],
        cam2img[1, 1],
        cam2img[0, 2],
        cam2img[1, 2],
    )
    depth = np.empty((height, width), np.float32)
    found = np.empty((height, width), np.int32)
    nearest, boxes = np.empty(len(solids)), np.empty((len(solids), 4))
    _lay_horizon(*view, far, depth, found)
    _measure(solids, *view, far, nearest, boxes)
    order = np.argsort(nearest, kind='stable')
    order = order[: np.isfinite(nearest).sum()]
    _rasterise(solids, order, nearest, boxes, *view, depth, found)
    return depth, found
