"""Sample image features at points in space.

A point is projected into every camera of every frame by the matrices
``ego2img``, which lead from metres in the ego frame of the *current* key
frame to pixels of each, also past, camera. The world is taken to stand still,
as OPUS does: ego motion is in the matrices, and nothing else moves. In each
frame one camera that sees the point is chosen, and its feature maps are read
by bilinear interpolation.

Pixel coordinates are those of areas: the first pixel spans 0 to 1. So a map
of half the width has half of each coordinate.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# Metres in front of a camera from which a point counts as seen (OPUS).
MIN_DEPTH = 1e-5
VIEW_CHOICES = ('central', 'first')
# Far from [-1, 1], where grid_sample reads zeros.
OUTSIDE = -4.0


class CameraViews(NamedTuple):
    """Feature maps and matrices of all cameras and frames.

    B frames of a batch, T past and present frames, the present one first, V
    cameras, G groups of C channels.

    Attributes:
        maps (list[Tensor]): Feature maps (B * T * G, C, V, h, w) by level.
        ego2img (Tensor): (B, T, V, 4, 4) metres in the current ego frame to
            pixels.
        image_shape (tuple[int, int]): Height and width in these pixels.
    """

    maps: list[Tensor]
    ego2img: Tensor
    image_shape: tuple[int, int]


class ViewLocation(NamedTuple):
    """Cameras and pixels in which N points are seen, in T frames.

    Attributes:
        view (Tensor): (B, T, N) int64 index of the chosen camera; any where
            the point is not seen.
        position (Tensor): (B, T, N, 2) x and y in the image, from 0 to 1 over
            its width and height.
        seen (Tensor): (B, T, N) bool, whether any camera sees the point.
    """

    view: Tensor
    position: Tensor
    seen: Tensor


def group_views(
    features: Sequence[Tensor],
    ego2img: Tensor,
    image_shape: tuple[int, int],
    num_frames: int,
    num_groups: int,
) -> CameraViews:
    """Arrange the feature maps for :func:`sample_views`, once a forward.

    Args:
        features (Sequence[Tensor]): Maps (B, T * V, D, h, w) by level,
            frame-major. Half precision becomes float32.
        ego2img (Tensor): (B, T * V, 4, 4) metres to pixels.
        image_shape (tuple[int, int]): Height and width in pixels.
        num_frames (int): Number of frames, T.
        num_groups (int): Number of groups G of channels; must divide D.

    Returns:
        CameraViews: Maps by group, and matrices by frame.
    """
    maps = []
    for level in features:
        level = level.to(torch.promote_types(level.dtype, torch.float32))
        level = level.unflatten(2, (num_groups, -1))
        level = level.unflatten(1, (num_frames, -1))  # (B, T, V, G, C, h, w)
        maps.append(level.permute(0, 1, 3, 4, 2, 5, 6).flatten(0, 2))
    matrices = ego2img.unflatten(1, (num_frames, -1))
    return CameraViews(maps, matrices, image_shape)


def locate_points(
    points: Tensor,
    ego2img: Tensor,
    image_shape: tuple[int, int],
    view_choice: str = 'central',
) -> ViewLocation:
    """Project points into all cameras and choose one in each frame.

    Written as sums of products, which neither autocast nor TF32 touches.

    Args:
        points (Tensor): (B, N, 3) metres.
        ego2img (Tensor): (B, T, V, 4, 4).
        image_shape (tuple[int, int]): Height and width in pixels.
        view_choice (str): Among cameras that see the point, ``central``
            takes the one in which it is nearest to the middle, measured in
            widths and heights, whatever the order of cameras; ``first``, as
            OPUS, the first. Defaults to 'central'.

    Returns:
        ViewLocation: Camera and position of each point in each frame.
    """
    matrices = ego2img.to(points)[..., None]  # (B, T, V, 4, 4, 1)
    x, y, z = points[:, None, None, None].unbind(-1)  # (B, 1, 1, 1, N)
    scaled = (
        matrices[..., :3, 0, :] * x
        + matrices[..., :3, 1, :] * y
        + matrices[..., :3, 2, :] * z
        + matrices[..., :3, 3, :]
    )  # (B, T, V, 3, N)
    depth = scaled[..., 2:, :]  # (B, T, V, 1, N)
    size = points.new_tensor(image_shape[::-1])[:, None]  # (2, 1)
    # (B, T, V, 2, N), 0 to 1 over the image
    position = scaled[..., :2, :] / depth.clamp(min=MIN_DEPTH) / size
    inside = (position >= 0) & (position < 1)
    seen = inside.all(dim=-2) & (depth[..., 0, :] > MIN_DEPTH)  # (B, T, V, N)
    with torch.no_grad():
        if view_choice == 'central':
            cost = (position - 0.5).square().sum(dim=-2)  # (B, T, V, N)
        else:
            order = torch.arange(seen.shape[2], device=seen.device)
            cost = order.to(position)[:, None].expand(seen.shape)
        cost = cost.masked_fill(~seen, torch.inf)
        # Eight times as fast as argmin on a CPU.
        view = cost.min(dim=2).indices  # (B, T, N)
    # Of the chosen camera alone: (B, T, 1, 2, N)
    position = position.take_along_dim(view[:, :, None, None], dim=2)
    return ViewLocation(
        view=view,
        position=position[:, :, 0].transpose(-1, -2),
        seen=seen.any(dim=2),
    )


def sample_views(
    points: Tensor,
    level_weights: Tensor,
    views: CameraViews,
    view_choice: str = 'central',
    align_corners: bool = False,
) -> Tensor:
    """Sample all levels at points in all frames.

    Each group of points reads its own group of channels. A point that no
    camera of a frame sees reads zeros there. Within half a cell of an image's
    edge the outermost cell is read.

    Args:
        points (Tensor): (B, Q, G, P, 3) metres.
        level_weights (Tensor): (B, Q, G, P, L) weights of the levels.
        views (CameraViews): Feature maps and matrices of all cameras.
        view_choice (str): Which camera is read, see :func:`locate_points`.
            Defaults to 'central'.
        align_corners (bool): Whether the edges of images lie on the centres
            of the outermost cells, as in OPUS, which moves every point by up
            to half a cell. Defaults to False.

    Returns:
        Tensor: (B, Q, G, T * P, C), weighted sums over levels.
    """
    batch, queries, groups, per_query, _ = points.shape
    frames = views.ego2img.shape[1]
    location = locate_points(
        points.transpose(1, 2).reshape(batch, -1, 3),  # (B, G * Q * P, 3)
        views.ego2img,
        views.image_shape,
        view_choice,
    )
    # (B, T, G * Q * P) to (B * T * G, Q, P), as the maps.
    view, position, seen = (
        part.unflatten(2, (groups, queries, per_query)).flatten(0, 2)
        for part in location
    )
    weights = level_weights.to(points.dtype)
    weights = weights.permute(4, 0, 2, 1, 3)  # (L, B, G, Q, P)
    total = 0.0
    for feature_map, weight in zip(views.maps, weights, strict=True):
        grid = _tall_grid(view, position, feature_map.shape[2:], align_corners)
        grid = torch.where(seen[..., None], grid, OUTSIDE)
        sampled = F.grid_sample(
            feature_map.flatten(2, 3), grid, align_corners=False
        )  # (B * T * G, C, Q, P)
        sampled = sampled.unflatten(0, (batch, frames, groups))
        # (B, T, G, C, Q, P) times (B, 1, G, 1, Q, P)
        total = total + sampled * weight[:, None, :, None]
    # (B, T, G, C, Q, P) to (B, Q, G, T, P, C)
    return total.permute(0, 4, 2, 1, 5, 3).flatten(3, 4)


def _tall_grid(
    view: Tensor,
    position: Tensor,
    shape: tuple[int, int, int],
    align_corners: bool,
) -> Tensor:
    """Return coordinates in one tall map of all cameras above each other.

    A plain 2D sampling then reads the chosen camera alone, since cells are
    clamped to its own. OPUS interpolates in 3D, at twice the reads.

    Args:
        view (Tensor): (N, Q, P) int64.
        position (Tensor): (N, Q, P, 2), from 0 to 1 over an image.
        shape (tuple[int, int, int]): Number of cameras, height and width of
            a map in cells.
        align_corners (bool): How pixels meet cells.

    Returns:
        Tensor: (N, Q, P, 2), as ``grid_sample`` with
        ``align_corners=False`` takes it.
    """
    num_views, height, width = shape
    last = position.new_tensor([width - 1, height - 1])
    if align_corners:
        cell = position * last
    else:
        cell = position * (last + 1) - 0.5
        cell = torch.minimum(cell.clamp(min=0), last)
    column, row = cell.unbind(-1)
    row = row + view * height
    return torch.stack(
        [
            (2 * column + 1) / width - 1,
            (2 * row + 1) / (num_views * height) - 1,
        ],
        dim=-1,
    )
