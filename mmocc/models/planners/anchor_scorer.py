"""Scores of anchors: from what a language model says, or from the scene.

SparseOccVLA scores anchors apart from denoising them: all scorers but
``DenoisedScorer`` read clean anchors only.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.registry import MODELS
from mmocc.structures.scene_features import SceneFeatures


class AnchorScorer(BaseModule, ABC):
    """Features of the scene and anchors to logits (B, A).

    Attributes:
        reads (dict[str, str]): Fields of ``SceneFeatures`` that are read, and
            why.
        reads_denoised (bool): Whether the scores come from the states of
            denoised anchors, which then all have to be denoised.
    """

    reads: ClassVar[dict[str, str]] = {}
    reads_denoised = False

    @abstractmethod
    def forward(
        self,
        scene: SceneFeatures,
        anchors: Tensor,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """Score the anchors.

        Args:
            scene (SceneFeatures): B frames; the ego status is scaled to be
                near 1.
            anchors (Tensor): (A, T, 2) clean and normalised.
            hidden (Tensor, optional): (..., A, D) last states of denoised
                anchors; given where ``reads_denoised``.

        Returns:
            Tensor: (B, A) logits; (..., A) from ``hidden``.
        """


class GuidedScorer(AnchorScorer):
    """Compare a guide vector with each anchor.

    s_k = MLP([g; u_k; g * P u_k]) with g the normalised projection of the
    guide and u_k an embedding of the clean anchor. The ego status, where it
    is read, is projected and normalised apart and added to g: reasoning
    tokens of different frames are nearly the same at the start, and would
    drown it. Ours: the paper's figure shows a scorer between reasoning token
    and anchors, not its inside.

    Args:
        sizes (PlannerSizes): Numbers of anchors and widths.
        guide_dims (int): Width G of the guide.
        with_ego (bool): Read the ego status beside the guide. Defaults to
            False.
        pool (nn.Module, optional): Makes the guide in a subclass; kept as the
            first child. Defaults to None.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        guide_dims: int,
        with_ego: bool = False,
        pool: nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if pool is not None:
            self.pool = pool
        embed_dims = sizes.embed_dims
        self.guide = nn.Sequential(
            nn.Linear(guide_dims, embed_dims), nn.LayerNorm(embed_dims)
        )
        self.ego = None
        if with_ego:
            self.ego = nn.Sequential(
                nn.Linear(sizes.ego_dims, embed_dims), nn.LayerNorm(embed_dims)
            )
        self.anchor = nn.Sequential(
            nn.Linear(sizes.num_steps * 2, embed_dims),
            nn.GELU(),
            nn.Linear(embed_dims, embed_dims),
        )
        self.partner = nn.Linear(embed_dims, embed_dims, bias=False)
        self.hidden = nn.Linear(3 * embed_dims, embed_dims)
        self.logit = score_layer(embed_dims, sizes.num_anchors)

    def compare(
        self, guide: Tensor, anchors: Tensor, ego: Tensor | None = None
    ) -> Tensor:
        """Score anchors against a guide.

        Args:
            guide (Tensor): (B, G), or (B, A, G) with one for each anchor.
            anchors (Tensor): (A, T, 2) clean and normalised.
            ego (Tensor, optional): (B, E) scaled ego status, with
                ``with_ego``.

        Returns:
            Tensor: (B, A) logits.
        """
        guide = self.guide(guide.to(self.logit.weight.dtype))
        if guide.ndim == 2:
            guide = guide[:, None]  # (B, 1, D)
        if self.ego is not None:
            guide = guide + self.ego(ego.to(guide))[:, None]
        anchor = self.anchor(anchors.flatten(1))[None]  # (1, A, D)
        features = torch.broadcast_tensors(
            guide, anchor, guide * self.partner(anchor)
        )
        hidden = self.hidden(torch.cat(features, dim=-1))  # (B, A, D)
        return self.logit(nn.functional.gelu(hidden)).squeeze(-1)


@MODELS.register_module()
class ReasoningScorer(GuidedScorer):
    """Score anchors by the reasoning token of a language model (B, D_l).

    Args:
        sizes (PlannerSizes): Given by the planner.
        with_ego (bool): Read the ego status as well, for models whose prompt
            does not tell the speed. The paper's figure does not show it.
            Defaults to False.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    field = 'reasoning_token'

    def __init__(
        self,
        sizes: PlannerSizes,
        with_ego: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(sizes, sizes.token_dims, with_ego, init_cfg=init_cfg)
        self.shape = (sizes.token_dims,)
        self.reads = {
            self.field: 'planner.scorer reads the language model; choose '
            "type='SceneScorer' or 'DenoisedScorer'"
        }
        if with_ego:
            self.reads['ego_status'] = 'planner.scorer.with_ego is on'

    def forward(
        self,
        scene: SceneFeatures,
        anchors: Tensor,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """See the base class."""
        guide = scene.require(
            self.field, 'planner.scorer', (scene.batch_size, *self.shape)
        )
        ego = None
        if self.ego is not None:
            ego = scene.require('ego_status', 'planner.scorer.with_ego')
        return self.compare(guide, anchors, ego)


@MODELS.register_module()
class AnchorTokenScorer(ReasoningScorer):
    """Score each anchor by its own token in a language model (B, A, D_l).

    Args:
        sizes (PlannerSizes): Given by the planner.
        with_ego (bool): As for ``ReasoningScorer``. Defaults to False.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    field = 'anchor_tokens'

    def __init__(
        self,
        sizes: PlannerSizes,
        with_ego: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(sizes, with_ego, init_cfg)
        self.shape = (sizes.num_anchors, sizes.token_dims)


@MODELS.register_module()
class AnswerLogitScorer(AnchorScorer):
    """Take a language model's logits of A letters (B, A) as the scores.

    Args:
        sizes (PlannerSizes): Given by the planner.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    reads: ClassVar[dict[str, str]] = dict(
        answer_logits='planner.scorer reads the language model; choose '
        "type='SceneScorer' or 'DenoisedScorer'"
    )

    def __init__(
        self, sizes: PlannerSizes, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.num_anchors = sizes.num_anchors

    def forward(
        self,
        scene: SceneFeatures,
        anchors: Tensor,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """See the base class."""
        return scene.require(
            'answer_logits',
            'planner.scorer',
            (scene.batch_size, self.num_anchors),
        )


@MODELS.register_module()
class SceneScorer(GuidedScorer):
    """Score anchors by the mean of the scene's tokens and the ego status.

    Args:
        sizes (PlannerSizes): Given by the planner.
        source (str): ``occ_queries``, which needs no language model, or
            ``visual_tokens``. Defaults to 'occ_queries'.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If ``source`` is unknown.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        source: str = 'occ_queries',
        init_cfg: dict | None = None,
    ) -> None:
        widths = dict(
            occ_queries=sizes.occ_dims, visual_tokens=sizes.token_dims
        )
        if source not in widths:
            raise ValueError(
                f'planner.scorer.source is {source!r}, expected one of '
                f'{tuple(widths)}'
            )
        embed_dims = sizes.embed_dims
        pool = nn.Sequential(
            nn.Linear(widths[source] + sizes.ego_dims, embed_dims),
            nn.GELU(),
            nn.Linear(embed_dims, embed_dims),
        )
        super().__init__(sizes, embed_dims, pool=pool, init_cfg=init_cfg)
        self.source = source
        self.reads = {
            source: 'planner.scorer pools them',
            'ego_status': 'planner.scorer reads it; choose another type',
        }

    def forward(
        self,
        scene: SceneFeatures,
        anchors: Tensor,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """See the base class."""
        ego = scene.require('ego_status', 'planner.scorer')  # (B, E)
        tokens = scene.require(self.source, 'planner.scorer')
        if self.source == 'occ_queries':
            tokens = tokens.features
        pooled = tokens.mean(dim=1).to(ego)  # (B, C) or (B, D_l)
        return self.compare(
            self.pool(torch.cat([pooled, ego], dim=-1)), anchors
        )


@MODELS.register_module()
class DenoisedScorer(AnchorScorer):
    """Score anchors by the denoiser's last states, as in DiffusionDrive.

    Args:
        sizes (PlannerSizes): Given by the planner.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    reads_denoised = True

    def __init__(
        self, sizes: PlannerSizes, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.norm = nn.LayerNorm(sizes.embed_dims)
        self.logit = score_layer(sizes.embed_dims, sizes.num_anchors)

    def forward(
        self,
        scene: SceneFeatures,
        anchors: Tensor,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """See the base class."""
        return self.logit(self.norm(hidden)).squeeze(-1)


def score_layer(embed_dims: int, num_anchors: int) -> nn.Linear:
    """Make a layer to one logit, which starts at the odds 1 : A - 1."""
    layer = nn.Linear(embed_dims, 1)
    nn.init.constant_(layer.bias, -math.log(max(num_anchors - 1, 1)))
    return layer
