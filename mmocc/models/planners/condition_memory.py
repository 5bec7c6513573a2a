"""Keys and values that trajectories attend to, computed once.

SparseOccVLA calls it cross-model trajectory-condition fusion; its figure
shows occupancy queries straight from the encoder and an MLP of the ego
status. Neither depends on anchor or timestep, so all passes over all anchors
share one set of keys and values.
"""

from dataclasses import dataclass

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.layers.sine_code import sine_code, sine_code_dims
from mmocc.models.planners.anchor_set import GT3S_COMMANDS
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.models.planners.trajectory_normalizer import TrajectoryNormalizer
from mmocc.registry import MODELS
from mmocc.structures.meta_action import (
    DIRECTIONS,
    SPEEDS,
    meta_action_marginals,
)
from mmocc.structures.scene_features import SceneFeatures

META = ('none', 'hard', 'soft')
# gt3s: derived from the ground truth future, so an upper bound.
COMMANDS = ('none', 'gt3s')
# Ours: twice the extent of Occ3D's grid, down to 1.25 m.
POSITION_METRES = 160.0
POSITION_FREQUENCIES = 8
# Switch of the condition to the field of SceneFeatures that it reads.
SOURCES = dict(
    occ='occ_queries',
    visual='visual_tokens',
    reasoning='reasoning_token',
    global_tokens='overview_tokens',
    meta='meta_action',
    ego='ego_status',
)


@dataclass(frozen=True)
class Condition:
    """Features that a trajectory head may read. M tokens, H heads, L blocks.

    Attributes:
        tokens (dict[str, Tensor]): (B, M_i, D) normalised tokens of each
            source that is switched on, such as ``occ`` and ``ego``.
        keys (tuple[Tensor]): L of (B, H, M, D / H), over all sources.
        values (tuple[Tensor]): L of (B, H, M, D / H).
        ego (Tensor): (B, D) embedded ego status, zero if that is off.
        summary (Tensor): (B, D) mean of the tokens.
        centres (Tensor, optional): (B, Q, 3) metres, where the first Q tokens
            are; None without occupancy.
        normalizer (TrajectoryNormalizer, optional): From the units of the
            trajectories to metres. Defaults to None.
    """

    tokens: dict[str, Tensor]
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    ego: Tensor
    summary: Tensor
    centres: Tensor | None
    normalizer: TrajectoryNormalizer | None = None

    def scene(self) -> Tensor:
        """Return ego status and mean token in one vector, (B, 2 D)."""
        return torch.cat([self.ego, self.summary], dim=-1)


@MODELS.register_module()
class ConditionMemory(BaseModule):
    """Project the features that are switched on to tokens, keys and values.

    Args:
        sizes (PlannerSizes): Widths of what is read and of the tokens; given
            by the planner.
        num_blocks (int): Blocks L that get keys and values; 0 leaves both
            out. Given by the planner.
        occ (bool): Read occupancy queries, with a code of their positions.
            Defaults to True.
        ego (bool): Read the ego status. Defaults to True.
        visual (bool): Read the language model's states at what it sees.
            Defaults to False.
        reasoning (bool): Read the reasoning token. Defaults to False.
        global_tokens (bool): Read the language model's global tokens.
            Defaults to False.
        meta (str): ``none``; ``hard`` embeds the likeliest speed and
            direction; ``soft`` their expectation. Defaults to 'none'.
        command (str): ``none``, or ``gt3s``, left, straight or right by where
            the ground-truth future ends. Defaults to 'none'.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If nothing is on, or a value is unknown.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        num_blocks: int,
        occ: bool = True,
        ego: bool = True,
        visual: bool = False,
        reasoning: bool = False,
        global_tokens: bool = False,
        meta: str = 'none',
        command: str = 'none',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for key, value, known in (
            ('meta', meta, META),
            ('command', command, COMMANDS),
        ):
            if value not in known:
                raise ValueError(
                    f'planner.condition.{key} is {value!r}, expected one of '
                    f'{known}'
                )
        embed_dims = sizes.embed_dims
        self.meta = meta
        self.command = command
        self.num_heads = sizes.num_heads
        self.num_blocks = num_blocks
        self.embed_dims = embed_dims

        widths = {}
        if occ:
            widths['occ'] = sizes.occ_dims
            self.position = nn.Linear(
                sine_code_dims(3, POSITION_FREQUENCIES), embed_dims
            )
        if visual:
            widths['visual'] = sizes.token_dims
        if reasoning:
            widths['reasoning'] = sizes.token_dims
        if global_tokens:
            widths['global_tokens'] = sizes.token_dims
        if meta != 'none':
            widths['meta'] = len(SPEEDS) + len(DIRECTIONS)
        if command != 'none':
            widths['command'] = len(GT3S_COMMANDS)
        if ego:
            widths['ego'] = sizes.ego_dims
        if not widths:
            raise ValueError(
                'planner.condition leaves the planner nothing to read; '
                'switch on occ, ego or another source'
            )
        self.widths = widths
        # The layer of ``ego`` is replaced right away, and drawn all the same:
        # weights of a given seed stay what they have always been.
        self.project = nn.ModuleDict(
            {
                name: nn.Linear(width, embed_dims)
                for name, width in widths.items()
            }
        )
        if ego:
            self.project['ego'] = nn.Sequential(
                nn.Linear(sizes.ego_dims, embed_dims),
                nn.SiLU(),
                nn.Linear(embed_dims, embed_dims),
            )
        self.norm = nn.LayerNorm(embed_dims)
        if num_blocks:
            self.key_value = nn.Linear(embed_dims, 2 * num_blocks * embed_dims)

    @property
    def reads(self) -> dict[str, str]:
        """Fields of ``SceneFeatures`` that are read, and their switches."""
        return {
            SOURCES[name]: f'planner.condition.{name} is on'
            for name in self.project
            if name in SOURCES
        }

    def forward(
        self,
        scene: SceneFeatures,
        command: Tensor | None = None,
        normalizer: TrajectoryNormalizer | None = None,
    ) -> Condition:
        """Compute tokens, keys and values.

        Args:
            scene (SceneFeatures): With the fields of ``reads``; the ego
                status is scaled to be near 1.
            command (Tensor, optional): (B,) int64, index of
                ``GT3S_COMMANDS``; read with ``command='gt3s'``.
            normalizer (TrajectoryNormalizer, optional): Handed on to the
                trajectory head.

        Returns:
            Condition: Tokens, and keys and values of every block.

        Raises:
            ValueError: If a field that is read is missing or has another
                width.
        """
        dtype = self.norm.weight.dtype
        tokens, ego, centres = {}, None, None
        for name, project in self.project.items():
            value = self._read(name, scene, command)
            if value.shape[-1] != self.widths[name]:
                raise ValueError(
                    f'the planner got {name} of shape {tuple(value.shape)}, '
                    'but its config says a last dimension of '
                    f'{self.widths[name]}'
                )
            token = project(value.to(dtype))  # (B, D) or (B, M_i, D)
            if name == 'occ':
                centres = scene.occ_queries.centres.to(dtype)  # (B, Q, 3)
                token = token + self.position(
                    sine_code(centres, POSITION_FREQUENCIES, POSITION_METRES)
                )
            if name == 'ego':
                ego = token
            tokens[name] = token if token.ndim == 3 else token[:, None]
        memory = self.norm(torch.cat([*tokens.values()], dim=1))  # (B, M, D)
        if ego is None:
            ego = memory.new_zeros(len(memory), self.embed_dims)
        keys = values = ()
        if self.num_blocks:
            shape = (2, self.num_blocks, self.num_heads, -1)
            pairs = self.key_value(memory).unflatten(-1, shape)
            keys, values = pairs.permute(2, 3, 0, 4, 1, 5)
            keys, values = keys.unbind(), values.unbind()  # L of (B,H,M,D/H)
        lengths = [token.shape[1] for token in tokens.values()]
        return Condition(
            tokens=dict(
                zip(tokens, memory.split(lengths, dim=1), strict=True)
            ),
            keys=keys,
            values=values,
            ego=ego,
            summary=memory.mean(dim=1),
            centres=centres,
            normalizer=normalizer,
        )

    def _read(
        self, name: str, scene: SceneFeatures, command: Tensor | None
    ) -> Tensor:
        """Return the numbers of one source, (B, width) or (B, M_i, width)."""
        if name == 'command':
            return _one_hot_command(command)
        value = scene.require(SOURCES[name], f'planner.condition.{name}')
        if name == 'occ':
            return value.features
        if name == 'meta':
            parts = meta_action_marginals(value)  # (B, 3) and (B, 6)
            if self.meta == 'hard':
                parts = [
                    nn.functional.one_hot(p.argmax(dim=-1), p.shape[-1])
                    for p in parts
                ]
            return torch.cat([*parts], dim=-1)
        return value


def _one_hot_command(command: Tensor | None) -> Tensor:
    """Encode commands (B,) as (B, 3)."""
    count = len(GT3S_COMMANDS)
    if (
        command is None
        or command.ndim != 1
        or ((command < 0) | (command >= count)).any()
    ):
        got = None if command is None else command.tolist()
        raise ValueError(
            f'command is {got}, expected an index of {GT3S_COMMANDS} for each '
            "frame; set planner.condition.command='none' where no future is "
            'known'
        )
    return nn.functional.one_hot(command, count)
