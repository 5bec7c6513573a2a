"""Residual fusion of a language model's states with occupancy queries."""

from mmengine.model import BaseModule
from torch import Tensor, nn

FUSIONS = ('residual', 'encoder', 'llm')


class ResidualFusion(BaseModule):
    """Fuse ``f' = f + MLP(LN(h))``, the last layer zero at the start.

    So a forecaster starts from the encoder's queries, whatever a language
    model says. SparseOccVLA's overview figure draws this "residual fusion";
    its form is ours.

    Args:
        embed_dims (int): Width C of the encoder's queries.
        llm_dims (int): Width D of the language model.
        mode (str): ``residual``; ``encoder`` for f alone, which needs no
            language model; ``llm`` for the MLP alone, drawn as usual (the
            paper's ablation of the residual query).
    """

    def __init__(
        self, embed_dims: int, llm_dims: int, mode: str = 'residual'
    ) -> None:
        super().__init__()
        if mode not in FUSIONS:
            raise ValueError(
                f'forecaster.fusion is {mode!r}, expected one of {FUSIONS}'
            )
        self.mode = mode
        if mode == 'encoder':
            return
        self.project = nn.Sequential(
            nn.LayerNorm(llm_dims),
            nn.Linear(llm_dims, embed_dims),
            nn.GELU(),
            nn.Linear(embed_dims, embed_dims),
        )
        if mode == 'residual':
            nn.init.zeros_(self.project[-1].weight)
            nn.init.zeros_(self.project[-1].bias)

    def forward(self, features: Tensor, hidden: Tensor | None) -> Tensor:
        """Add projected language states to the encoder's queries.

        Args:
            features (Tensor): (B, Q, C) of the encoder.
            hidden (Tensor or None): (B, Q, D) of the language model at the
                same queries; not read in mode ``encoder``.

        Returns:
            Tensor: (B, Q, C).
        """
        if self.mode == 'encoder':
            return features
        projected = self.project(hidden)  # (B, Q, C)
        return projected if self.mode == 'llm' else features + projected
