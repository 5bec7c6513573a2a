"""Sizes that all parts of a planner share."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlannerSizes:
    """Numbers of anchors and widths, handed to each part when it is built.

    Attributes:
        num_anchors (int): Anchors A.
        num_steps (int): Steps T of a trajectory, 0.5 s each.
        embed_dims (int): Width D inside the planner.
        num_heads (int): Attention heads H.
        num_blocks (int): Blocks L of the network that refines anchors.
        occ_dims (int): Width C of an occupancy query.
        ego_dims (int): Numbers E of the ego status.
        token_dims (int): Width D_l of the language model.
    """

    num_anchors: int
    num_steps: int
    embed_dims: int
    num_heads: int
    num_blocks: int
    occ_dims: int
    ego_dims: int
    token_dims: int
