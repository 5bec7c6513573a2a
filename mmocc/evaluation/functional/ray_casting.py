"""Find the voxel that a LiDAR ray meets first, and its distance.

The rays and the traversal of RayIoU (SparseOcc, Liu et al., ECCV 2024), exact
to the last bit of its renderer's arithmetic: Amanatides and Woo's voxel
traversal in double precision, from end points that were rounded to single
precision in units of voxels. :mod:`ray_casting_torch` does the same on a GPU.

* A voxel is hit if it is not free; a ray's depth is where it **leaves** the
  voxel it hits.
* A ray that hits nothing ends where it leaves the grid, with the label free.
* A ray that never enters the grid has depth -0.4 m and the label of voxel
  (0, 0, 0), as in the reference.
* The start voxel is found by truncation toward zero; where two borders are
  met at once, z is crossed first, then y.
"""

import math
import sys
from typing import NamedTuple

import numba
import numpy as np

from mmocc.evaluation.functional.arrays import ArrayLike, as_array
from mmocc.structures.occ3d import FREE, POINT_CLOUD_RANGE, VOXEL_SIZE

# Pitches: -(90 degrees - atan k) for k = 1 .. 10, then on at the last spacing
# to the top of nuScenes' LiDAR. Azimuths: every degree.
STEEP_PITCHES = 10
HIGHEST_PITCH = 0.21  # rad
NUM_AZIMUTHS = 360
MAX_STEPS = 1000
# Origins of a frame: at most 8, less than 39 m away along x and along y.
MAX_ORIGINS = 8
ORIGIN_REACH = 39.0
# What the renderer leaves behind for a ray that misses the grid, in voxels.
MISSED = -1.0

# The renderer's constants are single precision.
MINIMUM = np.asarray(POINT_CLOUD_RANGE[:3], dtype=np.float32)
EDGE = np.float32(VOXEL_SIZE[0])


class RayHits(NamedTuple):
    """Depths and labels of rays, for G grids, O origins, R directions.

    Attributes:
        depth (np.ndarray): (G, O, R) float32 metres.
        label (np.ndarray): (G, O, R) uint8 class ids.
    """

    depth: np.ndarray
    label: np.ndarray


def lidar_directions() -> np.ndarray:
    """Return ray directions (14040, 3) float32: 39 pitches, 360 azimuths."""
    pitches = [
        -(math.pi / 2 - math.atan(k)) for k in range(1, STEEP_PITCHES + 1)
    ]
    while pitches[-1] < HIGHEST_PITCH:
        pitches.append(2 * pitches[-1] - pitches[-2])
    pitch = np.array(pitches)[:, None]
    azimuth = np.deg2rad(np.arange(NUM_AZIMUTHS))[None]
    rays = np.stack(
        np.broadcast_arrays(
            np.cos(pitch) * np.cos(azimuth),
            np.cos(pitch) * np.sin(azimuth),
            np.sin(pitch),
        ),
        axis=-1,
    )
    return rays.reshape(-1, 3).astype(np.float32)


def scene_origins(
    ego2global: ArrayLike, lidar2ego: ArrayLike, frame: int
) -> np.ndarray:
    """Compute the origins of RayIoU's rays for one frame of a scene.

    The LiDAR's positions in all of the scene's frames, seen from the ego
    frame of ``frame``; too far ones are dropped, and of more than 8 those
    nearest to 8 equal steps through time remain. Leaving frames of the scene
    out changes the metric.

    Args:
        ego2global (ArrayLike): (F, 4, 4) poses at the LiDAR key frames, in
            order of time.
        lidar2ego (ArrayLike): (F, 4, 4) of the same frames.
        frame (int): Index of the frame to evaluate.

    Returns:
        np.ndarray: (K, 3) metres, 1 <= K <= 8.

    Raises:
        ValueError: Shapes do not fit, or no position is near enough.
    """
    ego2global = as_array(ego2global).astype(np.float64)
    lidar2ego = as_array(lidar2ego).astype(np.float64)
    expected = (len(ego2global), 4, 4)
    if ego2global.shape != expected or lidar2ego.shape != expected:
        raise ValueError(
            f'poses have shapes {ego2global.shape} and {lidar2ego.shape}, '
            'expected (F, 4, 4) for both'
        )
    lidar2global = ego2global @ lidar2ego
    global2lidar = np.linalg.inv(lidar2global[frame])
    places = (global2lidar @ lidar2global)[:, :3, 3].astype(np.float32)
    places[frame] = 0
    to_ego = lidar2ego[frame]
    origins = places.astype(np.float64) @ to_ego[:3, :3].T + to_ego[:3, 3]
    origins = origins[(np.abs(origins[:, :2]) < ORIGIN_REACH).all(axis=1)]
    if len(origins) == 0:
        raise ValueError(
            f'no LiDAR position is within {ORIGIN_REACH} m of the ego frame; '
            'check lidar2ego, which should be about (0.94, 0, 1.84) m'
        )
    if len(origins) > MAX_ORIGINS:
        # NumPy rounds halves to even, as the reference does.
        chosen = np.round(np.linspace(0, len(origins) - 1, MAX_ORIGINS))
        origins = origins[chosen.astype(np.int64)]
    return origins


def to_voxels(
    origins: np.ndarray, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Convert rays to starts (O, 3) and ends (O, R, 3) in voxels.

    Metres are divided in double precision and rounded to single precision,
    then read as double precision again.
    """
    origins = origins.astype(np.float64)
    ends = origins[:, None] + directions[None]
    scale = np.float64(EDGE)
    starts = ((origins - MINIMUM) / scale).astype(np.float32)
    ends = ((ends - MINIMUM) / scale).astype(np.float32)
    return starts.astype(np.float64), ends.astype(np.float64)


def check_grids(grids: ArrayLike, origins: ArrayLike) -> None:
    """Refuse grids that are not (G, X, Y, Z) uint8, origins not (O, 3)."""
    if grids.ndim != 4 or str(grids.dtype).split('.')[-1] != 'uint8':
        raise ValueError(
            f'grids are {grids.dtype} of shape {tuple(grids.shape)}, expected '
            'uint8 class ids of shape (G, X, Y, Z)'
        )
    if origins.ndim != 2 or origins.shape[1] != 3 or len(origins) == 0:
        raise ValueError(
            f'ray origins have shape {tuple(origins.shape)}, expected (O, 3) '
            'metres in the ego frame, at least one'
        )
    if not np.isfinite(as_array(origins)).all():
        raise ValueError('ray origins hold NaN or infinite positions')


def cast_rays(
    grids: ArrayLike, origins: ArrayLike, directions: np.ndarray | None = None
) -> RayHits:
    """Cast rays from every origin through one or more grids.

    All grids are read along the same traversal, which is most of the work.

    Args:
        grids (ArrayLike): (G, X, Y, Z) uint8, Occ3D ids and Occ3D's place and
            voxel size; not changed.
        origins (ArrayLike): (O, 3) metres in the ego frame.
        directions (np.ndarray, optional): (R, 3) float32 unit vectors.
            Defaults to :func:`lidar_directions`.

    Returns:
        RayHits: Depths and labels (G, O, R).
    """
    grids, origins = as_array(grids), as_array(origins)
    check_grids(grids, origins)
    if directions is None:
        directions = lidar_directions()
    starts, ends = to_voxels(origins, directions)
    shape = (len(grids), len(origins), len(directions))
    depth = np.empty(shape, dtype=np.float32)
    label = np.empty(shape, dtype=np.uint8)
    # Numba's threads and torch's may share one OpenMP, and its settings.
    torch = sys.modules.get('torch')
    threads = torch and torch.get_num_threads()
    _traverse(np.ascontiguousarray(grids), starts, ends, depth, label)
    if torch:
        torch.set_num_threads(threads)
    return RayHits(depth * EDGE, label)


@numba.njit(cache=True)
def _first_border(start: float, direction: float) -> tuple:
    """Return voxel, step, distance to the next border, between borders."""
    voxel = int(start)
    step = 1 if direction >= 0 else -1
    border = voxel + (1 if step > 0 else 0)
    if direction == 0:
        return voxel, step, np.finfo(np.float64).max, np.finfo(np.float64).max
    return voxel, step, (border - start) / direction, step / direction


@numba.njit(cache=True, parallel=True)
def _traverse(
    grids: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    depth: np.ndarray,
    label: np.ndarray,
) -> None:
    """Fill depth (in voxels) and label, both (G, O, R)."""
    number, size_x, size_y, size_z = grids.shape
    rays = ends.shape[1]
    everything = (1 << number) - 1
    for ray in numba.prange(len(starts) * rays):
        origin, column = ray // rays, ray % rays
        x0, y0, z0 = starts[origin]
        dx = ends[origin, column, 0] - x0
        dy = ends[origin, column, 1] - y0
        dz = ends[origin, column, 2] - z0
        length = math.sqrt(dx * dx + dy * dy + dz * dz)
        x, step_x, next_x, delta_x = _first_border(x0, dx / length)
        y, step_y, next_y, delta_y = _first_border(y0, dy / length)
        z, step_z, next_z, delta_z = _first_border(z0, dz / length)
        hit = 0
        entered = False
        left = MISSED
        for _ in range(MAX_STEPS + 1):
            inside = 0 <= x < size_x and 0 <= y < size_y and 0 <= z < size_z
            if entered and not inside:
                break
            here_x, here_y, here_z = x, y, z
            if next_x < next_y and next_x < next_z:
                distance = next_x
                x += step_x
                next_x += delta_x
            elif next_y <= next_x and next_y < next_z:
                distance = next_y
                y += step_y
                next_y += delta_y
            else:
                distance = next_z
                z += step_z
                next_z += delta_z
            if not inside:
                continue
            entered = True
            left = distance
            for grid in range(number):
                found = grids[grid, here_x, here_y, here_z]
                if not (hit >> grid) & 1 and found != FREE:
                    hit |= 1 << grid
                    depth[grid, origin, column] = distance
                    label[grid, origin, column] = found
            if hit == everything:
                break
        for grid in range(number):
            if not (hit >> grid) & 1:
                depth[grid, origin, column] = left
                label[grid, origin, column] = (
                    FREE if entered else grids[grid, 0, 0, 0]
                )
