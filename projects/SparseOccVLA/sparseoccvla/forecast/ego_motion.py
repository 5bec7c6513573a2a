"""Ego motion of one step, and points in the ego frame after it."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

# Metres in which the ego token's interest in a query fades (SparseWorld).
FADE_METRES = 40.0
# Ours: 1 / metres at an output of 1, a circle of 10 m radius.
CURVATURE_SCALE = 0.1


class EgoAttention(BaseModule):
    """Let an ego token attend to occupancy queries, near ones first.

    The regression-guided conditioning of SparseWorld (Dang et al., 2025):
    scores get ``softplus(w f) * exp(-distance / 40 m)`` on top. Queries take
    no gradient from it.

    Args:
        embed_dims (int): Width C.
        num_heads (int): Attention heads H.
    """

    def __init__(self, embed_dims: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm_queries = nn.LayerNorm(embed_dims)
        self.place = nn.Linear(3, embed_dims)
        self.closeness = nn.Linear(embed_dims, num_heads)
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key_value = nn.Linear(embed_dims, 2 * embed_dims)
        self.out = nn.Linear(embed_dims, embed_dims)
        self.norm = nn.LayerNorm(embed_dims)

    def forward(
        self, ego: Tensor, features: Tensor, centres: Tensor
    ) -> Tensor:
        """Update the ego token.

        Args:
            ego (Tensor): (B, C).
            features (Tensor): (B, Q, C) of the queries.
            centres (Tensor): (B, Q, 3) metres in the ego frame.

        Returns:
            Tensor: (B, C).
        """
        features = self.norm_queries(features.detach())
        centres = centres.detach()
        near = torch.exp(-centres.norm(dim=-1, keepdim=True) / FADE_METRES)
        bias = F.softplus(self.closeness(features)) * near  # (B, Q, H)
        keys, values = self.key_value(
            features + self.place(centres / FADE_METRES)
        ).chunk(2, dim=-1)  # (B, Q, C) each
        gathered = F.scaled_dot_product_attention(
            self._split(self.query(ego)[:, None]),
            self._split(keys),
            self._split(values),
            attn_mask=bias.transpose(1, 2)[:, :, None].to(keys.dtype),
        )
        return self.norm(ego + self.out(gathered.flatten(1)))

    def _split(self, x: Tensor) -> Tensor:
        """(B, L, C) to (B, H, L, C / H)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class EgoMotion(BaseModule):
    """Predict the motion of one step from the ego token.

    The ego frame sits on the rear axle, where a car neither slips sideways
    nor turns without rolling. So distance and curvature are all there is to
    say, and future positions alone, which tell no heading, teach both.

    Args:
        embed_dims (int): Width C.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.regress = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.Softplus(),
            nn.Linear(embed_dims, 2),
        )
        nn.init.zeros_(self.regress[-1].weight)
        nn.init.zeros_(self.regress[-1].bias)

    def forward(self, ego: Tensor, expected: Tensor) -> Tensor:
        """Correct an expected motion; at the start of training by nothing.

        Args:
            ego (Tensor): (B, C).
            expected (Tensor): (B, 3) metres forward, to the left, radians.

        Returns:
            Tensor: (B, 3). The translation is along the mean heading of the
            step, as on an arc of constant turn rate.
        """
        distance, curvature = self.regress(ego).unbind(dim=-1)
        forward, left, turn = expected.unbind(dim=-1)
        forward = forward + distance
        turn = turn + CURVATURE_SCALE * curvature * forward
        return torch.stack([forward, left, turn], dim=-1)


def rotate(vectors: Tensor, angle: Tensor) -> Tensor:
    """Rotate x and y of (B, ..., 2 or 3) to the left by (B,) radians."""
    shape = [-1] + [1] * (vectors.dim() - 2)
    cos, sin = angle.cos().view(shape), angle.sin().view(shape)
    x, y, *rest = vectors.unbind(-1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y, *rest], dim=-1)


def into_next_frame(points: Tensor, motion: Tensor) -> Tensor:
    """Transform static points into the ego frame after a step.

    Args:
        points (Tensor): (B, ..., 3) metres in the ego frame before the step.
        motion (Tensor): (B, 3) of :class:`EgoMotion`.

    Returns:
        Tensor: The same points in the ego frame after the step.
    """
    turn = motion[:, 2]
    moved = rotate(motion[:, :2], turn / 2)
    moved = F.pad(moved, (0, 1)).view(-1, *[1] * (points.dim() - 2), 3)
    return rotate(points - moved, -turn)
