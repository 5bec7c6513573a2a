"""Mix the sampled features of a query by weights that it predicts itself.

AdaMixer (Gao et al., CVPR 2022): first across channels, then across points.
The points of all frames are mixed together, so this is also where time comes
in.
"""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


class AdaptiveMixing(BaseModule):
    """Mix sampled features into an update of the query.

    Per group, ``relu(norm(X M))`` mixes channels and ``relu(norm(S X))``
    points; the matrices M and S are linear in the query, and constant at the
    start. The norm has no parameters and goes over points and channels
    together.

    Args:
        embed_dims (int): Width of a query, D.
        num_groups (int): Number of groups, G.
        in_points (int): Number of sampled points N of each group, over all
            frames.
        out_points (int): Number of points M after mixing. Defaults to 32
            (OPUS).
    """

    def __init__(
        self,
        embed_dims: int,
        num_groups: int,
        in_points: int,
        out_points: int = 32,
    ) -> None:
        super().__init__()
        self.num_groups = num_groups
        self.channels = embed_dims // num_groups
        self.in_points = in_points
        self.out_points = out_points
        self.sizes = [self.channels**2, out_points * in_points]
        self.matrices = nn.Linear(embed_dims, num_groups * sum(self.sizes))
        self.project = nn.Linear(embed_dims * out_points, embed_dims)
        nn.init.zeros_(self.matrices.weight)

    def forward(self, features: Tensor, sampled: Tensor) -> Tensor:
        """Compute the update of each query, without the residual.

        Args:
            features (Tensor): (B, Q, D).
            sampled (Tensor): (B, Q, G, N, D / G).

        Returns:
            Tensor: (B, Q, D).
        """
        matrices = self.matrices(features).unflatten(-1, (self.num_groups, -1))
        channel, point = matrices.split(self.sizes, dim=-1)
        # (B, Q, G, D / G, D / G) and (B, Q, G, M, N)
        channel = channel.unflatten(-1, (self.channels, self.channels))
        point = point.unflatten(-1, (self.out_points, self.in_points))
        mixed = _norm_relu(sampled @ channel)  # (B, Q, G, N, D / G)
        mixed = _norm_relu(point @ mixed)  # (B, Q, G, M, D / G)
        return self.project(mixed.flatten(2))


def _norm_relu(x: Tensor) -> Tensor:
    """Normalise over the last two dimensions, then apply ReLU."""
    return F.layer_norm(x, x.shape[-2:]).relu()
