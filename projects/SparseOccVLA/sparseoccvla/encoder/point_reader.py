"""Correct each point of the last layer by the pixels behind it."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_range import (
    PointRange,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
    CameraViews,
    sample_views,
)
from mmocc.structures.sparse_occ import PointSet

# Offset to the query's centre, and position in the range.
POINT_CODE = 3 + 3


class PointReader(BaseModule):
    """Correct the logits and positions of points by image features.

    A layer samples the images at a few points of a query and predicts all of
    its points from one vector. Here every point reads the finest feature map
    of the current frame at its own projection. Together with its query and
    its position that changes its logits, and moves it by at most
    ``max_shift`` along each axis. Ours; OPUS has nothing of the kind.

    Both outputs start at zero: an untrained reader changes nothing. All of it
    is computed in float32 also under autocast.

    B frames, Q queries of width D, R points of a query, K classes, G groups
    of channels.

    Args:
        embed_dims (int): Width D of queries and feature maps.
        num_classes (int): Number of classes K without free space.
        point_range (Sequence[float]): x, y, z minimum, then maximum, metres.
        hidden_dims (int): Width of the hidden layers. Defaults to 64.
        max_shift (float): Largest shift of a point along each axis in
            metres. Defaults to 0.4, one voxel of Occ3D.
        view_choice (str): Which camera is read, see :func:`locate_points`.
            Defaults to 'central'.
        align_corners (bool): How pixels meet cells, see
            :func:`sample_views`. Defaults to False.
    """

    def __init__(
        self,
        embed_dims: int,
        num_classes: int,
        point_range: Sequence[float],
        hidden_dims: int = 64,
        max_shift: float = 0.4,
        view_choice: str = 'central',
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.max_shift = max_shift
        self.view_choice = view_choice
        self.align_corners = align_corners
        self.range = PointRange(point_range)
        self.from_query = nn.Linear(embed_dims, hidden_dims)
        self.from_pixel = nn.Linear(embed_dims, hidden_dims, bias=False)
        self.from_place = nn.Linear(POINT_CODE, hidden_dims, bias=False)
        self.mix = nn.Sequential(
            nn.LayerNorm(hidden_dims),
            nn.ReLU(),
            nn.Linear(hidden_dims, hidden_dims),
            nn.ReLU(),
        )
        self.to_logits = nn.Linear(hidden_dims, num_classes)
        self.to_shift = nn.Linear(hidden_dims, 3)
        for layer in (self.to_logits, self.to_shift):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, features: Tensor, points: PointSet, views: CameraViews
    ) -> PointSet:
        """Correct the points of a layer.

        Args:
            features (Tensor): (B, Q, D) of the queries.
            points (PointSet): Points (B, Q, R, 3) metres and logits
                (B, Q, R, K).
            views (CameraViews): Feature maps and matrices of all cameras.

        Returns:
            PointSet: Points and logits in the same shapes.
        """
        with torch.autocast(features.device.type, enabled=False):
            xyz = points.points.detach()
            x = self.from_query(features.to(xyz))[:, :, None]  # (B, Q, 1, C)
            x = x + self.from_pixel(self._read_pixels(xyz, views))
            x = self.mix(x + self.from_place(self._position_code(xyz)))
            shift = self.max_shift * self.to_shift(x).tanh()
            return PointSet(
                points.points + shift, points.logits + self.to_logits(x)
            )

    def _read_pixels(self, points: Tensor, views: CameraViews) -> Tensor:
        """Sample the current frame's finest map at points, (B, Q, R, D)."""
        batch, frames = views.ego2img.shape[:2]
        # (B * T * G, D / G, V, h, w) to the present frame's (B, G, ...)
        finest = views.maps[0].unflatten(0, (batch, frames, -1))[:, 0]
        groups = finest.shape[1]
        present = CameraViews(
            [finest.flatten(0, 1)], views.ego2img[:, :1], views.image_shape
        )
        # Every group of channels is read at the same points.
        everywhere = points[:, :, None].expand(-1, -1, groups, -1, -1)
        read = sample_views(
            everywhere,
            points.new_ones(1).expand(*everywhere.shape[:-1], 1),
            present,
            self.view_choice,
            self.align_corners,
        )  # (B, Q, G, R, D / G)
        return read.transpose(2, 3).flatten(3)

    def _position_code(self, points: Tensor) -> Tensor:
        """Return offsets to the query's centre and fractions of the range.

        Points (B, Q, R, 3) become (B, Q, R, 6).
        """
        centre = points.mean(dim=2, keepdim=True)
        return torch.cat(
            [points - centre, self.range.to_fractions(points)], dim=-1
        )
