"""OccVLA's planning head (paper Sec. 3.3, "Planning Head").

An MLP turns a meta-action, the ego motion and visual tokens of the language
model into positions for the next 3 s. It follows the shape of BEV-Planner's
ego MLP (Li et al., CVPR 2024), which the paper cites. No navigation command
enters.
"""

import torch
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmocc.models.losses.global_mean import global_mean
from mmocc.registry import MODELS
from mmocc.structures import DIRECTIONS, EGO_STATUS, SPEEDS, OccDataSample
from mmocc.structures.meta_action import meta_action_marginals
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY, STEP_SECONDS
from mmocc.structures.scene_features import SceneFeatures

# Ours: keep the inputs of the MLP near 1. m/s, then m.
SPEED_SCALE = 10.0
DISTANCE_SCALE = 10.0
VELOCITY = [EGO_STATUS.index('vx'), EGO_STATUS.index('vy')]
META_EMBEDDINGS = ('hard', 'soft', 'none')


@MODELS.register_module()
class MLPPlanner(BaseModule):
    """Plan by an MLP of meta-action, ego motion and visual tokens.

    One cross-attention pools the visual tokens: its query is the meta-action
    embedding plus a learned vector. An MLP maps [pooled tokens | embedding |
    velocity | history] to displacements, whose cumulative sum is the plan.
    Flattening 1536 tokens of width 2304 into an MLP, as the paper's words
    could be read, would take 1.8 billion weights. It is computed in float32
    also under autocast, as half precision cannot tell decimetres apart at
    40 m.

    Where the paper is silent: how tokens are pooled, the widths, and that
    displacements, not positions, are predicted.

    Args:
        embed_dims (int): Width D of the visual tokens.
        hidden_dims (int): Width of the MLP. Defaults to 512.
        num_heads (int): Heads of the cross-attention. Defaults to 8.
        use_velocity (bool): Feed the current velocity. Defaults to True.
        use_ego_history (bool): Feed the poses of the past 2 s (Table 5).
            Defaults to True.
        use_visual_tokens (bool): Attend to the visual tokens. Defaults to
            True.
        meta_embedding (str): ``hard`` embeds the likeliest speed and
            direction, ``soft`` their expectation, ``none`` leaves the
            meta-action out. Defaults to 'hard'.
        residual (bool): Predict the difference to driving on at the current
            velocity, in place of the whole displacement. Ours, for small
            data. Defaults to False.
        loss_weight (float): Factor on the loss. Defaults to 1.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If ``meta_embedding`` is unknown, or nothing is read.
    """

    # The config key that holds the width of the language model.
    token_width_key = 'embed_dims'

    def __init__(
        self,
        embed_dims: int,
        hidden_dims: int = 512,
        num_heads: int = 8,
        use_velocity: bool = True,
        use_ego_history: bool = True,
        use_visual_tokens: bool = True,
        meta_embedding: str = 'hard',
        residual: bool = False,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if meta_embedding not in META_EMBEDDINGS:
            raise ValueError(
                f'planner.meta_embedding is {meta_embedding!r}, expected one '
                f'of {META_EMBEDDINGS}'
            )
        with_meta = meta_embedding != 'none'
        if not (
            with_meta or use_velocity or use_ego_history or use_visual_tokens
        ):
            raise ValueError(
                'the planner has nothing to read; switch on '
                'planner.meta_embedding, use_velocity, use_ego_history or '
                'use_visual_tokens'
            )
        self.use_velocity = use_velocity
        self.use_ego_history = use_ego_history
        self.use_visual_tokens = use_visual_tokens
        self.meta_embedding = meta_embedding
        self.residual = residual
        self.loss_weight = loss_weight

        # What is not read has no weights: those without a gradient would stop
        # distributed training.
        input_dims = 0
        if with_meta:
            self.speed_embed = nn.Linear(len(SPEEDS), hidden_dims, bias=False)
            self.direction_embed = nn.Linear(
                len(DIRECTIONS), hidden_dims, bias=False
            )
            input_dims += hidden_dims
        if use_visual_tokens:
            self.query = nn.Parameter(torch.zeros(hidden_dims))
            self.visual_norm = nn.LayerNorm(embed_dims)
            self.visual_project = nn.Linear(embed_dims, hidden_dims)
            self.attention = nn.MultiheadAttention(
                hidden_dims, num_heads, batch_first=True
            )
            input_dims += hidden_dims
        input_dims += 2 * use_velocity
        # x, y, yaw and a flag for each past pose.
        input_dims += 4 * NUM_HISTORY * use_ego_history
        self.mlp = nn.Sequential(
            nn.Linear(input_dims, hidden_dims),
            nn.ReLU(),
            nn.Linear(hidden_dims, hidden_dims),
            nn.ReLU(),
            nn.Linear(hidden_dims, 2 * NUM_FUTURE),
        )

    @property
    def reads(self) -> dict[str, str]:
        """Fields of ``SceneFeatures`` that are read, and by which key."""
        reads = {}
        if self.use_visual_tokens:
            reads['visual_tokens'] = 'planner.use_visual_tokens is on'
        if self.meta_embedding != 'none':
            reads['meta_action'] = "planner.meta_embedding is not 'none'"
        if self.use_velocity or self.residual:
            reads['ego_status'] = (
                'planner.use_velocity or planner.residual is on'
            )
        if self.use_ego_history:
            reads['ego_history'] = 'planner.use_ego_history is on'
        return reads

    def forward(
        self,
        visual_tokens: Tensor | None,
        speed_scores: Tensor | None,
        direction_scores: Tensor | None,
        ego_status: Tensor | None,
        ego_history: Tensor | None,
        ego_history_mask: Tensor | None,
    ) -> Tensor:
        """Plan from tensors alone; those that are not read may be None.

        Args:
            visual_tokens (Tensor, optional): (B, n, D) last hidden states.
            speed_scores (Tensor, optional): (B, 3) probabilities.
            direction_scores (Tensor, optional): (B, 6) probabilities.
            ego_status (Tensor, optional): (B, 7), see ``EGO_STATUS``.
            ego_history (Tensor, optional): (B, 4, 3) past x, y and yaw.
            ego_history_mask (Tensor, optional): (B, 4), 1 where known.

        Returns:
            Tensor: (B, 6, 2) positions in metres, ego frame.
        """
        weight = self.mlp[0].weight
        meta, features = None, []
        with torch.autocast(weight.device.type, enabled=False):
            if self.meta_embedding != 'none':
                meta = self._embed_meta(speed_scores, direction_scores)
                features.append(meta)
            if self.use_visual_tokens:
                features.append(self._pool(visual_tokens.to(weight), meta))
            if self.use_velocity or self.residual:
                velocity = ego_status[:, VELOCITY].to(weight)  # (B, 2) m/s
            if self.use_velocity:
                features.append(velocity / SPEED_SCALE)
            if self.use_ego_history:
                past = _scale_history(ego_history, ego_history_mask)
                features.append(past.to(weight))  # (B, 16)
            steps = self.mlp(torch.cat(features, dim=-1))
            steps = steps.unflatten(-1, (NUM_FUTURE, 2))  # displacements, m
            if self.residual:
                steps = steps + velocity[:, None] * STEP_SECONDS
            return steps.cumsum(dim=1)

    def loss(
        self, scene: SceneFeatures, data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Mean squared error in metres over the steps that exist.

        Args:
            scene (SceneFeatures): B frames, with the fields of ``reads``.
            data_samples (list[OccDataSample]): With ``gt_ego.fut_trajs``.

        Returns:
            dict[str, Tensor]: ``loss_plan``.
        """
        plan = self._plan(scene)  # (B, 6, 2)
        egos = [sample.gt_ego for sample in data_samples]
        truth = torch.stack([ego.fut_trajs for ego in egos]).to(plan)
        mask = torch.stack([ego.fut_masks for ego in egos]).to(plan)
        squared = (plan - truth).square().sum(dim=-1) * mask
        loss = global_mean(squared.sum(), mask.sum())
        return dict(loss_plan=self.loss_weight * loss)

    def predict(
        self, scene: SceneFeatures, data_samples: list[OccDataSample]
    ) -> list[BaseDataElement]:
        """Plan each frame.

        Args:
            scene (SceneFeatures): B frames, with the fields of ``reads``.
            data_samples (list[OccDataSample]): Not read.

        Returns:
            list[BaseDataElement]: ``pred_ego`` of each frame: one trajectory,
            ``trajs`` (1, 6, 2), with the score 1.
        """
        return [
            BaseDataElement(trajs=plan[None], scores=plan.new_ones(1))
            for plan in self._plan(scene).detach()
        ]

    def _plan(self, scene: SceneFeatures) -> Tensor:
        """Plan from the features of a scene, (B, 6, 2)."""
        given = {name: scene.require(name, 'planner') for name in self.reads}
        speeds = directions = None
        if self.meta_embedding != 'none':
            pairs = given['meta_action']  # (B, 18)
            if self.meta_embedding == 'hard':
                # The likeliest pair need not hold the likeliest speed.
                best = nn.functional.one_hot(
                    pairs.argmax(dim=-1), pairs.shape[-1]
                )
                pairs = best.to(pairs)
            speeds, directions = meta_action_marginals(pairs)
        return self(
            given.get('visual_tokens'),
            speeds,
            directions,
            given.get('ego_status'),
            given.get('ego_history'),
            scene.ego_history_mask,
        )

    def _embed_meta(
        self, speed_scores: Tensor, direction_scores: Tensor
    ) -> Tensor:
        """Embed the meta-action, (B, hidden_dims)."""
        parts = []
        for table, scores in (
            (self.speed_embed, speed_scores),
            (self.direction_embed, direction_scores),
        ):
            if self.meta_embedding == 'hard':
                scores = nn.functional.one_hot(
                    scores.argmax(dim=-1), scores.shape[-1]
                )
            parts.append(table(scores.to(table.weight.dtype)))
        return parts[0] + parts[1]

    def _pool(self, tokens: Tensor, meta: Tensor | None) -> Tensor:
        """Pool visual tokens (B, n, D) by one query, (B, hidden_dims)."""
        tokens = self.visual_project(self.visual_norm(tokens))
        query = self.query.expand(len(tokens), -1)
        if meta is not None:
            query = meta + query
        pooled, _ = self.attention(query[:, None], tokens, tokens)
        return pooled[:, 0]


def _scale_history(poses: Tensor, known: Tensor) -> Tensor:
    """Scale past poses (B, 4, 3) and append which exist: (B, 16)."""
    scaled = torch.cat([poses[..., :2] / DISTANCE_SCALE, poses[..., 2:]], -1)
    known = known.to(scaled)[..., None]
    return torch.cat([scaled * known, known], dim=-1).flatten(1)
