"""The base class of heads that turn anchors into trajectories."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.registry import MODELS


@dataclass(frozen=True)
class TrainingOutput:
    """Predictions to be compared with the ground truth.

    B frames, R draws of noise, K anchors, T steps.

    Attributes:
        predictions (list[Tensor]): (B, R, K, T, 2) normalised; each one is
            supervised.
        hidden (Tensor, optional): (B, R, K, D) last state of the network.
        losses (dict[str, Tensor]): Further losses of the head, by name.
    """

    predictions: list[Tensor]
    hidden: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)


class TrajectoryHead(BaseModule):
    """Turn normalised anchors into normalised trajectories.

    Attributes:
        reads_keys (bool): Whether keys and values of the condition are read;
            without a reader they are left out.
        couples_anchors (bool): Whether anchors see each other, so that all of
            them have to be computed.
        needs (tuple[str, ...]): Sources of the condition that must be on,
            such as ``occ``.
        gives_states (bool): Whether there is a last hidden state of each
            anchor.
    """

    reads_keys = True
    couples_anchors = False
    needs: tuple[str, ...] = ()
    gives_states = True

    def noise(
        self, anchors: Tensor, frame_keys: Sequence[str] | None
    ) -> Tensor:
        """Draw what ``forward`` adds to the anchors; zero in the base class.

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


class DenoiserHead(TrajectoryHead):
    """A head around a network that denoises trajectories.

    Args:
        sizes (PlannerSizes): Given by the planner.
        denoiser (dict): Config of the network, such as ``AnchorDenoiser``.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        sizes: PlannerSizes,
        denoiser: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.denoiser = MODELS.build(denoiser, default_args=dict(sizes=sizes))
        self.couples_anchors = self.denoiser.couples_anchors
        self.needs = self.denoiser.needs

    def decode_clean(
        self,
        anchors: Tensor,
        condition: Condition,
        latent: Tensor | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        """Run the network on anchors without noise, at t = 0.

        Args:
            anchors (Tensor): (B, K, T, 2).
            condition (Condition): Keys and values.
            latent (Tensor, optional): (B, K, D), as the network takes it.
                Defaults to None.

        Returns:
            tuple: Predictions (B, K, T, 2) of each layer and the last hidden
            state (B, K, D).
        """
        t = anchors.new_zeros(anchors.shape[:2])  # (B, K)
        return self.denoiser(anchors, t, anchors, condition, latent)
