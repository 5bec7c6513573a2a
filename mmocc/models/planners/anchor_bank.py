"""The planner's vocabulary of trajectories (SparseOccVLA, planner)."""

import os
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.planners.anchor_set import MODES, AnchorError, AnchorSet
from mmocc.models.planners.trajectory_normalizer import TrajectoryNormalizer
from mmocc.registry import MODELS
from mmocc.structures.occ3d import NUM_FUTURE, STEP_SECONDS

_HASH_DIGITS = 12  # of the hash, in messages
# Checkpoints keep float32; anchors fitted anew elsewhere differ in last bits.
_SAME_METRES = 1e-3


@MODELS.register_module()
class AnchorBank(BaseModule):
    """Hold anchor trajectories as buffers and find the nearest one.

    A anchors, T steps, B frames. The state dict holds the anchors: a
    checkpoint is complete without the file, and refuses another one.

    Args:
        file (str | os.PathLike, optional): Written by
            ``tools/fit_anchors.py``. None leaves the anchors to the
            checkpoint that will be loaded. Defaults to None.
        num_anchors (int): Number A of anchors. Defaults to 18.
        num_steps (int): Steps T of a trajectory. Defaults to 6, which is 3 s.
        split (str): On which they must have been fitted. Defaults to 'train'.
        mode (str): ``global`` or ``per_command``, how they must have been
            fitted. Defaults to 'global'.
        init_cfg (dict, optional): mmengine's initialisation config.

    Attributes:
        origin (AnchorSet, optional): Content of the file, with split, seed,
            hash and oracle error; None without a file.

    Raises:
        AnchorError: If the file is missing or damaged, or holds other anchors
            than the config says.
    """

    def __init__(
        self,
        file: str | os.PathLike | None = None,
        num_anchors: int = 18,
        num_steps: int = NUM_FUTURE,
        split: str = 'train',
        mode: str = 'global',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if mode not in MODES:
            raise ValueError(
                f'planner.anchors.mode is {mode!r}, expected one of {MODES}'
            )
        self.mode = mode
        self.origin = None
        anchors = torch.full((num_anchors, num_steps, 2), torch.nan)
        commands = torch.full((num_anchors,), -1)
        centre, half_range = torch.full((2, 2), torch.nan)
        if file is not None:
            self.origin = AnchorSet.load(file)
            _check(self.origin, file, num_anchors, num_steps, split, mode)
            anchors, centre, half_range = (
                torch.from_numpy(value).float()
                for value in (
                    self.origin.anchors,
                    self.origin.step_centre,
                    self.origin.step_half_range,
                )
            )
            commands = torch.from_numpy(self.origin.commands)
            MMLogger.get_current_instance().info(
                '%d anchors (%s) of %s, fitted on %d trajectories of %s with '
                'seed %d, hash %s: oracle ADE %.3f m',
                num_anchors,
                mode,
                file,
                self.origin.num_trajectories,
                split,
                self.origin.seed,
                self.origin.hash[:_HASH_DIGITS],
                self.origin.oracle_ade,
            )
        self.register_buffer('anchors', anchors)
        self.register_buffer('commands', commands)
        self.normalizer = TrajectoryNormalizer(
            centre.clone(), half_range.clone()
        )
        self._filled = file is not None

    def __len__(self) -> int:
        return len(self.anchors)

    def normalized(self) -> Tensor:
        """Return the normalised anchors, (A, T, 2).

        Raises:
            AnchorError: If there are none yet.
        """
        self._require()
        return self.normalizer.normalize(self.anchors)

    def distances(self, trajectory: Tensor, mask: Tensor) -> Tensor:
        """Compute the mean distance to each anchor over known steps.

        Args:
            trajectory (Tensor): (B, T, 2) metres, finite everywhere.
            mask (Tensor): (B, T) bool.

        Returns:
            Tensor: (B, A) metres; 0 where no step exists.
        """
        self._require()
        apart = self.anchors - trajectory[:, None]  # (B, A, T, 2)
        weight = mask[:, None].to(apart)
        count = weight.sum(dim=-1).clamp(min=1)
        return (apart.norm(dim=-1) * weight).sum(dim=-1) / count

    def nearest(
        self,
        trajectory: Tensor,
        mask: Tensor,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Return the index (B,) of the anchor nearest to each trajectory.

        Args:
            trajectory (Tensor): As for ``distances``.
            mask (Tensor): As for ``distances``.
            allowed (Tensor, optional): (B, A) bool, candidates. Defaults to
                None, all.
        """
        distances = self.distances(trajectory, mask)
        if allowed is not None:
            distances = distances.masked_fill(~allowed, torch.inf)
        return distances.argmin(dim=-1)

    def of_command(self, command: Tensor) -> Tensor:
        """Mark the anchors (B, A) that belong to each command (B,)."""
        return self.commands == command[:, None]

    def _require(self) -> None:
        if not self._filled:
            raise AnchorError(
                'the planner has no anchors: set planner.anchors.file to a '
                'file of tools/fit_anchors.py, or load a checkpoint that '
                'holds them'
            )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Load anchors, unless those of the config are other ones."""
        loaded = state_dict.get(f'{prefix}anchors')
        if loaded is not None:
            if loaded.shape != self.anchors.shape or (
                self._filled and not self._same(loaded)
            ):
                raise AnchorError(
                    f'{prefix}anchors of the checkpoint, of shape '
                    f'{tuple(loaded.shape)}, are not those of the config, of '
                    f'shape {tuple(self.anchors.shape)}; scores and denoiser '
                    'belong to the anchors that they were trained with: set '
                    'planner.anchors.file to their file, or to None and '
                    'num_anchors and num_steps to their shape'
                )
            grouped = bool((state_dict[f'{prefix}commands'] >= 0).all())
            if grouped != (self.mode == 'per_command'):
                raise AnchorError(
                    f'{prefix}anchors of the checkpoint '
                    f'{"belong" if grouped else "do not belong"} to '
                    f'commands, but planner.anchors.mode is {self.mode!r}; '
                    'correct the config'
                )
            self._filled = True
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _same(self, other: Tensor) -> bool:
        return torch.allclose(
            other.to(self.anchors), self.anchors, rtol=0, atol=_SAME_METRES
        )


def _check(
    origin: AnchorSet,
    file: str | os.PathLike,
    num_anchors: int,
    num_steps: int,
    split: str,
    mode: str,
) -> None:
    """Compare a file with what the config says about it."""
    count, steps = origin.anchors.shape[:2]
    for key, found, wanted in (
        ('split', origin.split, split),
        ('mode', origin.mode, mode),
        ('num_anchors', count, num_anchors),
        ('num_steps', steps, num_steps),
    ):
        if found != wanted:
            raise AnchorError(
                f'{file} holds anchors with {key} {found!r}, but '
                f'planner.anchors.{key} is {wanted!r}; correct the config or '
                'fit anchors with tools/fit_anchors.py'
            )
    if origin.step_seconds != STEP_SECONDS:
        raise AnchorError(
            f'{file} holds anchors in steps of {origin.step_seconds} s, '
            f'expected {STEP_SECONDS} s; fit them with tools/fit_anchors.py'
        )
