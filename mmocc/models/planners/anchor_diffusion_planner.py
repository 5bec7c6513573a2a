"""Scored anchors, of which the best are denoised (SparseOccVLA, planner).

The language model's reasoning token scores clean anchors; occupancy queries
and ego status denoise them. The two meet in one place, the choice of the
anchor, so at test time only the winner is denoised and in training only the
anchor nearest to the ground truth, with the results of the full computation.

Of the paper the abstract and the overview figure are known to us; the parts
and sizes inside are ours, after DiffusionDrive (Liao et al., CVPR 2025).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmocc.models.losses.global_mean import global_mean
from mmocc.models.planners.anchor_set import gt3s_command
from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.models.planners.truncated_ddim import keyed_generator
from mmocc.registry import MODELS
from mmocc.structures import OccDataSample
from mmocc.structures.part_checks import class_of
from mmocc.structures.scene_features import SceneFeatures

DENOISE = ('winner', 'topk', 'all')
TRAIN_ON = ('positive', 'all')
LOSS_SPACES = ('normalized', 'metres')
# What the overview figure draws: the parts where a config names no others.
SCORER = dict(type='ReasoningScorer')
HEAD = dict(
    type='DenoisingHead',
    denoiser=dict(type='AnchorDenoiser'),
    schedule=dict(type='TruncatedDDIM'),
)
CONDITION = dict(type='ConditionMemory')
LOSS_SCORE = dict(type='AnchorBCELoss')


@dataclass(frozen=True)
class AnchorPlan:
    """The chosen trajectory and the others that were denoised.

    B frames, A anchors, K of them denoised, T steps of 0.5 s.

    Attributes:
        trajectory (Tensor): (B, T, 2) chosen, x forward and y left.
        scores (Tensor): (B, A) logits of the anchors.
        chosen (Tensor): (B,) int64 index of the chosen anchor.
        candidates (Tensor): (B, K, T, 2) best first, the chosen one at 0.
        candidate_index (Tensor): (B, K) int64, their anchors.
    """

    trajectory: Tensor
    scores: Tensor
    chosen: Tensor
    candidates: Tensor
    candidate_index: Tensor


@MODELS.register_module()
class AnchorDiffusionPlanner(BaseModule):
    """Score anchors, and denoise the best into a trajectory::

        scene features -> scorer ----------------> scores -> winner
                       -> condition -> head (denoiser, schedule) -> trajectory

    B frames, A anchors, K of them denoised, T steps, D_l width of the
    language model. Positions are metres in the ego frame of the key frame, x
    forward and y left.

    Args:
        reasoning_dims (int): Width D_l of the language model.
        ego_dims (int): Numbers of the ego status.
        anchors (dict): Config of an ``AnchorBank``.
        occ_dims (int): Width of occupancy queries, where they are read.
            Defaults to 256.
        scorer (dict, optional): Config of an ``AnchorScorer``. Defaults to
            ``ReasoningScorer``.
        head (dict, optional): Config of a ``TrajectoryHead``. Defaults to
            ``DenoisingHead`` with ``AnchorDenoiser`` as its ``denoiser`` and
            ``TruncatedDDIM`` as its ``schedule``.
        condition (dict, optional): Config of what the head reads. Defaults to
            ``ConditionMemory``.
        loss_score (dict, optional): Config of an ``AnchorScoreLoss``.
            Defaults to ``AnchorBCELoss``.
        embed_dims (int): Width inside. Defaults to 256.
        num_heads (int): Heads of every attention. Defaults to 8.
        num_blocks (int): Blocks of the denoiser. Defaults to 2.
        denoise (str): At test time the ``winner``, the ``topk`` or ``all``
            anchors. The trajectory is the same. Defaults to 'winner'.
        top_k (int): Number K of ``topk``. Defaults to 3.
        train_on (str): Denoise the ``positive`` anchor or ``all``. Loss and
            gradients are the same. Defaults to 'positive'.
        noise_draws (int): Draws of noise and timestep for each frame in
            training. Defaults to 1.
        loss_space (str): L1 of ``normalized`` displacements or of positions
            in ``metres``. Defaults to 'normalized'.
        mask_by_command (bool): Choose among the anchors of the command only.
            Needs anchors of mode ``per_command`` and
            ``condition.command='gt3s'``. Defaults to False.
        detach_llm (bool): Keep the planner's gradients out of the language
            model. Defaults to False.
        ego_scales (Sequence[float], optional): The ego status is divided by
            these, to be near 1. Defaults to None, ones.
        loss_denoise_weight (float): Factor on ``loss_denoise``. Defaults to
            1.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If values are unknown or contradict each other.
        AnchorError: If the anchors are not those that the config describes.
    """

    # The config key that holds the width of the language model.
    token_width_key = 'reasoning_dims'

    def __init__(
        self,
        reasoning_dims: int,
        ego_dims: int,
        anchors: dict,
        occ_dims: int = 256,
        scorer: dict | None = None,
        head: dict | None = None,
        condition: dict | None = None,
        loss_score: dict | None = None,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_blocks: int = 2,
        denoise: str = 'winner',
        top_k: int = 3,
        train_on: str = 'positive',
        noise_draws: int = 1,
        loss_space: str = 'normalized',
        mask_by_command: bool = False,
        detach_llm: bool = False,
        ego_scales: Sequence[float] | None = None,
        loss_denoise_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for key, value, known in (
            ('denoise', denoise, DENOISE),
            ('train_on', train_on, TRAIN_ON),
            ('loss_space', loss_space, LOSS_SPACES),
        ):
            if value not in known:
                raise ValueError(
                    f'planner.{key} is {value!r}, expected one of {known}'
                )
        self.bank = MODELS.build(anchors)
        num_anchors, num_steps = self.bank.anchors.shape[:2]
        if noise_draws < 1 or not 1 <= top_k <= num_anchors:
            raise ValueError(
                f'planner.noise_draws is {noise_draws} and planner.top_k '
                f'{top_k}, expected 1 or more, and 1 .. {num_anchors}'
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
        self.num_denoised = dict(winner=1, topk=top_k, all=num_anchors)[
            denoise
        ]
        self.train_on = train_on
        self.noise_draws = noise_draws
        self.loss_space = loss_space
        self.mask_by_command = mask_by_command
        self.detach_llm = detach_llm
        self.loss_denoise_weight = loss_denoise_weight

        self.sizes = sizes = PlannerSizes(
            num_anchors=num_anchors,
            num_steps=num_steps,
            embed_dims=embed_dims,
            num_heads=num_heads,
            num_blocks=num_blocks,
            occ_dims=occ_dims,
            ego_dims=ego_dims,
            token_dims=reasoning_dims,
        )
        # Weights that nothing reads would stop distributed training.
        head = head or HEAD
        reader = class_of(head.get('denoiser') or head)
        self.memory = MODELS.build(
            condition or CONDITION,
            default_args=dict(
                sizes=sizes,
                num_blocks=num_blocks if reader.reads_keys else 0,
            ),
        )
        self.loss_of_scores = MODELS.build(loss_score or LOSS_SCORE)
        self.scorer = MODELS.build(
            scorer or SCORER, default_args=dict(sizes=sizes)
        )
        self.head = MODELS.build(head, default_args=dict(sizes=sizes))
        self._require_exact(denoise, train_on)
        self._require_compatible()

    @property
    def reads(self) -> dict[str, str]:
        """Fields of ``SceneFeatures`` that are read, and by which key."""
        return {**self.scorer.reads, **self.memory.reads}

    def forward(
        self,
        scene: SceneFeatures,
        frame_keys: Sequence[str] | None = None,
        command: Tensor | None = None,
    ) -> AnchorPlan:
        """Plan from tensors alone.

        Args:
            scene (SceneFeatures): B frames, with the fields of ``reads``.
            frame_keys (Sequence[str], optional): B sample tokens; needed for
                ``schedule.noise='random'`` only.
            command (Tensor, optional): (B,) int64, index of
                ``GT3S_COMMANDS``; read with ``condition.command='gt3s'``.

        Returns:
            AnchorPlan: The plan, with the other candidates.
        """
        scene = self._prepare(scene)
        condition = self.memory(scene, command, self.bank.normalizer)
        frames, anchors = scene.batch_size, self.bank.normalized()
        if self.scorer.reads_denoised:
            everything, hidden = self._refine(condition, frames, frame_keys)
            scores = self.scorer(scene, anchors, hidden)  # (B, A)
            index = self._rank(scores, command)
            candidates = take(everything, index, dim=1)  # (B, A, T, 2)
        else:
            scores = self.scorer(scene, anchors)  # (B, A)
            index = self._rank(scores, command)[:, : self.num_denoised]
            candidates, _ = self._refine(condition, frames, frame_keys, index)
        return AnchorPlan(
            trajectory=candidates[:, 0],
            scores=scores,
            chosen=index[:, 0],
            candidates=candidates,
            candidate_index=index,
        )

    def loss(
        self, scene: SceneFeatures, data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Compare scores and trajectories with what the driver did.

        Args:
            scene (SceneFeatures): B frames, with the fields of ``reads``.
            data_samples (list[OccDataSample]): With ``gt_ego.fut_trajs``,
                which may hold anything where ``fut_masks`` is False.

        Returns:
            dict[str, Tensor]: ``loss_score`` and ``loss_denoise``, the latter
            over the steps that exist; ``loss_kl`` with the VAE.

        Raises:
            ValueError: If the ground truth is not finite where it exists, or
                a field is missing or has another shape.
        """
        trajectory, mask = self._truth(data_samples)  # (B, T, 2), (B, T)
        command = self._command(data_samples)
        scene = self._prepare(scene)
        condition = self.memory(scene, command, self.bank.normalizer)
        distances = self.bank.distances(trajectory, mask)  # (B, A)
        positive = self.bank.nearest(trajectory, mask, self._allowed(command))
        target = self.bank.normalizer.normalize(trajectory)

        anchors = self.bank.normalized().expand(len(mask), -1, -1, -1)
        # Drawn for all anchors, whichever of them are denoised.
        noise = torch.randn(
            len(mask),
            self.noise_draws,
            *anchors.shape[1:],
            device=anchors.device,
        ).to(anchors)  # (B, R, A, T, 2)
        if self.train_on == 'positive':
            anchors = take(anchors, positive[:, None], dim=1)
            noise = take(noise, positive[:, None], dim=2)
        output = self.head.training_pass(
            anchors, noise, condition, target, mask
        )
        predictions = output.predictions  # each (B, R, K, T, 2)
        if self.train_on == 'all':
            predictions = [
                take(each, positive[:, None], dim=2) for each in predictions
            ]
        scores = self.scorer(scene, self.bank.normalized(), output.hidden)
        if not self.scorer.reads_denoised:
            scores = scores[:, None]
        draws = scores.shape[1]  # (B, R, A), R = 1 without denoised states
        loss_score = self.loss_of_scores(
            scores.flatten(0, 1),
            *(
                each.repeat_interleave(draws, dim=0)
                for each in (positive, distances, mask.any(dim=1))
            ),
        )
        errors = [
            self._error(each.squeeze(2), target, trajectory, mask)
            for each in predictions
        ]
        return dict(
            loss_score=loss_score,
            loss_denoise=self.loss_denoise_weight * torch.stack(errors).mean(),
            **output.losses,
        )

    def predict(
        self, scene: SceneFeatures, data_samples: list[OccDataSample]
    ) -> list[BaseDataElement]:
        """Plan each frame.

        Args:
            scene (SceneFeatures): B frames, with the fields of ``reads``.
            data_samples (list[OccDataSample]): With their tokens. The ground
                truth is read with ``condition.command='gt3s'`` only.

        Returns:
            list[BaseDataElement]: ``pred_ego`` of each frame: ``trajs``
            (K, T, 2) in metres, best first, and their ``scores`` (K,).
        """
        plan = self(
            scene,
            [sample.token for sample in data_samples],
            self._command(data_samples),
        )
        scores = plan.scores.gather(1, plan.candidate_index)  # (B, K)
        return [
            BaseDataElement(trajs=trajs, scores=score)
            for trajs, score in zip(plan.candidates, scores, strict=True)
        ]

    def diagnose(
        self,
        scene: SceneFeatures,
        data_samples: list[OccDataSample],
        seed: int = 0,
    ) -> dict[str, Tensor]:
        """Tell errors of scoring from errors of denoising.

        Args:
            scene (SceneFeatures): As for ``predict``.
            data_samples (list[OccDataSample]): With tokens and the true
                future. The random choice depends on token and ``seed``, not
                on the batch.
            seed (int): Seed of the random choice. Defaults to 0.

        Returns:
            dict[str, Tensor]: Trajectories (B, T, 2).

            * ``plan``: what ``predict`` says;
            * ``anchor_oracle``: the anchor nearest to the ground truth,
              denoised: a perfect scorer;
            * ``random_winner``: any anchor, denoised: no scorer;
            * ``zero_step``: the chosen anchor as it is: no denoiser;
            * ``anchor_oracle_zero_step``: the nearest anchor as it is.
        """
        trajectory, mask = self._truth(data_samples)
        tokens = [sample.token for sample in data_samples]
        command = self._command(data_samples)
        plan = self(scene, tokens, command)
        condition = self.memory(
            self._prepare(scene), command, self.bank.normalizer
        )
        nearest = self.bank.nearest(trajectory, mask)
        anyone = torch.cat(
            [
                torch.randint(
                    len(self.bank), (1,), generator=keyed_generator(seed, key)
                )
                for key in tokens
            ]
        ).to(nearest)
        others, _ = self._refine(
            condition, len(mask), tokens, torch.stack([nearest, anyone], 1)
        )
        return dict(
            plan=plan.trajectory,
            anchor_oracle=others[:, 0],
            random_winner=others[:, 1],
            zero_step=self.bank.anchors[plan.chosen],
            anchor_oracle_zero_step=self.bank.anchors[nearest],
        )

    def _prepare(self, scene: SceneFeatures) -> SceneFeatures:
        """Scale the ego status, and detach the language model if asked to."""
        if self.detach_llm:
            scene = scene.detach_language()
        if scene.ego_status is None:
            return scene
        status = scene.ego_status.to(self.bank.anchors) / self.ego_scales
        return replace(scene, ego_status=status)

    def _refine(
        self,
        condition: Condition,
        frames: int,
        frame_keys: Sequence[str] | None,
        index: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Compute trajectories (B, K, T, 2) in metres and their last states.

        ``index`` (B, K) names the anchors; None means all, in order. Where
        anchors see each other, all of them are computed.
        """
        anchors = self.bank.normalized().expand(frames, -1, -1, -1)
        noise = self.head.noise(anchors, frame_keys)  # (B, A, T, 2)
        early = index is not None and not self.head.couples_anchors
        if early:
            anchors = take(anchors, index, dim=1)
            noise = take(noise, index, dim=1)
        z, hidden = self.head(anchors, noise, condition)
        trajectories = self.bank.normalizer.denormalize(z)
        if index is not None and not early:
            trajectories = take(trajectories, index, dim=1)
        return trajectories, hidden

    def _rank(self, scores: Tensor, command: Tensor | None) -> Tensor:
        """Sort anchors (B, A) by falling score, equal ones by index."""
        allowed = self._allowed(command)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        return scores.sort(dim=-1, descending=True, stable=True).indices

    def _allowed(self, command: Tensor | None) -> Tensor | None:
        """Mark the anchors (B, A) of the command, or None for all."""
        if not self.mask_by_command:
            return None
        return self.bank.of_command(command)

    def _command(self, data_samples: list[OccDataSample]) -> Tensor | None:
        """Say left, straight or right (B,) by where the true future ends."""
        if self.memory.command == 'none':
            return None
        ends = np.stack([_last_known(s.gt_ego) for s in data_samples])
        return torch.from_numpy(gt3s_command(ends)).to(
            self.bank.anchors.device
        )

    def _truth(
        self, data_samples: list[OccDataSample]
    ) -> tuple[Tensor, Tensor]:
        """Stack and check the true future; unknown steps become 0.

        Returns:
            tuple[Tensor, Tensor]: (B, T, 2) metres and (B, T) bool.
        """
        egos = [sample.gt_ego for sample in data_samples]
        trajectory = torch.stack([ego.fut_trajs for ego in egos])
        mask = torch.stack([ego.fut_masks for ego in egos])
        expected = tuple(self.bank.anchors.shape[1:])
        if (
            tuple(trajectory.shape[1:]) != expected
            or mask.shape != trajectory.shape[:2]
        ):
            raise ValueError(
                f'the planner got trajectories {tuple(trajectory.shape)} with '
                f'a mask {tuple(mask.shape)}, expected (B, {expected[0]}, 2) '
                f'and (B, {expected[0]}), the horizon of the anchors'
            )
        mask = mask.bool()
        broken = (mask & ~trajectory.isfinite().all(dim=-1)).any(dim=1)
        if broken.any():
            raise ValueError(
                'the ground truth trajectory is NaN or infinite where its '
                f'mask says that it exists, in frames '
                f'{broken.nonzero().flatten().tolist()} of the batch; look '
                'at fut_poses and fut_mask in the info file'
            )
        known = mask[..., None]
        trajectory = torch.where(known, trajectory, 0).to(self.bank.anchors)
        return trajectory, mask

    def _error(
        self,
        predicted: Tensor,
        target: Tensor,
        positions: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """Mean L1 of predictions (B, R, T, 2) over steps that exist."""
        if self.loss_space == 'metres':
            predicted = self.bank.normalizer.denormalize(predicted)
            target = positions
        else:
            # A displacement needs both of its ends.
            before = torch.cat([torch.ones_like(mask[:, :1]), mask[:, :-1]], 1)
            mask = mask & before
        weight = mask.to(predicted)
        apart = (predicted - target[:, None]).abs().mean(dim=(1, 3))  # (B, T)
        return global_mean((apart * weight).sum(), weight.sum())

    def _require_exact(self, denoise: str, train_on: str) -> None:
        """Refuse shortcuts where they would change the result."""
        reason = None
        if self.head.couples_anchors:
            reason = 'planner.head lets anchors read each other'
        if self.scorer.reads_denoised:
            reason = 'planner.scorer scores denoised anchors'
        if reason and (denoise != 'all' or train_on != 'all'):
            raise ValueError(
                f'{reason}, so denoising some of them is not the full '
                f'computation, but planner.denoise is {denoise!r} and '
                f"planner.train_on {train_on!r}; set both to 'all'"
            )

    def _require_compatible(self) -> None:
        """Refuse parts that need what another part does not give."""
        if self.scorer.reads_denoised and not self.head.gives_states:
            raise ValueError(
                f'planner.scorer is {type(self.scorer).__name__}, which reads '
                'the states of denoised anchors, but planner.head is '
                f'{type(self.head).__name__}, which ignores the anchors; take '
                "a head with a denoiser, or scorer type='SceneScorer'"
            )
        off = [
            name for name in self.head.needs if name not in self.memory.project
        ]
        if off:
            raise ValueError(
                f'planner.head needs {", ".join(off)} (spatial_bias bends '
                'attention to occupancy queries), but planner.condition '
                'switches them off; set them to True there'
            )
        if not self.mask_by_command:
            return
        if self.bank.mode != 'per_command':
            raise ValueError(
                'planner.mask_by_command needs anchors that belong to '
                "commands: set planner.anchors.mode='per_command' and fit "
                'them with tools/fit_anchors.py --mode per_command'
            )
        if self.memory.command != 'gt3s':
            raise ValueError(
                'planner.mask_by_command chooses anchors by a command from '
                'the ground truth future, but planner.condition.command is '
                f"{self.memory.command!r}; set it to 'gt3s' to say so, or "
                'switch the mask off'
            )


def _last_known(ego: BaseDataElement) -> np.ndarray:
    """Return where the known future ends (2,), the origin without one."""
    known = ego.fut_trajs[ego.fut_masks.bool()]
    return known[-1].cpu().numpy() if len(known) else np.zeros(2)


def take(values: Tensor, index: Tensor, dim: int) -> Tensor:
    """Pick anchors of each frame.

    Args:
        values (Tensor): (B, ..., A, T, 2) with A at ``dim``.
        index (Tensor): (B, K) int64.
        dim (int): Where A is.

    Returns:
        Tensor: (B, ..., K, T, 2).
    """
    shape = list(values.shape)
    shape[dim] = index.shape[1]
    position = [1] * values.ndim
    position[0], position[dim] = index.shape
    return values.gather(dim, index.reshape(position).expand(shape))
