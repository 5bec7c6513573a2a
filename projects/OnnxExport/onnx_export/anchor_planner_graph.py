"""SparseOccVLA's planner as a graph: scorer, DDIM steps and the choice."""

import torch
from torch import Tensor, nn

from mmocc.models.planners import AnchorDiffusionPlanner
from mmocc.models.planners.anchor_diffusion_planner import NEEDS_LLM
from mmocc.models.planners.condition_memory import ConditionExtras
from mmocc.models.planners.denoising_head import DenoisingHead
from mmocc.structures.sparse_occ import SparseOccFeatures

# Metres; about the reach of Occ3D's grid.
EXAMPLE_REACH = 20.0


class AnchorPlannerGraph(nn.Module):
    """``AnchorDiffusionPlanner.predict`` with tensors in and out.

    B frames, Q occupancy queries of width D, A anchors, K of them denoised
    (``planner.denoise``), T steps. The walk of DDIM is unrolled; its noise is
    a constant of the graph.

    Args:
        planner (AnchorDiffusionPlanner): With its weights and anchors.

    Attributes:
        inputs (tuple[str, ...]): What the planner reads of ``reasoning``,
            ``features``, ``centres``, ``status`` and ``global_tokens``.

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
        if isinstance(head, DenoisingHead) and head.ddim.noise == 'random':
            raise ValueError(
                "planner.diffusion.noise is 'random', drawn from the name of "
                "the frame, which a graph does not know; set it to 'fixed' or "
                "'zero'"
            )
        if memory.command != 'none' or memory.meta != 'none':
            raise ValueError(
                f'planner.condition has command={memory.command!r} and '
                f'meta={memory.meta!r}, which are not exported; set both to '
                "'none'"
            )
        self.planner = planner
        scores_ego = planner.score_ego or planner.score_source == 'mlp_no_llm'
        occ = memory.reads('occ') or planner.score_source == 'mlp_no_llm'
        read = dict(
            reasoning=planner.score_source in NEEDS_LLM
            or memory.reads('reasoning'),
            features=occ,
            centres=occ,
            status=memory.reads('ego') or scores_ego,
            global_tokens=memory.reads('global_tokens'),
        )
        self.inputs = tuple(name for name, wanted in read.items() if wanted)

    def forward(
        self, *values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Plan.

        Args:
            values (Tensor): In the order of ``inputs``: ``reasoning``, as
                ``planner.score_source`` wants it; ``features`` (B, Q, D) and
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
        plan = self.planner.predict(
            given.get('reasoning'),
            occ,
            given.get('status'),
            ConditionExtras(global_tokens=given.get('global_tokens')),
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
        """Random inputs of one frame, for tracing and for comparisons."""
        planner = self.planner
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(1, *shape, generator=generator)

        anchors = len(planner.bank)
        reasoning = dict(
            anchor_tokens=(anchors, planner.reasoning_dims),
            answer_logits=(anchors,),
        ).get(planner.score_source, (planner.reasoning_dims,))
        every = dict(
            reasoning=draw(*reasoning),
            features=draw(num_queries, planner.memory.widths.get('occ', 1)),
            centres=EXAMPLE_REACH * draw(num_queries, 3),
            status=draw(len(planner.memory.ego_scales)),
            global_tokens=draw(num_global, planner.reasoning_dims),
        )
        return {name: every[name] for name in self.inputs}
