"""Each query chooses where around its points it looks at the images.

AdaMixer (Gao et al., CVPR 2022) made sampling points depend on the query;
SparseBEV (Liu et al., ICCV 2023) put them into space and time; OPUS (Wang et
al., NeurIPS 2024) spans them by the spread of a set of points.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.encoders.point_sets import centre_and_spread
from mmocc.models.encoders.view_sampling import CameraViews, sample_views

# Half the width of the first offsets, in spreads (SparseBEV, OPUS).
FIRST_OFFSET = 0.5


class AdaptiveSampling(BaseModule):
    """Query-dependent points and level weights, read from the images.

    Point p of group g stands at ``centre + offset_gp * spread`` of the
    query's points, in every frame. A query of a single point has no spread
    and looks at that point alone, unless ``min_spread`` widens it.

    Args:
        embed_dims (int): Width D.
        num_points (int): Points P per group and frame.
        num_groups (int): Groups G of D / G channels.
        num_levels (int): Feature maps L.
        min_spread (float): Metres. Defaults to 0 (OPUS).
        view_choice (str): See :func:`locate_points`. Defaults to 'central'.
        align_corners (bool): See :func:`sample_views`. Defaults to False.
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
        """Look.

        Args:
            features (Tensor): (B, Q, D).
            points (Tensor): (B, Q, R, 3) metres.
            views (CameraViews): The cameras.

        Returns:
            Tensor: (B, Q, G, T * P, D / G).
        """
        weights = self.level_weights(features)
        weights = weights.unflatten(-1, (*self.shape, -1)).softmax(dim=-1)
        return sample_views(
            self.place(features, points),
            weights,
            views,
            self.view_choice,
            self.align_corners,
        )

    def place(self, features: Tensor, points: Tensor) -> Tensor:
        """Where each query looks, (B, Q, G, P, 3) metres."""
        with torch.autocast(features.device.type, enabled=False):
            offset = self.sampling_offset(features.to(points.dtype))
            offset = offset.unflatten(-1, (*self.shape, 3))
            centre, spread = centre_and_spread(points)
            spread = spread.clamp(min=self.min_spread)
            return centre[:, :, None, None] + offset * spread[:, :, None, None]
