"""One layer of the sparse occupancy encoder."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule, bias_init_with_prob
from torch import Tensor, nn

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.adaptive_mixing import (
    AdaptiveMixing,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_range import (
    PointRange,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sampling import (
    AdaptiveSampling,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sets import (
    centre_and_spread,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.self_attention import (
    SpatialAttention,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
    CameraViews,
)


class SparseOccLayer(BaseModule):
    """Update queries from images and each other, and predict new points.

    The order is that of OPUS (Wang et al., NeurIPS 2024): position code,
    sampling, mixing, attention, feed-forward network. New points are offsets
    from the centre of the query's old points, not from single points.

    Positions (the position code, offsets and new points) are computed in
    float32 also under autocast.

    B frames, Q queries of width D, R new points of a query, K classes.

    Args:
        embed_dims (int): Width D.
        in_points (int): Number of points of a query in the input.
        out_points (int): Number of new points of a query, R.
        num_classes (int): Number of classes K without free space.
        point_range (Sequence[float]): x, y, z minimum, then maximum, metres;
            the position code reads fractions of it.
        sampling (AdaptiveSampling): Samples image features.
        mixing (AdaptiveMixing): Turns these into an update of the query.
        attention (SpatialAttention): Attention among queries.
        ffn_dims (int): Hidden width of the feed-forward network.
        dropout (float): Dropout rate in the feed-forward network.
        reg_scale (float): Metres of a new point's offset at an output of 1.
        class_prior (float): Predicted probability of each class at the
            start.
    """

    def __init__(
        self,
        embed_dims: int,
        in_points: int,
        out_points: int,
        num_classes: int,
        point_range: Sequence[float],
        sampling: AdaptiveSampling,
        mixing: AdaptiveMixing,
        attention: SpatialAttention,
        ffn_dims: int,
        dropout: float,
        reg_scale: float,
        class_prior: float,
    ) -> None:
        super().__init__()
        self.out_points = out_points
        self.reg_scale = reg_scale
        self.range = PointRange(point_range)
        self.position = nn.Sequential(
            *_linear_norm_relu(3 * in_points, embed_dims),
            *_linear_norm_relu(embed_dims, embed_dims),
        )
        self.sampling = sampling
        self.mixing = mixing
        self.attention = attention
        self.ffn = nn.Sequential(
            nn.Linear(embed_dims, ffn_dims),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(ffn_dims, embed_dims),
            nn.Dropout(dropout),
        )
        self.mixing_norm = nn.LayerNorm(embed_dims)
        self.attention_norm = nn.LayerNorm(embed_dims)
        self.ffn_norm = nn.LayerNorm(embed_dims)
        self.offset_branch = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, 3 * out_points),
        )
        self.class_branch = nn.Sequential(
            *_linear_norm_relu(embed_dims, embed_dims),
            *_linear_norm_relu(embed_dims, embed_dims),
            nn.Linear(embed_dims, num_classes * out_points),
        )
        nn.init.constant_(
            self.class_branch[-1].bias, bias_init_with_prob(class_prior)
        )

    def forward(
        self, features: Tensor, points: Tensor, views: CameraViews
    ) -> tuple[Tensor, Tensor]:
        """Update the features of queries and predict their new points.

        Args:
            features (Tensor): (B, Q, D).
            points (Tensor): (B, Q, in_points, 3) metres.
            views (CameraViews): Feature maps and matrices of all cameras.

        Returns:
            tuple[Tensor, Tensor]: Features (B, Q, D) and new points
            (B, Q, R, 3) in metres.
        """
        features = features + self._encode(points)
        sampled = self.sampling(features, points, views)  # (B, Q, G, TP, D/G)
        features = self.mixing_norm(features + self.mixing(features, sampled))
        centre, _ = centre_and_spread(points)  # (B, Q, 3)
        features = self.attention_norm(
            features + self.attention(features, centre)
        )
        features = self.ffn_norm(features + self.ffn(features))
        return features, self._predict_points(features, centre)

    def classify(self, features: Tensor) -> Tensor:
        """Predict class logits (B, Q, R, K) of new points from (B, Q, D)."""
        logits = self.class_branch(features).to(features.dtype)  # (B, Q, R K)
        return logits.unflatten(-1, (self.out_points, -1))

    def _encode(self, points: Tensor) -> Tensor:
        """Encode the positions (B, Q, R, 3) of a query's points, (B, Q, D)."""
        with torch.autocast(points.device.type, enabled=False):
            fractions = self.range.to_fractions(points)
            return self.position(fractions.flatten(2))

    def _predict_points(self, features: Tensor, centre: Tensor) -> Tensor:
        """Predict new points (B, Q, R, 3) around centres (B, Q, 3)."""
        with torch.autocast(features.device.type, enabled=False):
            offset = self.offset_branch(features.to(centre.dtype))
            offset = offset.unflatten(-1, (self.out_points, 3))  # (B, Q, R, 3)
            return centre[:, :, None] + self.reg_scale * offset


def _linear_norm_relu(in_dims: int, out_dims: int) -> list[nn.Module]:
    return [nn.Linear(in_dims, out_dims), nn.LayerNorm(out_dims), nn.ReLU()]
