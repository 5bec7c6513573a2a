"""Forecasting occupancy from queries that a language model has read.

SparseOccVLA fuses the outputs of its language model at the occupancy queries
with the queries themselves and hands them to one forecaster for all horizons
(overview figure). How that works inside is not published; this follows
SparseWorld (Dang et al., 2025), by the same first author.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.losses.global_mean import global_mean
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast.ego_motion import (
    rotate,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast.ego_state import (
    driving_on,
    ego_state,
    ego_state_dims,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast.forecast_step import (
    ForecastStep,
    FutureState,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast.residual_fusion import (
    ResidualFusion,
)
from mmocc.registry import MODELS
from mmocc.structures import OCC3D_CLASSES, OccDataSample
from mmocc.structures.occ3d import NUM_FUTURE, POINT_CLOUD_RANGE
from mmocc.structures.scene_features import SceneFeatures
from mmocc.structures.sparse_occ import PointSet, SparseOccFeatures

# SparseWorld's, which leaves the cones and the trailers in.
MOVABLE_CLASSES = tuple(
    range(
        OCC3D_CLASSES.index('bicycle'),
        OCC3D_CLASSES.index('driveable_surface'),
    )
)


@dataclass(frozen=True)
class Forecast:
    """Forecast points and ego motion of T steps of 0.5 s.

    Attributes:
        point_sets (list[PointSet]): T of them, each in the ego frame of its
            own moment.
        displacements (Tensor): (B, T, 2) metres that the car moves in each
            step, in the ego frame of now; their cumulative sum is a
            trajectory.
        turns (Tensor): (B, T) radians that it turns in each step.
    """

    point_sets: list[PointSet]
    displacements: Tensor
    turns: Tensor


@MODELS.register_module()
class OccForecaster(BaseModule):
    """Forecast occupancy by rolling queries out in steps of 0.5 s.

    B frames, Q queries of width C, R points a query, K classes, T steps. It
    is computed in float32 also under autocast.

    Args:
        embed_dims (int): Width C of the encoder's queries.
        llm_dims (int): Width of the language model.
        num_points (int): Points R of a query in the encoder's last layer.
        set_loss (dict, optional): Config of the loss between point sets and
            targets, called with a list of one ``PointSet`` and one target for
            each frame; gives losses by name. None cannot train. Defaults to
            None.
        num_classes (int): K, without free space. Defaults to 17.
        num_steps (int): Steps T of a prediction. Defaults to 6, 3 s.
        num_heads (int): Heads of the ego token's attention. Defaults to 8.
        step (str): ``carry`` or ``respawn``, see :class:`ForecastStep`.
            Defaults to 'carry'.
        fusion (str): ``residual``, ``encoder`` or ``llm``, see
            :class:`ResidualFusion`. Defaults to 'residual'.
        use_status (bool): Whether the ego token knows velocity, acceleration
            and turn rate, and motion starts from driving on so. Defaults to
            True.
        use_history (bool): Whether the ego token knows the poses of the past
            2 s. Defaults to True.
        movable_classes (Sequence[int]): Classes whose points have a velocity.
            Defaults to SparseWorld's.
        point_cloud_range (Sequence[float]): Metres. Defaults to Occ3D's.
        occ_weight (float): Factor on the losses of occupancy. Defaults to 1.
        motion_weight (float): Factor on the loss of ego motion. Defaults to
            1.
        init_cfg (dict, optional): mmengine's initialisation config.

    Attributes:
        horizon (int): Steps rolled out in training, ``num_steps`` unless a
            curriculum (``ForecastCurriculumHook``) sets it.
    """

    # The config key that holds the width of the language model.
    token_width_key = 'llm_dims'

    def __init__(
        self,
        embed_dims: int,
        llm_dims: int,
        num_points: int,
        set_loss: dict | None = None,
        num_classes: int = len(OCC3D_CLASSES) - 1,
        num_steps: int = NUM_FUTURE,
        num_heads: int = 8,
        step: str = 'carry',
        fusion: str = 'residual',
        use_status: bool = True,
        use_history: bool = True,
        movable_classes: Sequence[int] = MOVABLE_CLASSES,
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
        occ_weight: float = 1.0,
        motion_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 1 <= num_steps <= NUM_FUTURE:
            raise ValueError(
                f'forecaster.num_steps is {num_steps}, expected 1 to '
                f'{NUM_FUTURE}, as far as ego motion is known'
            )
        self.num_points = num_points
        self.num_steps = num_steps
        self.horizon = num_steps
        self.use_status = use_status
        self.use_history = use_history
        self.occ_weight = occ_weight
        self.motion_weight = motion_weight
        self.set_loss = None if set_loss is None else MODELS.build(set_loss)
        self.fuse = ResidualFusion(embed_dims, llm_dims, fusion)
        self.ego_token = nn.Parameter(torch.zeros(embed_dims))
        self.embed_ego = None
        if use_status or use_history:
            self.embed_ego = nn.Sequential(
                nn.Linear(ego_state_dims(use_status, use_history), embed_dims),
                nn.ReLU(),
                nn.Linear(embed_dims, embed_dims),
            )
        self.step = ForecastStep(
            embed_dims,
            num_points,
            num_classes,
            num_heads,
            step,
            movable_classes,
            point_cloud_range,
        )

    def forward(
        self,
        scene: SparseOccFeatures,
        hidden: Tensor | None,
        data_samples: list[OccDataSample],
        num_steps: int,
    ) -> Forecast:
        """Roll occupancy queries out step by step.

        Args:
            scene (SparseOccFeatures): From the encoder.
            hidden (Tensor or None): (B, Q, D) of the language model at the
                occupancy queries; None with ``fusion='encoder'`` only.
            data_samples (list[OccDataSample]): B frames, of which status and
                history of ``gt_ego`` are read if they are asked for, and
                nothing else.
            num_steps (int): T.

        Raises:
            ValueError: If the encoder gives another number of points.
        """
        present = scene.layers[-1]
        if present.points.shape[2] != self.num_points:
            raise ValueError(
                f'the encoder gives {present.points.shape[2]} points a query, '
                f'but forecaster.num_points is {self.num_points}; set it to '
                "the last of the encoder's num_refines"
            )
        with torch.autocast(present.points.device.type, enabled=False):
            steps = self._roll_out(scene, hidden, data_samples, num_steps)
        motions = torch.stack([s.motion for s in steps], dim=1)  # (B, T, 3)
        turns = motions[..., 2]  # (B, T)
        # The mean heading of each step, in the frame of now.
        headings = turns.cumsum(dim=1) - turns / 2
        moved = rotate(motions[..., :2].flatten(0, 1), headings.flatten())
        return Forecast(
            point_sets=[PointSet(s.points, s.logits) for s in steps],
            displacements=moved.view_as(motions[..., :2]),
            turns=turns,
        )

    @property
    def reads(self) -> dict[str, str]:
        """Fields of ``SceneFeatures`` that are read, and by which key."""
        reads = dict(occ_queries='forecaster rolls them out')
        if self.fuse.mode != 'encoder':
            reads['occ_hidden'] = (
                f'forecaster.fusion is {self.fuse.mode!r}, set it to '
                "'encoder' to do without"
            )
        return reads

    def predict(
        self, scene: SceneFeatures, data_samples: list[OccDataSample]
    ) -> Forecast:
        """Forecast all steps.

        Args:
            scene (SceneFeatures): With the fields of ``reads``.
            data_samples (list[OccDataSample]): As in :meth:`forward`.
        """
        return self(
            scene.occ_queries, scene.occ_hidden, data_samples, self.num_steps
        )

    def loss(
        self,
        scene: SceneFeatures,
        data_samples: list[OccDataSample],
        targets: Sequence[Sequence[Any]],
    ) -> dict[str, Tensor]:
        """Compute the losses of the first ``horizon`` steps.

        Args:
            scene (SceneFeatures): With the fields of ``reads``.
            data_samples (list[OccDataSample]): B frames; ``fut_trajs`` and
                ``fut_masks`` of ``gt_ego`` are the truth of ego motion.
            targets (Sequence): For each step, at least ``horizon`` of them,
                one target for each frame, as ``set_loss`` takes them (None
                beyond the end of a scene).

        Returns:
            dict[str, Tensor]: ``stepT.NAME`` for what ``set_loss`` names, T
            from 1, and ``loss_ego_motion``.

        Raises:
            ValueError: If there is no loss to train with, or there are fewer
                targets than steps.
        """
        if self.set_loss is None:
            raise ValueError(
                'forecaster.set_loss is None; give the config of a loss, such '
                "as dict(type='SetOccLoss')"
            )
        if len(targets) < self.horizon:
            raise ValueError(
                f'got labels of {len(targets)} future frames, but forecasts '
                f'reach {self.horizon} steps; load as many (num_future of the '
                'data set) or lower forecaster.num_steps'
            )
        forecast = self(
            scene.occ_queries, scene.occ_hidden, data_samples, self.horizon
        )
        losses = dict(
            loss_ego_motion=self._motion_loss(
                forecast.displacements, data_samples
            )
        )
        for t, (points, truth) in enumerate(
            zip(forecast.point_sets, targets, strict=False), start=1
        ):
            for name, value in self.set_loss([points], truth).items():
                losses[f'step{t}.{name}'] = self.occ_weight * value
        return losses

    def _roll_out(
        self,
        scene: SparseOccFeatures,
        hidden: Tensor | None,
        data_samples: list[OccDataSample],
        num_steps: int,
    ) -> list[FutureState]:
        """Compute the state after each step."""
        features = self.fuse(
            scene.features.float(), None if hidden is None else hidden.float()
        )
        present = scene.layers[-1]
        state = FutureState(
            features=features,  # (B, Q, C)
            points=present.points.float(),  # (B, Q, R, 3)
            logits=present.logits.float(),  # (B, Q, R, K)
            new=torch.zeros_like(features[..., 0], dtype=torch.bool),
            ego=self._embed_ego(features, data_samples),
            motion=features.new_zeros(len(features), 3),
        )
        expected = torch.zeros_like(state.motion)
        if self.use_status:
            expected = driving_on(data_samples).to(expected)
        steps = []
        for _ in range(num_steps):
            state = self.step(state, expected)
            steps.append(state)
        return steps

    def _embed_ego(
        self, features: Tensor, data_samples: list[OccDataSample]
    ) -> Tensor:
        """Embed the ego state as the first ego token, (B, C)."""
        token = self.ego_token.expand(len(features), -1)
        if self.embed_ego is None:
            return token
        state = ego_state(data_samples, self.use_status, self.use_history)
        return token + self.embed_ego(state.to(self.ego_token))

    def _motion_loss(
        self, displacements: Tensor, data_samples: list[OccDataSample]
    ) -> Tensor:
        """Squared error in metres, summed over x and y, mean over steps."""
        egos = [sample.gt_ego for sample in data_samples]
        num_steps = displacements.shape[1]
        places = torch.stack([e.fut_trajs[:num_steps] for e in egos])
        known = torch.stack([e.fut_masks[:num_steps] for e in egos]).bool()
        places, known = places.to(displacements), known.to(displacements)
        truth = places.diff(dim=1, prepend=torch.zeros_like(places[:, :1]))
        # A displacement is known if both its ends are.
        known = known * nn.functional.pad(known, (1, 0), value=1.0)[:, :-1]
        squared = (displacements - truth).square().sum(dim=-1) * known
        return self.motion_weight * global_mean(squared.sum(), known.sum())
