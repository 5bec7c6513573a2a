"""Denoising that starts near the clean end (DiffusionDrive, CVPR 2025).

It starts from a slightly noisy anchor, not from pure noise, and the network
predicts the clean trajectory. Schedule and update are those of DDIM (Song et
al., ICLR 2021) with eta = 0 on scaled-linear betas, as ``DDIMScheduler`` of
diffusers computes them; nothing is clipped.
"""

import hashlib
import math
from collections.abc import Callable, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.registry import MODELS

# Latent diffusion's scaled-linear schedule, as DiffusionDrive uses it.
NUM_TIMESTEPS = 1000
BETA_START = 1e-4
BETA_END = 0.02

SCHEDULES = ('ddim', 'diffusiondrive_compat')
NOISES = ('fixed', 'zero', 'random')
# The state after the last update.
CLEAN = -1


def alpha_table() -> Tensor:
    """Compute the cumulative alphas (1000,) in float64.

    Computed in float32 like everybody's: at t = 8 rounding moves
    sqrt(1 - alpha) by 1e-6, and results should agree closer than that.
    """
    roots = torch.linspace(
        BETA_START**0.5,
        BETA_END**0.5,
        NUM_TIMESTEPS,
        dtype=torch.float32,
        device='cpu',  # values are read, also where a model is on meta
    )
    return torch.cumprod(1 - roots.square(), dim=0).double()


def keyed_generator(seed: int, key: str) -> torch.Generator:
    """Make a CPU generator that depends on a seed and a name alone."""
    digest = hashlib.sha256(f'{seed}/{key}'.encode()).digest()
    # Seeds are signed 64-bit numbers.
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], 'big'))


@MODELS.register_module()
class TruncatedDDIM(BaseModule):
    """Noise schedule, denoising update and the choice of the noise.

    A anchors, T steps.

    Args:
        sizes (PlannerSizes): Numbers of anchors and steps; given by the
            planner.
        timesteps (Sequence[int]): Labels t of the passes, falling, within
            0 .. 999. Defaults to (8, 4).
        noise_timestep (int, optional): How noisy the start is. Defaults to
            None, the first of ``timesteps``.
        schedule (str): ``ddim`` moves from each label to the next one;
            ``diffusiondrive_compat`` moves by one of the 1000 steps only, as
            that project's code does: its later passes see almost the first
            noisy anchor. Defaults to 'ddim'.
        train_timesteps (int): Training draws t below this. Defaults to 50.
        noise (str): At test time: ``fixed``, one draw for all frames;
            ``zero``; ``random``, one draw a frame from the seed and the
            frame's name, whatever batch it is in. Defaults to 'fixed'.
        seed (int): Seed of ``fixed`` and ``random``. Defaults to 0.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If a value is out of range or a timestep is never trained.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        timesteps: Sequence[int] = (8, 4),
        noise_timestep: int | None = None,
        schedule: str = 'ddim',
        train_timesteps: int = 50,
        noise: str = 'fixed',
        seed: int = 0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        timesteps = tuple(timesteps)
        for key, value, known in (
            ('schedule', schedule, SCHEDULES),
            ('noise', noise, NOISES),
        ):
            if value not in known:
                raise ValueError(
                    f'planner.head.schedule.{key} is {value!r}, expected '
                    f'one of {known}'
                )
        if not 1 <= train_timesteps <= NUM_TIMESTEPS:
            raise ValueError(
                f'planner.head.schedule.train_timesteps is {train_timesteps}, '
                f'expected 1 .. {NUM_TIMESTEPS}'
            )
        if not timesteps or list(timesteps) != sorted(
            set(timesteps), reverse=True
        ):
            raise ValueError(
                f'planner.head.schedule.timesteps is {timesteps}, expected '
                'falling numbers such as (8, 4)'
            )
        if noise_timestep is None:
            noise_timestep = timesteps[0]
        for value in (noise_timestep, *timesteps):
            if not 0 <= value < train_timesteps:
                raise ValueError(
                    f'planner.head.schedule has the timestep {value}, but '
                    f'training draws 0 .. {train_timesteps - 1} only; change '
                    'timesteps, noise_timestep or train_timesteps'
                )
        self.timesteps = timesteps
        self.noise_timestep = noise_timestep
        self.train_timesteps = train_timesteps
        self.noise = noise
        self.seed = seed
        if schedule == 'ddim':
            self.targets = (*timesteps[1:], CLEAN)
        else:
            self.targets = tuple(t - 1 for t in timesteps)
        alphas = alpha_table()
        self._alphas = alphas.tolist()
        self._shape = (sizes.num_anchors, sizes.num_steps, 2)
        common = torch.zeros(self._shape)
        if noise == 'fixed':
            common = self._normal('')
        for name, table in (
            ('signal', alphas.sqrt().float()),
            ('spread', (1 - alphas).sqrt().float()),
            ('common', common),
        ):
            self.register_buffer(name, table, persistent=False)

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Return sqrt(alpha_t) clean + sqrt(1 - alpha_t) noise.

        Args:
            clean (Tensor): (..., T, 2) normalised.
            noise (Tensor): Standard normal, of a shape that broadcasts.
            t (Tensor): int64, of the leading shape or one that broadcasts.
        """
        signal = self.signal[t][..., None, None]
        spread = self.spread[t][..., None, None]
        return signal.to(clean) * clean + spread.to(clean) * noise

    def step(self, x: Tensor, clean: Tensor, t: int, target: int) -> Tensor:
        """Move ``x`` at t to timestep ``target`` (-1 is the clean end)."""
        alpha = self._alphas[t]
        following = 1.0 if target == CLEAN else self._alphas[target]
        # x = sqrt(alpha) clean + sqrt(1 - alpha) noise, at both ends.
        keep = math.sqrt((1 - following) / (1 - alpha))
        pull = math.sqrt(following) - keep * math.sqrt(alpha)
        return keep * x + pull * clean

    def sample(
        self,
        anchors: Tensor,
        noise: Tensor,
        denoise: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Denoise anchors step by step.

        Args:
            anchors (Tensor): (B, K, T, 2) normalised.
            noise (Tensor): (B, K, T, 2).
            denoise (Callable): From x (B, K, T, 2) and t (B, K) int64 to
                clean trajectories (B, K, T, 2).

        Returns:
            Tensor: (B, K, T, 2), the last prediction itself.
        """
        x = self.add_noise(
            anchors, noise, self._label(self.noise_timestep, anchors)
        )
        passes = list(zip(self.timesteps, self.targets, strict=True))
        for t, target in passes[:-1]:
            clean = denoise(x, self._label(t, anchors))
            x = self.step(x, clean, t, target)
        return denoise(x, self._label(passes[-1][0], anchors))

    def draw(self, frames: int, frame_keys: Sequence[str] | None) -> Tensor:
        """Draw the noise at test time for all anchors of all frames.

        Always drawn for every anchor, so that a trajectory does not depend on
        how many of them are denoised.

        Args:
            frames (int): B.
            frame_keys (Sequence[str], optional): B names of frames, such as
                sample tokens; read by ``random`` only.

        Returns:
            Tensor: (B, A, T, 2).

        Raises:
            ValueError: If ``random`` lacks the names of the frames.
        """
        if self.noise != 'random':
            return self.common.expand(frames, *self._shape)
        if frame_keys is None or len(frame_keys) != frames:
            got = None if frame_keys is None else len(frame_keys)
            raise ValueError(
                f"planner.head.schedule.noise is 'random', which takes a name "
                f'for each of the {frames} frames, got {got}; pass frame_keys '
                '(sample tokens)'
            )
        draws = [self._normal(key) for key in frame_keys]
        return torch.stack(draws).to(self.common)

    def _normal(self, key: str) -> Tensor:
        generator = keyed_generator(self.seed, key)
        return torch.randn(self._shape, generator=generator, device='cpu')

    @staticmethod
    def _label(t: int, anchors: Tensor) -> Tensor:
        return torch.full(anchors.shape[:2], t, device=anchors.device)
