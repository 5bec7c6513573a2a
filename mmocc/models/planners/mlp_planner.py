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
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY, STEP_SECONDS

# Ours: keep the inputs of the MLP near 1. m/s, then m.
SPEED_SCALE = 10.0
DISTANCE_SCALE = 10.0
META_EMBEDDINGS = ('hard', 'soft', 'none')


@MODELS.register_module()
class MLPPlanner(BaseModule):
    """Meta-action, ego motion and visual tokens to a trajectory.

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
        num_heads (int): Of the cross-attention. Defaults to 8.
        use_velocity (bool): Feed the current velocity. Defaults to True.
        use_ego_history (bool): Feed the poses of the past 2 s (Table 5).
            Defaults to True.
        use_visual_tokens (bool): Defaults to True.
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

    def forward(
        self,
        visual_tokens: Tensor,
        speed_scores: Tensor,
        direction_scores: Tensor,
        data_samples: list[OccDataSample],
    ) -> Tensor:
        """Plan.

        Args:
            visual_tokens (Tensor): (B, n_image, D).
            speed_scores (Tensor): (B, 3) probabilities.
            direction_scores (Tensor): (B, 6) probabilities.
            data_samples (list[OccDataSample]): With ``gt_ego.status`` and
                its history; nothing of the future is read.

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
            velocity = self._velocity(data_samples).to(weight)
            if self.use_velocity:
                features.append(velocity / SPEED_SCALE)
            if self.use_ego_history:
                features.append(self._history(data_samples).to(weight))
            steps = self.mlp(torch.cat(features, dim=-1))
            steps = steps.unflatten(-1, (NUM_FUTURE, 2))
            if self.residual:
                steps = steps + velocity[:, None] * STEP_SECONDS
            return steps.cumsum(dim=1)

    def loss(
        self,
        visual_tokens: Tensor,
        speed_scores: Tensor,
        direction_scores: Tensor,
        data_samples: list[OccDataSample],
    ) -> dict[str, Tensor]:
        """Mean squared error in metres over the steps that exist.

        Returns:
            dict[str, Tensor]: ``loss_plan``.
        """
        plan = self(
            visual_tokens, speed_scores, direction_scores, data_samples
        )
        egos = [sample.gt_ego for sample in data_samples]
        truth = torch.stack([ego.fut_trajs for ego in egos]).to(plan)
        mask = torch.stack([ego.fut_masks for ego in egos]).to(plan)
        squared = (plan - truth).square().sum(dim=-1) * mask
        loss = global_mean(squared.sum(), mask.sum())
        return dict(loss_plan=self.loss_weight * loss)

    def predict(
        self,
        visual_tokens: Tensor,
        speed_scores: Tensor,
        direction_scores: Tensor,
        data_samples: list[OccDataSample],
    ) -> list[BaseDataElement]:
        """One trajectory a frame, as ``pred_ego``."""
        plans = self(
            visual_tokens, speed_scores, direction_scores, data_samples
        )
        return [
            BaseDataElement(trajs=plan[None], scores=plan.new_ones(1))
            for plan in plans.detach()
        ]

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
        """What visual tokens (B, n, D) say, (B, hidden_dims)."""
        tokens = self.visual_project(self.visual_norm(tokens))
        query = self.query.expand(len(tokens), -1)
        if meta is not None:
            query = meta + query
        pooled, _ = self.attention(query[:, None], tokens, tokens)
        return pooled[:, 0]

    @staticmethod
    def _velocity(data_samples: list[OccDataSample]) -> Tensor:
        """Current velocity in the ego frame, (B, 2) m/s."""
        columns = [EGO_STATUS.index('vx'), EGO_STATUS.index('vy')]
        return torch.stack([s.gt_ego.status[columns] for s in data_samples])

    @staticmethod
    def _history(data_samples: list[OccDataSample]) -> Tensor:
        """Past poses and which of them exist, (B, 16), scaled."""
        rows = []
        for sample in data_samples:
            poses, known = sample.gt_ego.his_trajs, sample.gt_ego.his_masks
            scaled = torch.cat(
                [poses[:, :2] / DISTANCE_SCALE, poses[:, 2:]], dim=-1
            )
            known = known.to(scaled)[:, None]
            rows.append(torch.cat([scaled * known, known], dim=-1).flatten())
        return torch.stack(rows)
