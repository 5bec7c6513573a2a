"""How well an anchor fits what a language model makes of the scene.

SparseOccVLA scores anchors apart from denoising them: nothing here reads a
noisy or a denoised trajectory.
"""

import math

import torch
from torch import Tensor, nn


class AnchorScorer(nn.Module):
    """Compare a guide vector with each anchor.

    s_k = MLP([g; u_k; g * P u_k]) with g the normalised projection of the
    guide and u_k an embedding of the clean anchor. The ego status, where it
    is read, is projected and normalised apart and added to g: reasoning
    tokens of different frames are nearly the same at the start, and would
    drown it. Ours: the paper's figure shows a scorer between reasoning token
    and anchors, not its inside.

    Args:
        guide_dims (int): Width G of the guide.
        num_anchors (int): A; sets the bias at the start so that each anchor
            has the probability 1 / A.
        num_steps (int): T.
        embed_dims (int): Width of the embeddings. Defaults to 256.
        ego_dims (int): Width E of the ego status; 0 reads none. Defaults to
            0.
    """

    def __init__(
        self,
        guide_dims: int,
        num_anchors: int,
        num_steps: int,
        embed_dims: int = 256,
        ego_dims: int = 0,
    ) -> None:
        super().__init__()
        self.guide = nn.Sequential(
            nn.Linear(guide_dims, embed_dims), nn.LayerNorm(embed_dims)
        )
        self.ego = None
        if ego_dims:
            self.ego = nn.Sequential(
                nn.Linear(ego_dims, embed_dims), nn.LayerNorm(embed_dims)
            )
        self.anchor = nn.Sequential(
            nn.Linear(num_steps * 2, embed_dims),
            nn.GELU(),
            nn.Linear(embed_dims, embed_dims),
        )
        self.partner = nn.Linear(embed_dims, embed_dims, bias=False)
        self.hidden = nn.Linear(3 * embed_dims, embed_dims)
        self.logit = score_layer(embed_dims, num_anchors)

    def forward(
        self, guide: Tensor, anchors: Tensor, ego: Tensor | None = None
    ) -> Tensor:
        """Score.

        Args:
            guide (Tensor): (B, G), or (B, A, G) with one for each anchor.
            anchors (Tensor): (A, T, 2) clean and normalised.
            ego (Tensor, optional): (B, E), if ``ego_dims`` is not 0.

        Returns:
            Tensor: (B, A) logits.
        """
        guide = self.guide(guide.to(self.logit.weight.dtype))
        if guide.ndim == 2:
            guide = guide[:, None]
        if self.ego is not None:
            guide = guide + self.ego(ego.to(guide))[:, None]
        anchor = self.anchor(anchors.flatten(1))[None]  # (1, A, D)
        features = torch.broadcast_tensors(
            guide, anchor, guide * self.partner(anchor)
        )
        hidden = self.hidden(torch.cat(features, dim=-1))
        return self.logit(nn.functional.gelu(hidden)).squeeze(-1)


def score_layer(embed_dims: int, num_anchors: int) -> nn.Linear:
    """To one logit, which starts at the odds of a blind guess."""
    layer = nn.Linear(embed_dims, 1)
    nn.init.constant_(layer.bias, -math.log(max(num_anchors - 1, 1)))
    return layer
