"""The network that turns noisy anchors into trajectories."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.layers.sine_code import sine_code, sine_code_dims
from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.registry import MODELS

# Ours. Waves of normalised displacements: +-2 without ambiguity, down to 0.12
# or about half a metre in a forward step.
STEP_RANGE = 4.0
STEP_FREQUENCIES = 6
# Waves of timesteps: training draws 0 .. 49.
TIME_RANGE = 400.0
TIME_FREQUENCIES = 7
# softplus(-2) = 0.13 per metre: attention falls by e after 8 m.
SPATIAL_START = -2.0

FUSIONS = ('attention', 'mean')


@MODELS.register_module()
class AnchorDenoiser(BaseModule):
    """Predict clean trajectories x0 = x + Head(h).

    Each trajectory is one token, which attends to the condition; timestep and
    ego status enter through adaptive layer norms whose gates start at zero
    (DiT, Peebles and Xie, ICCV 2023). Without ``anchor_self_attn`` no anchor
    sees another one, so any K of them can be computed alone.

    B frames, K trajectories, T steps, D width, L blocks.

    Args:
        sizes (PlannerSizes): Numbers of anchors, steps, heads and blocks, and
            the width; given by the planner.
        ffn_ratio (int): Width of the feed-forward layer over D. Defaults to
            4.
        fusion (str): ``attention`` over the condition's tokens, or their
            ``mean``. Defaults to 'attention'.
        anchor_self_attn (bool): Let all anchors of a frame see each other, as
            DiffusionDrive's nuScenes branch does. Defaults to False.
        spatial_bias (bool): Let attention to an occupancy query fall with
            its distance from the noisy trajectory. Defaults to False.
        init_cfg (dict, optional): mmengine's initialisation config.

    Attributes:
        reads_keys (bool): Whether keys and values of the condition are read;
            without a reader they are left out.
        couples_anchors (bool): Whether anchors see each other.
        needs (tuple[str, ...]): Sources of the condition that must be on.

    Raises:
        ValueError: If ``fusion`` is unknown, or there is no attention for a
            spatial bias.
    """

    reads_keys = True

    def __init__(
        self,
        sizes: PlannerSizes,
        ffn_ratio: int = 4,
        fusion: str = 'attention',
        anchor_self_attn: bool = False,
        spatial_bias: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if fusion not in FUSIONS:
            raise ValueError(
                f'planner.head.denoiser.fusion is {fusion!r}, expected one of '
                f'{FUSIONS}'
            )
        if spatial_bias and fusion != 'attention':
            raise ValueError(
                'planner.head.denoiser.spatial_bias bends attention to '
                f'occupancy queries, but fusion is {fusion!r}; set it to '
                "'attention'"
            )
        num_steps, embed_dims = sizes.num_steps, sizes.embed_dims
        self.couples_anchors = anchor_self_attn
        self.spatial_bias = spatial_bias
        self.needs = ('occ',) if spatial_bias else ()
        self.num_steps = num_steps
        self.noisy = _mlp(
            sine_code_dims(2 * num_steps, STEP_FREQUENCIES), embed_dims
        )
        self.anchor = _mlp(2 * num_steps, embed_dims)
        self.time = _mlp(sine_code_dims(1, TIME_FREQUENCIES), embed_dims)
        group = sizes.num_anchors if anchor_self_attn else None
        self.blocks = nn.ModuleList(
            DenoiserBlock(
                embed_dims,
                sizes.num_heads,
                ffn_ratio,
                group=group,
                mean=fusion == 'mean',
                spatial=spatial_bias,
            )
            for _ in range(sizes.num_blocks)
        )
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(embed_dims), nn.Linear(embed_dims, 2 * num_steps)
            )
            for _ in range(sizes.num_blocks)
        )
        for head in self.heads:
            nn.init.zeros_(head[1].weight)
            nn.init.zeros_(head[1].bias)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        anchors: Tensor,
        condition: Condition,
        latent: Tensor | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        """Predict clean trajectories from noisy ones in one pass.

        Args:
            x (Tensor): (B, K, T, 2) noisy and normalised.
            t (Tensor): (B, K) int64 timesteps.
            anchors (Tensor): (B, K, T, 2) the clean anchors behind ``x``.
            condition (Condition): Keys and values.
            latent (Tensor, optional): (B, K, D) added to the tokens. Defaults
                to None.

        Returns:
            tuple: L predictions (B, K, T, 2), the last one best, and the last
            hidden state (B, K, D).
        """
        code = sine_code(x.flatten(2), STEP_FREQUENCIES, STEP_RANGE)
        h = self.noisy(code) + self.anchor(anchors.flatten(2))  # (B, K, D)
        if latent is not None:
            h = h + latent
        time = sine_code(t[..., None].to(x), TIME_FREQUENCIES, TIME_RANGE)
        modulation = self.time(time) + condition.ego[:, None]  # (B, K, D)
        distance = self._distance(x, condition)
        predictions = []
        for i, (block, head) in enumerate(
            zip(self.blocks, self.heads, strict=True)
        ):
            h = block(
                h, modulation, condition.keys[i], condition.values[i], distance
            )
            offset = head(h).unflatten(-1, (self.num_steps, 2))
            predictions.append(x + offset)
        return predictions, h

    def _distance(self, x: Tensor, condition: Condition) -> Tensor | None:
        """Return metres to tokens, (B, K, M), 0 for those without a place."""
        if not self.spatial_bias:
            return None
        points = condition.normalizer.denormalize(x)  # (B, K, T, 2)
        centres = condition.centres[:, None, ..., :2]  # (B, 1, N, 2)
        nearest = torch.cdist(
            points,
            centres.expand(-1, points.shape[1], -1, -1),
            # The other way depends on how many anchors there are.
            compute_mode='donot_use_mm_for_euclid_dist',
        ).amin(dim=2)
        placeless = condition.keys[0].shape[2] - centres.shape[2]
        return F.pad(nearest, (0, placeless))


class DenoiserBlock(BaseModule):
    """Gated attention to the condition, then a gated feed-forward layer.

    Args:
        embed_dims (int): Width D.
        num_heads (int): Attention heads H.
        ffn_ratio (int): Width of the feed-forward layer over D.
        group (int, optional): A; anchors come in groups of A that see each
            other. None: no anchor sees another.
        mean (bool): Average the values in place of attention.
        spatial (bool): Let attention fall with distance.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        ffn_ratio: int,
        group: int | None,
        mean: bool,
        spatial: bool,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.group = group
        self.norm = nn.LayerNorm(embed_dims, elementwise_affine=False)
        # Shift, scale and gate for each of the sublayers.
        self.num_sublayers = 2 + (group is not None)
        self.modulate = nn.Sequential(
            nn.SiLU(),
            nn.Linear(embed_dims, 3 * self.num_sublayers * embed_dims),
        )
        nn.init.zeros_(self.modulate[1].weight)
        nn.init.zeros_(self.modulate[1].bias)
        self.query = None if mean else nn.Linear(embed_dims, embed_dims)
        self.out = nn.Linear(embed_dims, embed_dims)
        self.slope = None
        if spatial:
            self.slope = nn.Parameter(torch.full((num_heads,), SPATIAL_START))
        self.ffn = nn.Sequential(
            nn.Linear(embed_dims, ffn_ratio * embed_dims),
            nn.GELU(),
            nn.Linear(ffn_ratio * embed_dims, embed_dims),
        )
        if group is not None:
            self.self_attention = nn.MultiheadAttention(
                embed_dims, num_heads, batch_first=True
            )

    def forward(
        self,
        h: Tensor,
        modulation: Tensor,
        keys: Tensor,
        values: Tensor,
        distance: Tensor | None,
    ) -> Tensor:
        """Update the tokens of trajectories.

        Args:
            h (Tensor): (B, K, D) tokens.
            modulation (Tensor): (B, K, D) timestep and ego status.
            keys (Tensor): (B, H, M, D / H).
            values (Tensor): (B, H, M, D / H).
            distance (Tensor, optional): (B, K, M) metres.

        Returns:
            Tensor: (B, K, D).
        """
        parts = self.modulate(modulation).unflatten(
            -1, (self.num_sublayers, 3, -1)
        )  # (B, K, sublayers, 3, D)
        sublayers = [
            lambda q: self._cross(q, keys, values, distance),
            self.ffn,
        ]
        if self.group is not None:
            sublayers.insert(0, self._among_anchors)
        for i, sublayer in enumerate(sublayers):
            shift, scale, gate = parts[:, :, i].unbind(dim=2)
            h = h + gate * sublayer(self.norm(h) * (1 + scale) + shift)
        return h

    def _cross(
        self,
        q: Tensor,
        keys: Tensor,
        values: Tensor,
        distance: Tensor | None,
    ) -> Tensor:
        """Read the condition, (B, K, D)."""
        if self.query is None:
            mean = values.mean(dim=2).flatten(1)[:, None]  # (B, 1, D)
            return self.out(mean).expand_as(q)
        heads = self.query(q).unflatten(-1, (self.num_heads, -1))
        bias = None
        if distance is not None:
            slope = F.softplus(self.slope)[:, None, None]
            bias = (-slope * distance[:, None]).to(keys)  # (B, H, K, M)
        read = F.scaled_dot_product_attention(
            heads.transpose(1, 2).to(keys), keys, values, attn_mask=bias
        )
        return self.out(read.transpose(1, 2).flatten(2))

    def _among_anchors(self, q: Tensor) -> Tensor:
        """Let the A anchors of a draw read each other, (B, K, D)."""
        batch = len(q)
        q = q.unflatten(1, (-1, self.group)).flatten(0, 1)  # (B R, A, D)
        read, _ = self.self_attention(q, q, q, need_weights=False)
        return read.unflatten(0, (batch, -1)).flatten(1, 2)


def _mlp(input_dims: int, embed_dims: int) -> nn.Sequential:
    """Make two linear layers with SiLU between them."""
    return nn.Sequential(
        nn.Linear(input_dims, embed_dims),
        nn.SiLU(),
        nn.Linear(embed_dims, embed_dims),
    )
