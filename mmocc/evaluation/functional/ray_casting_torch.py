"""Ray casting on a GPU: the twin of :mod:`ray_casting`, bit for bit.

All rays take one step at a time. The grid gets a border of one voxel, so that
reading never needs a range check and leaving the grid is one more label.
"""

import numpy as np

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise ImportError(
        'casting rays on a GPU needs torch, which is not installed: pip '
        'install torch, or cast them on the CPU with '
        'mmocc.evaluation.functional.cast_rays'
    ) from error

from mmocc.evaluation.functional.ray_casting import (
    EDGE,
    MAX_STEPS,
    RayHits,
    cast_rays,
    check_grids,
    lidar_directions,
    to_voxels,
)
from mmocc.structures.occ3d import FREE

# Finished rays are dropped after this many steps; asking each time would make
# the host wait for the device at every step.
STEPS_BETWEEN_CHECKS = 32
_BORDER = -1
_FARTHEST = torch.finfo(torch.float64).max


def cast_rays_torch(
    grids: Tensor, origins: Tensor, directions: np.ndarray | None = None
) -> RayHits:
    """Cast rays as :func:`ray_casting.cast_rays`, on the device of ``grids``.

    Args:
        grids (Tensor): (G, X, Y, Z) uint8 class ids.
        origins (Tensor): (O, 3) metres in the ego frame, on any device. Those
            outside the grid, which no frame of flat roads has, are cast on
            the host.
        directions (np.ndarray, optional): (R, 3) float32 unit vectors.
            Defaults to RayIoU's.

    Returns:
        RayHits: Tensors (G, O, R) float32 and uint8 on the same device.
    """
    places = origins.detach().cpu().numpy()
    check_grids(grids, places)
    if directions is None:
        directions = lidar_directions()
    starts, ends = to_voxels(places, directions)
    within = (
        (np.trunc(starts) >= 0) & (np.trunc(starts) < grids.shape[1:])
    ).all(axis=1)
    shape = (len(grids), len(places), len(directions))
    depth = torch.empty(shape, dtype=torch.float32, device=grids.device)
    label = torch.empty(shape, dtype=torch.uint8, device=grids.device)
    inner = torch.from_numpy(np.flatnonzero(within)).to(grids.device)
    if within.any():
        depth[:, inner], label[:, inner] = _march(
            grids, starts[within], ends[within]
        )
    if not within.all():
        outer = torch.from_numpy(np.flatnonzero(~within)).to(grids.device)
        hits = cast_rays(grids.cpu(), places[~within], directions)
        depth[:, outer] = torch.from_numpy(hits.depth).to(grids.device)
        label[:, outer] = torch.from_numpy(hits.label).to(grids.device)
    return RayHits(depth, label)


def _march(
    grids: Tensor, starts: np.ndarray, ends: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Compute depths (metres) and labels (G, O, R) of rays from inside."""
    device, number = grids.device, len(grids)
    start = torch.from_numpy(starts).to(device)[:, None]  # (O, 1, 3)
    ray = torch.from_numpy(ends).to(device) - start  # (O, R, 3)
    squares = ray * ray
    # Summed in the renderer's order.
    length = (squares[..., 0] + squares[..., 1] + squares[..., 2]).sqrt()
    ray = ray / length[..., None]
    voxel = start.trunc()
    forward = ray >= 0
    step = torch.where(forward, 1.0, -1.0).to(torch.float64)
    still = ray == 0
    safe = torch.where(still, 1.0, ray)
    border = (voxel + forward - start) / safe
    border = torch.where(still, _FARTHEST, border)
    delta = torch.where(still, _FARTHEST, step / safe)

    padded = torch.nn.functional.pad(
        grids.to(torch.int16), (1, 1, 1, 1, 1, 1), value=_BORDER
    )
    strides = torch.tensor(padded.stride()[1:], device=device)
    cell = ((voxel.long() + 1) * strides).sum(-1).expand(length.shape)
    # Axes in the order z, y, x: the first of equal distances is taken.
    border, delta, step = (
        values.flip(-1).expand(*length.shape, 3).reshape(-1, 3).T.contiguous()
        for values in (border, delta, step)
    )
    stride = step.long() * strides.flip(0)[:, None]
    labels = padded.reshape(number, -1)
    last = labels.shape[1] - 1

    rays = length.numel()
    depth = torch.zeros(number, rays, dtype=torch.float64, device=device)
    label = torch.full((number, rays), FREE, dtype=torch.int16, device=device)
    active = torch.arange(rays, device=device)
    cell = cell.reshape(-1)
    far, seen = depth.clone(), label.clone()
    going = torch.ones_like(seen, dtype=torch.bool)
    for taken in range(MAX_STEPS + 1):
        here = labels[:, cell]  # (G, N)
        distance, axis = border.min(dim=0, keepdim=True)
        # A ray's last voxel inside the grid decides where nothing was hit.
        going &= here != _BORDER
        far = torch.where(going, distance, far)
        seen = torch.where(going, here, seen)
        going &= here == FREE
        # Rays that are through wander on; their cells need not mean anything.
        cell = (cell + stride.gather(0, axis)[0]).clamp_(0, last)
        border.scatter_add_(0, axis, delta.gather(0, axis))
        if taken % STEPS_BETWEEN_CHECKS == STEPS_BETWEEN_CHECKS - 1:
            depth[:, active], label[:, active] = far, seen
            keep = going.any(dim=0).nonzero()[:, 0]
            if len(keep) == 0:
                break
            active, cell = active[keep], cell[keep]
            border, delta = border[:, keep], delta[:, keep]
            stride = stride[:, keep]
            far, seen, going = far[:, keep], seen[:, keep], going[:, keep]
    depth[:, active], label[:, active] = far, seen
    metres = depth.to(torch.float32) * float(EDGE)
    shape = (number, *length.shape)
    return metres.reshape(shape), label.to(torch.uint8).reshape(shape)
