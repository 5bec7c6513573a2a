"""Self-attention among queries that falls with their distance.

SparseBEV (Liu et al., ICCV 2023) subtracts from the logits of each head a
learned multiple of the distance between two queries; OPUS (Wang et al.,
NeurIPS 2024) measures it in 3D between the centres of point sets. We take
this to be the spatial-aware attention of SparseOccVLA.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# Upper end of the first slopes, in logits per metre (SparseBEV, OPUS).
MAX_FIRST_SLOPE = 2.0


class SpatialAttention(BaseModule):
    """Multi-head attention whose logits fall with distance.

    Head h of query i scores query j with ``q_i . k_j / sqrt(d) - slope_h(f_i)
    * |c_i - c_j|``. The slope is linear in the features, in logits per metre.
    It starts between 0 and 2, the same for all queries, and may turn negative.

    Scores are computed in float32 also under autocast. Rows are computed in
    chunks; where there are several, training computes each again in the
    backward pass, so that the largest tensor is (B, heads, query_chunk, Q).

    Args:
        embed_dims (int): Width of a query, D.
        num_heads (int): Number of heads H; must divide D.
        dropout (float): Dropout rate of attention weights and output.
            Defaults to 0.1 (OPUS).
        query_chunk (int): Number of rows that are computed at a time.
            Defaults to 1024 (ours), which holds the 600 queries of OPUS-T at
            once.

    Raises:
        ValueError: If the heads do not divide the width.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        dropout: float = 0.1,
        query_chunk: int = 1024,
    ) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ValueError(
                f'encoder.embed_dims is {embed_dims}, which encoder.num_heads '
                f'= {num_heads} does not divide'
            )
        self.num_heads = num_heads
        self.query_chunk = query_chunk
        self.in_project = nn.Linear(embed_dims, 3 * embed_dims)
        self.out_project = nn.Linear(embed_dims, embed_dims)
        self.slope = nn.Linear(embed_dims, num_heads)
        self.dropout = nn.Dropout(dropout)
        # As PyTorch's own attention starts.
        nn.init.xavier_uniform_(self.in_project.weight)
        nn.init.zeros_(self.in_project.bias)
        nn.init.zeros_(self.out_project.bias)
        nn.init.zeros_(self.slope.weight)
        nn.init.uniform_(self.slope.bias, 0.0, MAX_FIRST_SLOPE)

    def forward(self, features: Tensor, centres: Tensor) -> Tensor:
        """Attend to all queries, without the residual.

        Args:
            features (Tensor): (B, Q, D).
            centres (Tensor): (B, Q, 3) centres of the queries' points in
                metres. They receive no gradient.

        Returns:
            Tensor: (B, Q, D).
        """
        packed = self.in_project(features)  # (B, Q, 3 D)
        with torch.autocast(features.device.type, enabled=False):
            packed = packed.to(centres.dtype)
            packed = packed.unflatten(-1, (3, self.num_heads, -1))
            # (B, Q, 3, H, d) to three of (B, H, Q, d)
            query, key, value = packed.permute(2, 0, 3, 1, 4)
            slope = self.slope(features.to(centres.dtype))
            slope = slope.transpose(1, 2)[..., None]  # (B, H, Q, 1)
            hidden = self._attend(query, key, value, slope, centres.detach())
        hidden = hidden.transpose(1, 2).flatten(2)  # (B, Q, D)
        return self.dropout(self.out_project(hidden))

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        slope: Tensor,
        centres: Tensor,
    ) -> Tensor:
        """Compute the attention (B, H, Q, d) in chunks of rows."""
        chunks = list(
            zip(
                query.split(self.query_chunk, dim=2),
                slope.split(self.query_chunk, dim=2),
                centres.split(self.query_chunk, dim=1),
                strict=True,
            )
        )
        if len(chunks) == 1:
            return self._attend_rows(*chunks[0], key, value, centres)
        return torch.cat(
            [
                checkpoint(
                    self._attend_rows,
                    *chunk,
                    key,
                    value,
                    centres,
                    use_reentrant=False,
                )
                for chunk in chunks
            ],
            dim=2,
        )

    def _attend_rows(
        self,
        query: Tensor,
        slope: Tensor,
        row_centres: Tensor,
        key: Tensor,
        value: Tensor,
        centres: Tensor,
    ) -> Tensor:
        """Compute n rows over all Q columns, (B, H, n, d)."""
        distance = torch.cdist(
            row_centres,
            centres,
            # The matrix product's rounding would part a query from itself.
            compute_mode='donot_use_mm_for_euclid_dist',
        )  # (B, n, Q) metres
        return F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=-slope * distance[:, None],  # (B, H, n, Q)
            dropout_p=self.dropout.p if self.training else 0.0,
        )
