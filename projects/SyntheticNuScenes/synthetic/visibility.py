"""Measure how much of each object the six cameras show."""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    INSTANCE,
    hit_solid,
)

_SAMPLES = 28  # rays across an object's rectangle, at most
_NEAR = 0.3
_LEVELS = (0.4, 0.6, 0.8)


class ObjectView(NamedTuple):
    """The rays and index image of one camera around one object.

    Attributes:
        solids (np.ndarray): (P, 16) solids of the object, global.
        corners (np.ndarray): (8, 3) corners of its box, global.
        cam2global (np.ndarray): (4, 4) pose of the camera.
        cam2img (np.ndarray): (3, 3) intrinsics.
        owners (np.ndarray): (H, W) object that each pixel shows.
    """

    solids: np.ndarray
    corners: np.ndarray
    cam2global: np.ndarray
    cam2img: np.ndarray
    owners: np.ndarray


@numba.njit(cache=True)
def _count(solids, low_u, high_u, low_v, high_v, view, owners, owner):
    """Pixels of an object, and those of them that show it."""
    rotation, centre, fx, fy, cx, cy = view
    step = max((high_u - low_u) // _SAMPLES, (high_v - low_v) // _SAMPLES, 1)
    total, shown = 0, 0
    for v in range(low_v, high_v, step):
        for u in range(low_u, high_u, step):
            a, b = (u + 0.5 - cx) / fx, (v + 0.5 - cy) / fy
            dx = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2]
            dy = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2]
            dz = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2]
            for p in range(len(solids)):
                t = hit_solid(
                    solids, p, centre[0], centre[1], centre[2], dx, dy, dz
                )
                if t < np.inf:
                    total += step * step
                    if owners[v, u] == owner:
                        shown += step * step
                    break
    return total, shown


def visible_share(
    shots: Sequence[ObjectView], owner: int
) -> tuple[float, int]:
    """Share of an object's pixels that no other thing hides.

    Args:
        shots (Sequence[ObjectView]): One for each camera.
        owner (int): The object's number in the owner images.

    Returns:
        tuple: Share in [0, 1], and the number of pixels that show it.
    """
    total = shown = 0
    for solids, corners, cam2global, cam2img, owners in shots:
        local = (corners - cam2global[:3, 3]) @ cam2global[:3, :3]
        front = local[:, 2] > _NEAR
        if not front.any():
            continue
        height, width = owners.shape
        low, high = np.zeros(2), np.array([width, height], float)
        if front.all():
            pixels = local[:, :2] / local[:, 2:] * (
                cam2img[0, 0],
                cam2img[1, 1],
            ) + (cam2img[0, 2], cam2img[1, 2])
            low = np.maximum(np.floor(pixels.min(0)), low)
            high = np.minimum(np.ceil(pixels.max(0)), high)
        if (high <= low).any():
            continue
        view = (
            np.ascontiguousarray(cam2global[:3, :3]),
            np.ascontiguousarray(cam2global[:3, 3]),
            cam2img[0, 0],
            cam2img[1, 1],
            cam2img[0, 2],
            cam2img[1, 2],
        )
        part, seen = _count(
            solids,
            int(low[0]),
            int(high[0]),
            int(low[1]),
            int(high[1]),
            view,
            owners,
            owner,
        )
        total, shown = total + part, shown + seen
    return (shown / total if total else 0.0), shown


def visibility_level(share: float) -> int:
    """nuScenes' visibility token as a number, 1 to 4."""
    return 1 + sum(share >= level for level in _LEVELS)


def solids_of(solids: np.ndarray, owner: int) -> np.ndarray:
    """Rows that belong to ``owner``."""
    return np.ascontiguousarray(solids[solids[:, INSTANCE] == owner])
