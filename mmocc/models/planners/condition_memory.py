"""What the denoiser looks at, turned into keys and values once.

SparseOccVLA calls it cross-model trajectory-condition fusion; its figure
shows occupancy queries straight from the encoder and an MLP of the ego
status. Neither depends on anchor or timestep, so that all passes over all
anchors share one set of keys and values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmocc.models.planners.anchor_set import GT3S_COMMANDS
from mmocc.models.planners.sine_code import sine_code, sine_code_dims
from mmocc.structures import DIRECTIONS, SPEEDS
from mmocc.structures.sparse_occ import SparseOccFeatures

META = ('none', 'hard', 'soft')
# gt3s: derived from the ground truth future. route: from a navigation system.
COMMANDS = ('none', 'gt3s', 'route')
# Ours: twice the extent of Occ3D's grid, down to 1.25 m.
POSITION_METRES = 160.0
POSITION_FREQUENCIES = 8


@dataclass(frozen=True)
class ConditionExtras:
    """Inputs that are off by default.

    Attributes:
        global_tokens (Tensor, optional): (B, N, D_l) of the language model.
        meta (Tensor, optional): (B, 3 + 6) probabilities of speeds, then of
            directions.
        command (Tensor, optional): (B,) int64, index of ``GT3S_COMMANDS``.
    """

    global_tokens: Tensor | None = None
    meta: Tensor | None = None
    command: Tensor | None = None


@dataclass(frozen=True)
class Condition:
    """Keys and values of a batch. M tokens, H heads, L blocks.

    Attributes:
        keys (tuple[Tensor]): L of (B, H, M, D / H).
        values (tuple[Tensor]): L of (B, H, M, D / H).
        ego (Tensor): (B, D) embedded ego status, zero if that is off.
        summary (Tensor): (B, D) mean of the tokens.
        centres (Tensor, optional): (B, N, 3) metres, where the first N tokens
            are; None without occupancy.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    ego: Tensor
    summary: Tensor
    centres: Tensor | None

    def scene(self) -> Tensor:
        """All of it in one vector, (B, 2 D)."""
        return torch.cat([self.ego, self.summary], dim=-1)


class ConditionMemory(nn.Module):
    """Tokens from several models, as keys and values.

    Args:
        occ_dims (int): Width of an occupancy query.
        ego_dims (int): Numbers of the ego status.
        reasoning_dims (int): Width D_l of the language model.
        embed_dims (int): D. Defaults to 256.
        num_heads (int): H. Defaults to 8.
        num_blocks (int): L; 0 leaves keys and values out. Defaults to 2.
        occ (bool): Read occupancy queries. Defaults to True.
        ego (bool): Read the ego status. Defaults to True.
        reasoning (bool): Read the reasoning token. Defaults to False.
        global_tokens (bool): Read the language model's global tokens.
            Defaults to False.
        meta (str): ``none``; ``hard`` embeds the likeliest speed and
            direction; ``soft`` their expectation. Defaults to 'none'.
        command (str): ``none``; ``gt3s``, which tells about the future;
            ``route``. Defaults to 'none'.
        ego_scales (Sequence[float], optional): The ego status is divided by
            these, to be near 1. Defaults to None, ones.

    Raises:
        ValueError: If nothing is on, or a value is unknown.
    """

    def __init__(
        self,
        occ_dims: int,
        ego_dims: int,
        reasoning_dims: int,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_blocks: int = 2,
        occ: bool = True,
        ego: bool = True,
        reasoning: bool = False,
        global_tokens: bool = False,
        meta: str = 'none',
        command: str = 'none',
        ego_scales: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        for key, value, known in (
            ('meta', meta, META),
            ('command', command, COMMANDS),
        ):
            if value not in known:
                raise ValueError(
                    f'planner.condition.{key} is {value!r}, expected one of '
                    f'{known}'
                )
        scales = [1.0] * ego_dims if ego_scales is None else list(ego_scales)
        if len(scales) != ego_dims or not all(s > 0 for s in scales):
            raise ValueError(
                f'planner.ego_scales is {ego_scales}, expected {ego_dims} '
                'positive numbers, one for each value of the ego status'
            )
        self.register_buffer(
            'ego_scales',
            torch.tensor(scales, dtype=torch.float32),
            persistent=False,
        )
        self.meta = meta
        self.command = command
        self.num_heads = num_heads
        self.num_blocks = num_blocks
        self.embed_dims = embed_dims

        widths = {}
        if occ:
            widths['occ'] = occ_dims
            self.position = nn.Linear(
                sine_code_dims(3, POSITION_FREQUENCIES), embed_dims
            )
        if reasoning:
            widths['reasoning'] = reasoning_dims
        if global_tokens:
            widths['global_tokens'] = reasoning_dims
        if meta != 'none':
            widths['meta'] = len(SPEEDS) + len(DIRECTIONS)
        if command != 'none':
            widths['command'] = len(GT3S_COMMANDS)
        if ego:
            widths['ego'] = ego_dims
        self.widths = widths
        self.project = nn.ModuleDict(
            {
                name: nn.Linear(width, embed_dims)
                for name, width in widths.items()
            }
        )
        if ego:
            self.project['ego'] = nn.Sequential(
                nn.Linear(ego_dims, embed_dims),
                nn.SiLU(),
                nn.Linear(embed_dims, embed_dims),
            )
        if not self.project:
            raise ValueError(
                'planner.condition leaves the denoiser nothing to read; '
                'switch on occ, ego or another source'
            )
        self.norm = nn.LayerNorm(embed_dims)
        if num_blocks:
            self.key_value = nn.Linear(embed_dims, 2 * num_blocks * embed_dims)

    def reads(self, source: str) -> bool:
        """Whether a source such as ``occ`` is switched on."""
        return source in self.project

    def forward(
        self,
        occ: SparseOccFeatures | None,
        ego_status: Tensor | None,
        reasoning: Tensor | None,
        extras: ConditionExtras,
    ) -> Condition:
        """Compute keys and values.

        Args:
            occ (SparseOccFeatures, optional): With (B, Q, occ_dims) features.
            ego_status (Tensor, optional): (B, ego_dims), raw.
            reasoning (Tensor, optional): (B, D_l).
            extras (ConditionExtras): What else is on.

        Returns:
            Condition: Keys and values of every block.

        Raises:
            ValueError: If an input that is on is missing or has another
                shape.
        """
        given = dict(
            occ=None if occ is None else occ.features,
            reasoning=reasoning,
            global_tokens=extras.global_tokens,
            meta=extras.meta,
            command=extras.command,
            ego=ego_status,
        )
        dtype = self.norm.weight.dtype
        tokens, ego, centres = [], None, None
        for name, project in self.project.items():
            value = given[name]
            if value is None:
                raise ValueError(
                    f'planner.condition.{name} is on, but the planner was '
                    f'called without {name}; hand it over or switch it off'
                )
            if name == 'command':
                value = _one_hot_command(value)
            width = self.widths[name]
            if value.shape[-1] != width:
                raise ValueError(
                    f'the planner got {name} of shape {tuple(value.shape)}, '
                    f'but its config says a last dimension of {width}'
                )
            value = value.to(dtype)
            if name == 'meta' and self.meta == 'hard':
                value = _harden(value)
            if name == 'ego':
                value = value / self.ego_scales
            token = project(value)
            if name == 'occ':
                centres = occ.centres.to(dtype)
                token = token + self.position(
                    sine_code(centres, POSITION_FREQUENCIES, POSITION_METRES)
                )
            if name == 'ego':
                ego = token
            tokens.append(token if token.ndim == 3 else token[:, None])
        memory = self.norm(torch.cat(tokens, dim=1))  # (B, M, D)
        if ego is None:
            ego = memory.new_zeros(len(memory), self.embed_dims)
        summary = memory.mean(dim=1)
        if not self.num_blocks:
            return Condition((), (), ego, summary, centres)
        shape = (2, self.num_blocks, self.num_heads, -1)
        pairs = self.key_value(memory).unflatten(-1, shape)
        keys, values = pairs.permute(2, 3, 0, 4, 1, 5)  # (L, B, H, M, D/H)
        return Condition(keys.unbind(), values.unbind(), ego, summary, centres)


def _one_hot_command(command: Tensor) -> Tensor:
    count = len(GT3S_COMMANDS)
    if command.ndim != 1 or ((command < 0) | (command >= count)).any():
        raise ValueError(
            f'command is {command.tolist()}, expected an index of '
            f'{GT3S_COMMANDS} for each frame; load commands, or set '
            "planner.condition.command='none'"
        )
    return nn.functional.one_hot(command, count)


def _harden(probabilities: Tensor) -> Tensor:
    """The likeliest speed and direction, each as 0 or 1."""
    parts = probabilities.split((len(SPEEDS), len(DIRECTIONS)), dim=-1)
    return torch.cat(
        [
            nn.functional.one_hot(part.argmax(dim=-1), part.shape[-1])
            for part in parts
        ],
        dim=-1,
    ).to(probabilities)
