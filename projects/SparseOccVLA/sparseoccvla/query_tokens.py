"""Occupancy queries as tokens of a language model."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.layers.sine_code import octave_phases
from mmocc.structures.occ3d import POINT_CLOUD_RANGE
from mmocc.structures.sparse_occ import SparseOccFeatures

GLOBAL_INITS = ('learned', 'max_pool')


class QueryTokens(BaseModule):
    """Turn each occupancy query into a token, and add a few global tokens.

    A query's feature meets a sine and cosine code of where its points are and
    how far they spread, at wavelengths that halve from twice the range (the
    code of NeRF, Mildenhall et al., ECCV 2020). Geometry takes no gradient
    from language. Global queries start from learned vectors, and gather by
    one cross-attention over the coded queries.

    Args:
        embed_dims (int): Width C of occupancy queries.
        token_dims (int): Width D of the language model.
        num_global (int): Global queries, G.
        global_init (str): Where these start: ``learned``, or ``max_pool``,
            which adds the maximum of as many equal shares of the queries, as
            HERMES (Zhou et al., ICCV 2025) starts its world queries.
        num_octaves (int): Wavelengths of the position code.
        num_heads (int): Heads of the cross-attention.
        point_cloud_range (Sequence[float]): Metres; the unit of the code.
    """

    def __init__(
        self,
        embed_dims: int,
        token_dims: int,
        num_global: int,
        global_init: str = 'learned',
        num_octaves: int = 6,
        num_heads: int = 8,
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
    ) -> None:
        super().__init__()
        if global_init not in GLOBAL_INITS:
            raise ValueError(
                f'bridge.global_init is {global_init!r}, expected one of '
                f'{GLOBAL_INITS}'
            )
        self.global_init = global_init
        limits = torch.tensor(point_cloud_range)
        self.register_buffer('minimum', limits[:3], persistent=False)
        self.register_buffer(
            'extent', limits[3:] - limits[:3], persistent=False
        )
        self.num_octaves = num_octaves
        # Centre and spread, three axes each, sine and cosine.
        self.position = nn.Linear(2 * 3 * 2 * num_octaves, embed_dims)
        self.mix = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.GELU(),
            nn.Linear(embed_dims, embed_dims),
        )
        self.project = nn.Sequential(
            nn.LayerNorm(embed_dims), nn.Linear(embed_dims, token_dims)
        )
        self.global_content = nn.Parameter(torch.randn(num_global, embed_dims))
        self.global_norm = nn.LayerNorm(embed_dims)
        self.gather = nn.MultiheadAttention(
            embed_dims, num_heads, batch_first=True
        )
        self.global_project = nn.Sequential(
            nn.LayerNorm(embed_dims), nn.Linear(embed_dims, token_dims)
        )

    def forward(self, scene: SparseOccFeatures) -> tuple[Tensor, Tensor]:
        """Turn occupancy queries into tokens of the language model.

        Args:
            scene (SparseOccFeatures): Q queries of each frame.

        Returns:
            tuple[Tensor, Tensor]: (B, Q, D) of the queries and (B, G, D).
        """
        coded = self.mix(scene.features + self._code(scene))
        content = self.global_content.expand(len(coded), -1, -1)
        if self.global_init == 'max_pool':
            content = content + F.adaptive_max_pool1d(
                coded.transpose(1, 2), content.shape[1]
            ).transpose(1, 2)
        gathered, _ = self.gather(
            self.global_norm(content), coded, coded, need_weights=False
        )
        return self.project(coded), self.global_project(content + gathered)

    def _code(self, scene: SparseOccFeatures) -> Tensor:
        """Encode centre and spread of the queries, (B, Q, C)."""
        place = torch.cat(
            [
                (scene.centres.detach() - self.minimum) / self.extent,
                scene.spread.detach() / self.extent,
            ],
            dim=-1,
        )
        phases = octave_phases(place, self.num_octaves).flatten(-2)
        return self.position(torch.cat([phases.sin(), phases.cos()], dim=-1))
