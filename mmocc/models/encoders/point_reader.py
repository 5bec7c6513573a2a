"""Each point of the last layer looks at the images where it stands itself."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.encoders.view_sampling import CameraViews, sample_views
from mmocc.structures.sparse_occ import PointSet

# Offset to the query's centre, and place in the range.
POINT_CODE = 3 + 3


class PointReader(BaseModule):
    """Classes and places of points, corrected by the pixels behind them.

    A layer reads a few places for a query and speaks of all its points from
    one vector. Here every point reads the finest feature map of the current
    frame at its own place; together with its query and its place that changes
    its logits, and moves it by at most ``max_shift`` along each axis. Ours;
    OPUS has nothing of the kind.

    Both outputs start at zero: an untrained reader changes nothing. Places of
    points and what is said of them are computed in float32 also under
    autocast.

    Args:
        embed_dims (int): Width D of queries and feature maps.
        num_classes (int): K, without free space.
        point_range (Sequence[float]): x, y, z minimum, then maximum, metres;
            the unit of places.
        hidden_dims (int): Width inside. Defaults to 64.
        max_shift (float): Metres. Defaults to 0.4, one voxel of Occ3D.
        view_choice (str): See :func:`locate_points`. Defaults to 'central'.
        align_corners (bool): See :func:`sample_views`. Defaults to False.
    """

    def __init__(
        self,
        embed_dims: int,
        num_classes: int,
        point_range: tuple[float, ...],
        hidden_dims: int = 64,
        max_shift: float = 0.4,
        view_choice: str = 'central',
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.max_shift = max_shift
        self.view_choice = view_choice
        self.align_corners = align_corners
        limits = torch.tensor(point_range, dtype=torch.get_default_dtype())
        self.register_buffer('low', limits[:3], persistent=False)
        self.register_buffer('size', limits[3:] - limits[:3], persistent=False)
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
            points (PointSet): (B, Q, R, 3) metres and (B, Q, R, K) logits.
            views (CameraViews): The cameras.
        """
        with torch.autocast(features.device.type, enabled=False):
            where = points.points.detach()
            x = self.from_query(features.to(where))[:, :, None]
            x = x + self.from_pixel(self._look(where, views))
            x = self.mix(x + self.from_place(self._place(where)))
            shift = self.max_shift * self.to_shift(x).tanh()
            return PointSet(
                points.points + shift, points.logits + self.to_logits(x)
            )

    def _look(self, points: Tensor, views: CameraViews) -> Tensor:
        """Finest features of the current frame at points, (B, Q, R, D)."""
        batch, frames = views.ego2img.shape[:2]
        finest = views.maps[0].unflatten(0, (batch, frames, -1))[:, 0]
        groups = finest.shape[1]
        present = CameraViews(
            [finest.flatten(0, 1)], views.ego2img[:, :1], views.image_shape
        )
        everywhere = points[:, :, None].expand(-1, -1, groups, -1, -1)
        read = sample_views(
            everywhere,
            points.new_ones(1).expand(*everywhere.shape[:-1], 1),
            present,
            self.view_choice,
            self.align_corners,
        )  # (B, Q, G, R, D / G)
        return read.transpose(2, 3).flatten(3)

    def _place(self, points: Tensor) -> Tensor:
        """Where points are in the query and in the range, (B, Q, R, 6)."""
        centre = points.mean(dim=2, keepdim=True)
        return torch.cat(
            [points - centre, (points - self.low) / self.size], dim=-1
        )
