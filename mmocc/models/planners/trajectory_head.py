"""What every way of refining an anchor offers the planner."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mmocc.models.planners.condition_memory import Condition


@dataclass(frozen=True)
class TrainingOutput:
    """Predictions to be compared with the ground truth.

    B frames, R draws of noise, K anchors, T steps.

    Attributes:
        predictions (list[Tensor]): (B, R, K, T, 2) normalised; each one is
            supervised.
        hidden (Tensor, optional): (B, R, K, D) last state of the network.
        losses (dict[str, Tensor]): Losses of the head's own.
    """

    predictions: list[Tensor]
    hidden: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)


class TrajectoryHead(nn.Module, ABC):
    """From normalised anchors to normalised trajectories."""

    def noise(
        self, anchors: Tensor, frame_keys: Sequence[str] | None
    ) -> Tensor:
        """What ``forward`` starts with beside the anchors: here nothing.

        Args:
            anchors (Tensor): (B, A, T, 2).
            frame_keys (Sequence[str], optional): B names of frames.

        Returns:
            Tensor: (B, A, T, 2).
        """
        return torch.zeros_like(anchors)

    @abstractmethod
    def forward(
        self, anchors: Tensor, noise: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor | None]:
        """Predict at test time.

        Args:
            anchors (Tensor): (B, K, T, 2).
            noise (Tensor): (B, K, T, 2) for a start that takes one.
            condition (Condition): Keys and values.

        Returns:
            tuple: Trajectories (B, K, T, 2) and the last hidden state
            (B, K, D), None if there is none for each anchor.
        """

    @abstractmethod
    def training_pass(
        self,
        anchors: Tensor,
        noise: Tensor,
        condition: Condition,
        target: Tensor,
        mask: Tensor,
    ) -> TrainingOutput:
        """Predict in training.

        Args:
            anchors (Tensor): (B, K, T, 2).
            noise (Tensor): (B, R, K, T, 2) standard normal.
            condition (Condition): Keys and values.
            target (Tensor): (B, T, 2) ground truth, normalised.
            mask (Tensor): (B, T) bool, the steps that exist.

        Returns:
            TrainingOutput: Predictions of the K anchors in R draws.
        """
