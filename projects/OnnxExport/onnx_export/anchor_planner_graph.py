"""SparseOccVLA's planner as a graph: scorer, DDIM steps and choice."""

import torch
from torch import Tensor, nn

from mmocc.models.planners import AnchorDiffusionPlanner, DenoisingHead
from mmocc.structures.scene_features import SceneFeatures
from mmocc.structures.sparse_occ import SparseOccFeatures

# What a planner may read as ``reasoning``.
REASONING = ('reasoning_token', 'anchor_tokens', 'answer_logits')
# Metres; about the reach of Occ3D's grid.
EXAMPLE_REACH = 20.0


class AnchorPlannerGraph(nn.Module):
    """``AnchorDiffusionPlanner.predict`` with tensors in and out.

    B frames, Q occupancy queries of width D, A anchors, K of them denoised
    (``planner.denoise``), T steps. The steps of DDIM are unrolled; the noise
    is a constant of the graph.

    Args:
        planner (AnchorDiffusionPlanner): Planner with its weights and
            anchors.

    Attributes:
        inputs (tuple[str, ...]): Names of the inputs that the planner reads,
            out of ``reasoning``, ``features``, ``centres``, ``status`` and
            ``global_tokens``.

    Raises:
        ValueError: If its noise is another for each frame, or it reads what
            derives from the future.
    """

    outputs = (
        'trajectory',
        'scores',
        'chosen',
        'candidates',
        'candidate_index',
    )
    free = {}

    def __init__(self, planner: AnchorDiffusionPlanner) -> None:
        super().__init__()
        head, memory = planner.head, planner.memory
        if isinstance(head, DenoisingHead) and head.schedule.noise == 'random':
            raise ValueError(
                "planner.head.schedule.noise is 'random', drawn from the "
                'name of the frame, which a graph does not know; set it to '
                "'fixed' or "
                "'zero'"
            )
        if memory.command != 'none' or memory.meta != 'none':
            raise ValueError(
                f'planner.condition has command={memory.command!r} and '
                f'meta={memory.meta!r}, which are not exported; set both to '
                "'none'"
            )
        self.planner = planner
        reads = planner.reads
        if 'visual_tokens' in reads:
            raise ValueError(
                'the planner reads visual_tokens, which are not exported; '
                f'switch them off: {reads["visual_tokens"]}'
            )
        read = dict(
            reasoning=any(name in reads for name in REASONING),
            features='occ_queries' in reads,
            centres='occ_queries' in reads,
            status='ego_status' in reads,
            global_tokens='overview_tokens' in reads,
        )
        self.inputs = tuple(name for name, wanted in read.items() if wanted)

    def forward(
        self, *values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Plan the trajectory of the next 3 s.

        Args:
            values (Tensor): In the order of ``inputs``: ``reasoning``, as
                ``planner.scorer`` reads it; ``features`` (B, Q, D) and
                ``centres`` (B, Q, 3) metres, of the encoder; ``status``
                (B, ego_dims), in m, s and rad, unscaled; ``global_tokens``
                (B, G, D_l).

        Returns:
            tuple: Trajectory (B, T, 2) in metres, scores (B, A), the chosen
            anchor (B,), candidates (B, K, T, 2), the best first, and their
            anchors (B, K).
        """
        given = dict(zip(self.inputs, values, strict=True))
        occ = None
        if 'features' in given:
            centres = given['centres']
            occ = SparseOccFeatures(
                features=given['features'],
                centres=centres,
                spread=torch.zeros_like(centres),  # planners do not read it
                layers=[],
                initial_points=centres[:, :, None],
            )
        fields = {
            name: given['reasoning']
            for name in REASONING
            if name in self.planner.reads
        }
        plan = self.planner(
            SceneFeatures(
                occ_queries=occ,
                ego_status=given.get('status'),
                overview_tokens=given.get('global_tokens'),
                **fields,
            )
        )
        return (
            plan.trajectory,
            plan.scores,
            plan.chosen,
            plan.candidates,
            plan.candidate_index,
        )

    def example(
        self, num_queries: int, num_global: int, seed: int = 0
    ) -> dict[str, Tensor]:
        """Make random inputs of one frame, for tracing and comparisons."""
        planner = self.planner
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(1, *shape, generator=generator)

        reasoning = (planner.sizes.token_dims,)
        if 'anchor_tokens' in planner.reads:
            reasoning = (len(planner.bank), planner.sizes.token_dims)
        if 'answer_logits' in planner.reads:
            reasoning = (len(planner.bank),)
        every = dict(
            reasoning=draw(*reasoning),
            features=draw(num_queries, planner.sizes.occ_dims),
            centres=EXAMPLE_REACH * draw(num_queries, 3),
            status=draw(planner.sizes.ego_dims),
            global_tokens=draw(num_global, planner.sizes.token_dims),
        )
        return {name: every[name] for name in self.inputs}
