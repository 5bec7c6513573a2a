"""A planner that sees nothing but the ego status: the least to be beaten.

Open-loop planning on nuScenes is mostly ego motion (Li et al., "Is Ego Status
All You Need for Open-Loop End-to-End Autonomous Driving?", CVPR 2024), so a
planner that reads the status is compared with an MLP that reads it alone.
"""

import numpy as np
import torch
from torch import nn

from mmocc.projects.Baselines.baselines.simple_baselines import drive_on

HIDDEN_DIMS = 64
STEPS = 2000
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2


class EgoMLP:
    """Status to a trajectory, as the difference to constant velocity.

    Args:
        status (np.ndarray): (N, E) of the training frames.
        trajs (np.ndarray): (N, T, 2) metres, ego frame; anything where the
            mask is False.
        mask (np.ndarray): (N, T) bool.
        velocity (tuple[int, int]): Places of vx and vy in the status.
        seed (int): Random seed of the weights. Defaults to 0.

    Raises:
        ValueError: If no step of any future exists.
    """

    def __init__(
        self,
        status: np.ndarray,
        trajs: np.ndarray,
        mask: np.ndarray,
        velocity: tuple[int, int],
        seed: int = 0,
    ) -> None:
        if not mask.any():
            raise ValueError('no frame has a future; give other frames')
        self.velocity = list(velocity)
        self.mean = status.mean(axis=0)
        # What never changes tells nothing.
        spread = status.std(axis=0)
        self.spread = np.where(spread > 1e-6, spread, 1.0)
        generator_state = torch.get_rng_state()
        torch.manual_seed(seed)
        self.network = nn.Sequential(
            nn.Linear(status.shape[1], HIDDEN_DIMS),
            nn.GELU(),
            nn.Linear(HIDDEN_DIMS, HIDDEN_DIMS),
            nn.GELU(),
            nn.Linear(HIDDEN_DIMS, trajs[0].size),
        )
        torch.set_rng_state(generator_state)
        target = np.where(
            mask[..., None],
            trajs - drive_on(status[:, self.velocity]),
            0,
        )
        self._fit(status, target, mask)

    def __call__(self, status: np.ndarray) -> np.ndarray:
        """Trajectories (N, T, 2) in metres for status (N, E)."""
        with torch.no_grad():
            change = self.network(self._normal(status))
        change = change.unflatten(-1, (-1, 2)).double().numpy()
        return drive_on(status[:, self.velocity]) + change

    def _fit(
        self, status: np.ndarray, target: np.ndarray, mask: np.ndarray
    ) -> None:
        x = self._normal(status)
        y = torch.from_numpy(target).float()
        known = torch.from_numpy(mask)
        optimizer = torch.optim.AdamW(
            self.network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        for _ in range(STEPS):
            error = (self.network(x).view_as(y) - y).abs().sum(dim=-1)
            optimizer.zero_grad()
            error[known].mean().backward()
            optimizer.step()

    def _normal(self, status: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((status - self.mean) / self.spread).float()
