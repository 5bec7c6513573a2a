"""Sample image features at points that each query chooses.

AdaMixer (Gao et al., CVPR 2022) made sampling points depend on the query;
SparseBEV (Liu et al., ICCV 2023) put them into space and time; OPUS (Wang et
al., NeurIPS 2024) spans them by the spread of a set of points.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sets import (
    centre_and_spread,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
    CameraViews,
    sample_views,
)

# Half the width of the first offsets, in spreads (SparseBEV, OPUS).
FIRST_OFFSET = 0.5


class AdaptiveSampling(BaseModule):
    """Sample the images at points that depend on the query.

    Sampling point p of group g is ``centre + offset_gp * spread`` of the
    query's points, in every frame. All sampling points of a query of a single
    point coincide with it, unless ``min_spread`` widens them.

    B frames, Q queries, R points of a query, T past and present images.

    Args:
        embed_dims (int): Width of a query, D.
        num_points (int): Number of sampling points P per group and frame.
        num_groups (int): Number of groups G of D / G channels.
        num_levels (int): Number of feature maps, L.
        min_spread (float): Smallest spread in metres. Defaults to 0 (OPUS).
        view_choice (str): Which camera is read, see :func:`locate_points`.
            Defaults to 'central'.
        align_corners (bool): How pixels meet cells, see
            :func:`sample_views`. Defaults to False.
    """

    def __init__(
        self,
        embed_dims: int,
        num_points: int,
        num_groups: int,
        num_levels: int,
        min_spread: float = 0.0,
        view_choice: str = 'central',
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.shape = (num_groups, num_points)
        self.min_spread = min_spread
        self.view_choice = view_choice
        self.align_corners = align_corners
        count = num_groups * num_points
        self.sampling_offset = nn.Linear(embed_dims, 3 * count)
        self.level_weights = nn.Linear(embed_dims, num_levels * count)
        nn.init.zeros_(self.sampling_offset.weight)
        nn.init.uniform_(
            self.sampling_offset.bias, -FIRST_OFFSET, FIRST_OFFSET
        )

    def forward(
        self, features: Tensor, points: Tensor, views: CameraViews
    ) -> Tensor:
        """Sample image features for each query.

        Args:
            features (Tensor): (B, Q, D).
            points (Tensor): (B, Q, R, 3) metres.
            views (CameraViews): Feature maps and matrices of all cameras.

        Returns:
            Tensor: (B, Q, G, T * P, D / G), weighted sums over levels.
        """
        weights = self.level_weights(features)
        # (B, Q, G P L) to (B, Q, G, P, L)
        weights = weights.unflatten(-1, (*self.shape, -1)).softmax(dim=-1)
        return sample_views(
            self.choose_points(features, points),
            weights,
            views,
            self.view_choice,
            self.align_corners,
        )

    def choose_points(self, features: Tensor, points: Tensor) -> Tensor:
        """Choose the sampling points of each query.

        Args:
            features (Tensor): (B, Q, D).
            points (Tensor): (B, Q, R, 3) metres.

        Returns:
            Tensor: (B, Q, G, P, 3) metres.
        """
        with torch.autocast(features.device.type, enabled=False):
            offset = self.sampling_offset(features.to(points.dtype))
            offset = offset.unflatten(-1, (*self.shape, 3))  # (B, Q, G, P, 3)
            centre, spread = centre_and_spread(points)  # (B, Q, 3)
            spread = spread.clamp(min=self.min_spread)
            return centre[:, :, None, None] + offset * spread[:, :, None, None]
