"""OccVLA's planner as a graph of tensors."""

import torch
from torch import Tensor, nn

from mmocc.models.planners import MLPPlanner
from mmocc.structures import DIRECTIONS, EGO_STATUS, SPEEDS
from mmocc.structures.occ3d import NUM_HISTORY


class MLPPlannerGraph(nn.Module):
    """``MLPPlanner`` with tensors in and out.

    B frames, N visual tokens of width D. Inputs that the config switches off
    are there all the same, and are not read.

    Args:
        planner (MLPPlanner): Planner with its weights.
        embed_dims (int): Width of the visual tokens, D.
    """

    inputs = (
        'visual_tokens',
        'speed_scores',
        'direction_scores',
        'status',
        'his_trajs',
        'his_masks',
    )
    outputs = ('trajectory',)
    # Whatever the number of cameras.
    free = {'visual_tokens': {1: 'num_tokens'}}

    def __init__(self, planner: MLPPlanner, embed_dims: int) -> None:
        super().__init__()
        self.planner = planner
        self.embed_dims = embed_dims

    def forward(
        self,
        visual_tokens: Tensor,
        speed_scores: Tensor,
        direction_scores: Tensor,
        status: Tensor,
        his_trajs: Tensor,
        his_masks: Tensor,
    ) -> tuple[Tensor]:
        """Plan the trajectory of the next 3 s.

        Args:
            visual_tokens (Tensor): (B, N, D), the language model's last
                hidden states of the image tokens.
            speed_scores (Tensor): (B, 3) probabilities in the order of
                ``SPEEDS``.
            direction_scores (Tensor): (B, 6) likewise of ``DIRECTIONS``.
            status (Tensor): (B, 7) in the order of ``EGO_STATUS``; m/s, m/s2,
                rad/s, rad.
            his_trajs (Tensor): (B, 4, 3) x, y in metres and yaw, in the ego
                frame, at -2.0, -1.5, -1.0 and -0.5 s.
            his_masks (Tensor): (B, 4), 1 where a past pose is known, else 0.

        Returns:
            tuple: (B, 6, 2) metres in the ego frame, at 0.5 .. 3.0 s.
        """
        plan = self.planner(
            visual_tokens,
            speed_scores,
            direction_scores,
            status,
            his_trajs,
            his_masks,
        )
        return (plan,)

    def example(self, num_tokens: int, seed: int = 0) -> dict[str, Tensor]:
        """Make random inputs of one frame, for tracing and comparisons."""
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(1, *shape, generator=generator)

        return dict(
            visual_tokens=draw(num_tokens, self.embed_dims),
            speed_scores=draw(len(SPEEDS)).softmax(dim=-1),
            direction_scores=draw(len(DIRECTIONS)).softmax(dim=-1),
            status=draw(len(EGO_STATUS)),
            his_trajs=draw(NUM_HISTORY, 3),
            his_masks=torch.ones(1, NUM_HISTORY),
        )
