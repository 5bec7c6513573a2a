"""One step of 0.5 s into the future, shared by all steps."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule, bias_init_with_prob
from torch import Tensor, nn

from mmocc.projects.SparseOccVLA.sparseoccvla.forecast.ego_motion import (
    EgoAttention,
    EgoMotion,
    into_next_frame,
)
from mmocc.structures.occ3d import STEP_SECONDS

MODES = ('carry', 'respawn')
# Probability of a class at a point of which nothing is known yet (OPUS).
PRIOR = 0.01
# Metres of a point's offset at an output of 1 (OPUS).
OFFSET_SCALE = 0.5


class FutureState(NamedTuple):
    """State of a roll-out at one moment.

    Attributes:
        features (Tensor): (B, Q, C).
        points (Tensor): (B, Q, R, 3) metres in the ego frame of that moment.
        logits (Tensor): (B, Q, R, K).
        new (Tensor): (B, Q) bool, True for queries that were given another
            place on the way.
        ego (Tensor): (B, C) ego token.
        motion (Tensor): (B, 3) of the step that led here, as in
            :class:`~mmocc.projects.SparseOccVLA.sparseoccvla.forecast.ego_motion.EgoMotion`.
    """

    features: Tensor
    points: Tensor
    logits: Tensor
    new: Tensor
    ego: Tensor
    motion: Tensor


class ForecastStep(BaseModule):
    """Roll a state out by one step of 0.5 s.

    After SparseWorld (Dang et al., 2025): the ego token attends to the queries
    and predicts the car's motion, the features add the token and a code of
    the points, and branches predict offsets, classes and, for movable classes,
    velocities.

    In mode ``respawn``, SparseWorld's, all points of a query start anew from
    its centre, and that they are seen from a car that has moved is learned.
    Mode ``carry`` is ours: each point is carried into the next ego frame by
    the motion, and what is learned is the rest. At the start it is exactly
    the present, moved by the expected ego motion. Points teach no motion, as
    they could outweigh its own truth. A query whose centre is carried out of
    the range enters again on the opposite side, where ground comes into view,
    as one of which nothing is known.

    Args:
        embed_dims (int): Width C.
        num_points (int): Points R of a query.
        num_classes (int): K, without free space.
        num_heads (int): Heads of the ego token's attention.
        mode (str): ``carry`` or ``respawn``.
        movable_classes (Sequence[int]): Classes whose points have a velocity.
        point_cloud_range (Sequence[float]): Metres.
    """

    def __init__(
        self,
        embed_dims: int,
        num_points: int,
        num_classes: int,
        num_heads: int,
        mode: str,
        movable_classes: Sequence[int],
        point_cloud_range: Sequence[float],
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(
                f'forecaster.step is {mode!r}, expected one of {MODES}'
            )
        self.mode = mode
        self.prior_logit = bias_init_with_prob(PRIOR)
        limits = torch.tensor(point_cloud_range)
        self.register_buffer('minimum', limits[:3], persistent=False)
        self.register_buffer(
            'extent', limits[3:] - limits[:3], persistent=False
        )
        self.register_buffer(
            'movable', torch.tensor(list(movable_classes)), persistent=False
        )
        self.look = EgoAttention(embed_dims, num_heads)
        self.move = EgoMotion(embed_dims)
        self.position = nn.Sequential(
            # x, y, z and whether the query is new.
            *_linear_norm_relu(4 * num_points, embed_dims),
            *_linear_norm_relu(embed_dims, embed_dims),
        )
        self.norm = nn.LayerNorm(embed_dims)
        self.offset = _branch(embed_dims, (num_points, 3))
        self.classify = _branch(embed_dims, (num_points, num_classes))
        self.velocity = _branch(embed_dims, (num_points, 2))
        if mode == 'carry':
            for branch in (self.offset, self.classify, self.velocity):
                nn.init.zeros_(branch[-2].weight)
                nn.init.zeros_(branch[-2].bias)
        else:
            nn.init.constant_(self.classify[-2].bias, self.prior_logit)

    def forward(self, state: FutureState, expected: Tensor) -> FutureState:
        """Predict the state 0.5 s later.

        Points and logits take no gradient from later steps; features do.

        Args:
            state (FutureState): Before the step.
            expected (Tensor): (B, 3) motion at constant velocity and turn
                rate, or zero.

        Returns:
            FutureState: 0.5 s later, in the ego frame of then.
        """
        points, logits = state.points.detach(), state.logits.detach()
        centres = points.mean(dim=2)  # (B, Q, 3)
        ego = self.look(state.ego, state.features, centres)
        motion = self.move(ego, expected)

        new = state.new
        if self.mode == 'carry':
            points = into_next_frame(points, motion.detach())
            points, left = self._enter_again(points)
            logits = logits.masked_fill(
                left[..., None, None], self.prior_logit
            )
            new = new | left
            base = points
        else:
            logits = torch.zeros_like(logits)
            base = centres[:, :, None]

        features = state.features + ego[:, None] + self._code(points, new)
        content = self.norm(features)  # (B, Q, C)
        logits = logits + self.classify(content)
        driven = torch.isin(logits.argmax(dim=-1), self.movable)  # (B, Q, R)
        step = self.velocity(content) * STEP_SECONDS * driven[..., None]
        points = base + OFFSET_SCALE * self.offset(content)
        points = points + nn.functional.pad(step, (0, 1))
        return FutureState(features, points, logits, new, ego, motion)

    def _enter_again(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Move queries that have left the range to the opposite side.

        Returns:
            tuple: Points (B, Q, R, 3), and (B, Q) bool, True where moved.
        """
        centres = points.mean(dim=2)[..., :2].detach()
        laps = (centres - self.minimum[:2]) / self.extent[:2]
        shift = -laps.floor() * self.extent[:2]
        shift = nn.functional.pad(shift, (0, 1))[:, :, None]
        return points + shift, (shift != 0).any(dim=-1)[..., 0]

    def _code(self, points: Tensor, new: Tensor) -> Tensor:
        """Encode the points of each query, (B, Q, C)."""
        place = (points.detach() - self.minimum) / self.extent
        flag = new[:, :, None, None].expand(*place.shape[:3], 1)
        return self.position(torch.cat([place, flag.to(place)], -1).flatten(2))


def _linear_norm_relu(in_dims: int, out_dims: int) -> list[nn.Module]:
    return [nn.Linear(in_dims, out_dims), nn.LayerNorm(out_dims), nn.ReLU()]


def _branch(embed_dims: int, shape: tuple[int, int]) -> nn.Sequential:
    """From features (..., C) to (..., *shape)."""
    return nn.Sequential(
        *_linear_norm_relu(embed_dims, embed_dims),
        nn.Linear(embed_dims, shape[0] * shape[1]),
        nn.Unflatten(-1, shape),
    )
