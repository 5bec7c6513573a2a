"""SparseOccVLA's planner: scored anchors, denoised apart from the scores.

The language model's reasoning token scores clean anchors; occupancy queries
and ego status denoise them. The two meet in one place, the choice of the
anchor, so at test time only the winner is denoised and in training only the
anchor nearest to the ground truth, with the results of the full computation.

Of the paper the abstract and the overview figure are known to us; the parts
and sizes inside are ours, after DiffusionDrive (Liao et al., CVPR 2025).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.losses.global_mean import global_mean
from mmocc.models.planners.anchor_bank import AnchorBank
from mmocc.models.planners.anchor_denoiser import AnchorDenoiser
from mmocc.models.planners.anchor_score_loss import AnchorScoreLoss
from mmocc.models.planners.anchor_scorer import AnchorScorer, score_layer
from mmocc.models.planners.condition_memory import (
    Condition,
    ConditionExtras,
    ConditionMemory,
)
from mmocc.models.planners.denoising_head import DenoisingHead
from mmocc.models.planners.regression_head import RegressionHead
from mmocc.models.planners.scene_mlp_head import SceneMLPHead
from mmocc.models.planners.trajectory_head import TrajectoryHead
from mmocc.models.planners.truncated_ddim import (
    TruncatedDDIM,
    keyed_generator,
)
from mmocc.models.planners.vae_head import VAEHead
from mmocc.registry import MODELS
from mmocc.structures.sparse_occ import PlannerOutput, SparseOccFeatures

SCORE_SOURCES = (
    'reasoning_token',
    'anchor_tokens',
    'answer_logits',
    'mlp_no_llm',
    'denoised',
)
HEADS = ('denoiser', 'regression', 'mlp', 'vae')
DENOISE = ('winner', 'topk', 'all')
TRAIN_ON = ('positive', 'all')
LOSS_SPACES = ('normalized', 'metres')
TOKEN_SOURCES = ('reasoning_token', 'anchor_tokens')
NEEDS_LLM = (*TOKEN_SOURCES, 'answer_logits')


@dataclass(frozen=True)
class AnchorPlan(PlannerOutput):
    """The chosen trajectory and the others that were denoised.

    Attributes:
        candidates (Tensor): (B, K, T, 2) best first, the chosen one at 0.
        candidate_index (Tensor): (B, K) int64, their anchors.
    """

    candidates: Tensor
    candidate_index: Tensor


@MODELS.register_module()
class AnchorDiffusionPlanner(BaseModule):
    """Score anchors, denoise the best.

    B frames, A anchors, K of them denoised, T steps, D_l width of the
    language model. Positions are metres in the ego frame of the key frame, x
    forward and y left.

    Args:
        reasoning_dims (int): D_l.
        occ_dims (int): Width of the encoder's occupancy queries.
        ego_dims (int): Numbers of the ego status, whatever the caller puts
            in: it must be known at time 0.
        anchors (dict): Arguments of ``AnchorBank``.
        embed_dims (int): Width inside. Defaults to 256.
        num_heads (int): Of every attention. Defaults to 8.
        num_blocks (int): Of the denoiser. Defaults to 2.
        ffn_ratio (int): Of the denoiser. Defaults to 4.
        score_source (str): Where scores come from. ``reasoning_token``: one
            vector (B, D_l). ``anchor_tokens``: one for each anchor,
            (B, A, D_l). ``answer_logits``: logits (B, A), used as they are.
            ``mlp_no_llm``: pooled occupancy queries and ego status.
            ``denoised``: the denoiser's last states, as in DiffusionDrive;
            this couples the two and excludes ``denoise='winner'``. Defaults
            to 'reasoning_token'.
        score_ego (bool): Let the scorer read the ego status beside tokens of
            the language model, for models whose prompt does not tell the
            speed. The paper's figure does not show it. Defaults to False.
        loss_score (dict, optional): Arguments of ``AnchorScoreLoss``.
        condition (dict, optional): What the denoiser reads: the switches of
            ``ConditionMemory``. Defaults to occupancy and ego status.
        diffusion (dict, optional): Arguments of ``TruncatedDDIM``.
        head (str): ``denoiser``; ``regression`` from the clean anchor in one
            pass; ``mlp``, which ignores the anchors; ``vae``. Defaults to
            'denoiser'.
        fusion (str): How trajectories read the condition: ``attention`` or
            its ``mean``. Defaults to 'attention'.
        anchor_self_attn (bool): Let anchors see each other; this excludes
            ``denoise='winner'``. Defaults to False.
        spatial_bias (bool): Let attention fall with the distance between
            query and noisy trajectory. Defaults to False.
        denoise (str): At test time the ``winner``, the ``topk`` or ``all``
            anchors. The trajectory is the same. Defaults to 'winner'.
        top_k (int): K of ``topk``. Defaults to 3.
        train_on (str): Denoise the ``positive`` anchor or ``all``. Loss and
            gradients are the same. Defaults to 'positive'.
        noise_draws (int): Of noise and timestep, for each frame in training.
            Defaults to 1.
        loss_space (str): L1 of ``normalized`` displacements or of positions
            in ``metres``. Defaults to 'normalized'.
        mask_by_command (bool): Choose among the anchors of the command only,
            which is ``extras.command``. Needs anchors of mode
            ``per_command``. Defaults to False.
        detach_llm (bool): Keep the planner's gradients out of the language
            model. Defaults to False.
        ego_scales (Sequence[float], optional): The ego status is divided by
            these. Defaults to None, ones.
        vae_latent_dims (int): Of ``head='vae'``. Defaults to 32.
        loss_score_weight (float): Defaults to 1.
        loss_denoise_weight (float): Defaults to 1.
        loss_kl_weight (float): Of ``head='vae'``. Defaults to 0.01.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If values are unknown or contradict each other.
        AnchorError: If the anchors are not those that the config describes.
    """

    def __init__(
        self,
        reasoning_dims: int,
        occ_dims: int,
        ego_dims: int,
        anchors: dict,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_blocks: int = 2,
        ffn_ratio: int = 4,
        score_source: str = 'reasoning_token',
        score_ego: bool = False,
        loss_score: dict | None = None,
        condition: dict | None = None,
        diffusion: dict | None = None,
        head: str = 'denoiser',
        fusion: str = 'attention',
        anchor_self_attn: bool = False,
        spatial_bias: bool = False,
        denoise: str = 'winner',
        top_k: int = 3,
        train_on: str = 'positive',
        noise_draws: int = 1,
        loss_space: str = 'normalized',
        mask_by_command: bool = False,
        detach_llm: bool = False,
        ego_scales: Sequence[float] | None = None,
        vae_latent_dims: int = 32,
        loss_score_weight: float = 1.0,
        loss_denoise_weight: float = 1.0,
        loss_kl_weight: float = 0.01,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for key, value, known in (
            ('score_source', score_source, SCORE_SOURCES),
            ('head', head, HEADS),
            ('denoise', denoise, DENOISE),
            ('train_on', train_on, TRAIN_ON),
            ('loss_space', loss_space, LOSS_SPACES),
        ):
            if value not in known:
                raise ValueError(
                    f'planner.{key} is {value!r}, expected one of {known}'
                )
        self.bank = AnchorBank(**anchors)
        num_anchors, num_steps = self.bank.anchors.shape[:2]
        _require_exact(score_source, anchor_self_attn, denoise, train_on)
        if noise_draws < 1 or not 1 <= top_k <= num_anchors:
            raise ValueError(
                f'planner.noise_draws is {noise_draws} and planner.top_k '
                f'{top_k}, expected 1 or more, and 1 .. {num_anchors}'
            )
        if mask_by_command and anchors.get('mode') != 'per_command':
            raise ValueError(
                'planner.mask_by_command needs anchors that belong to '
                "commands: set planner.anchors.mode='per_command' and fit "
                'them with tools/fit_anchors.py --mode per_command'
            )
        if score_ego and score_source not in TOKEN_SOURCES:
            raise ValueError(
                'planner.score_ego adds the ego status to tokens of the '
                f'language model, but planner.score_source={score_source!r} '
                f'reads none; use one of {TOKEN_SOURCES}'
            )
        self.score_source = score_source
        self.score_ego = score_ego
        self.reasoning_dims = reasoning_dims
        self.anchor_self_attn = anchor_self_attn
        self.num_denoised = dict(winner=1, topk=top_k, all=num_anchors)[
            denoise
        ]
        self.train_on = train_on
        self.noise_draws = noise_draws
        self.loss_space = loss_space
        self.mask_by_command = mask_by_command
        self.detach_llm = detach_llm
        self.loss_score_weight = loss_score_weight
        self.loss_denoise_weight = loss_denoise_weight

        self.memory = ConditionMemory(
            occ_dims,
            ego_dims,
            reasoning_dims,
            embed_dims,
            num_heads,
            num_blocks if head != 'mlp' else 0,
            ego_scales=ego_scales,
            **(condition or {}),
        )
        if self.memory.reads('reasoning') and score_source == 'answer_logits':
            raise ValueError(
                'planner.condition.reasoning is on, but with planner.'
                "score_source='answer_logits' the planner is given logits in "
                'place of a reasoning token; switch one of them off'
            )
        self.loss_of_scores = AnchorScoreLoss(**(loss_score or {}))
        if score_source == 'mlp_no_llm':
            self.pool = nn.Sequential(
                nn.Linear(occ_dims + ego_dims, embed_dims),
                nn.GELU(),
                nn.Linear(embed_dims, embed_dims),
            )
        if score_source == 'denoised':
            self.scorer = nn.Sequential(
                nn.LayerNorm(embed_dims), score_layer(embed_dims, num_anchors)
            )
        elif score_source != 'answer_logits':
            self.scorer = AnchorScorer(
                embed_dims if score_source == 'mlp_no_llm' else reasoning_dims,
                num_anchors,
                num_steps,
                embed_dims,
                ego_dims if score_ego else 0,
            )

        if head == 'mlp':
            if anchor_self_attn or spatial_bias or score_source == 'denoised':
                raise ValueError(
                    "planner.head='mlp' ignores the anchors, so "
                    'anchor_self_attn, spatial_bias and '
                    "score_source='denoised' are not to be had with it"
                )
            self.head: TrajectoryHead = SceneMLPHead(num_steps, embed_dims)
            return
        if spatial_bias and (
            fusion != 'attention' or not self.memory.reads('occ')
        ):
            raise ValueError(
                'planner.spatial_bias bends attention to occupancy queries: '
                "it needs planner.fusion='attention' and "
                'planner.condition.occ=True'
            )
        denoiser = AnchorDenoiser(
            num_anchors,
            num_steps,
            embed_dims,
            num_heads,
            num_blocks,
            ffn_ratio,
            fusion,
            anchor_self_attn,
            self.bank.normalizer.denormalize if spatial_bias else None,
        )
        if head == 'denoiser':
            self.head = DenoisingHead(
                denoiser,
                TruncatedDDIM(num_anchors, num_steps, **(diffusion or {})),
            )
        elif head == 'regression':
            self.head = RegressionHead(denoiser)
        else:
            self.head = VAEHead(
                denoiser,
                num_steps,
                embed_dims,
                vae_latent_dims,
                loss_kl_weight,
            )

    def loss(
        self,
        reasoning: Tensor | None,
        occ: SparseOccFeatures | None,
        ego_status: Tensor | None,
        trajectory: Tensor,
        mask: Tensor,
        extras: ConditionExtras | None = None,
    ) -> dict[str, Tensor]:
        """Compare scores and trajectories with what the driver did.

        Args:
            reasoning (Tensor, optional): As ``score_source`` says.
            occ (SparseOccFeatures, optional): Of the encoder.
            ego_status (Tensor, optional): (B, ego_dims).
            trajectory (Tensor): (B, T, 2) ground truth in metres.
            mask (Tensor): (B, T), true where a step exists. The others may
                hold anything.
            extras (ConditionExtras, optional): What else is switched on.

        Returns:
            dict[str, Tensor]: ``loss_score`` and ``loss_denoise``, the latter
            over the steps that exist; ``loss_kl`` with the VAE.

        Raises:
            ValueError: If the ground truth is not finite where it exists, or
                an input is missing or has another shape.
        """
        trajectory, mask = self._truth(trajectory, mask)
        reasoning, extras = self._llm(len(mask), reasoning, extras)
        condition = self.memory(occ, ego_status, reasoning, extras)
        distances = self.bank.distances(trajectory, mask)
        positive = self.bank.nearest(trajectory, mask, self._allowed(extras))
        target = self.bank.normalizer.normalize(trajectory)

        anchors = self.bank.normalized().expand(len(mask), -1, -1, -1)
        # Drawn for all anchors, whichever of them are denoised.
        noise = torch.randn(
            len(mask),
            self.noise_draws,
            *anchors.shape[1:],
            device=anchors.device,
        ).to(anchors)
        if self.train_on == 'positive':
            anchors = take(anchors, positive[:, None], dim=1)
            noise = take(noise, positive[:, None], dim=2)
        output = self.head.training_pass(
            anchors, noise, condition, target, mask
        )
        predictions = output.predictions
        if self.train_on == 'all':
            predictions = [
                take(each, positive[:, None], dim=2) for each in predictions
            ]
        if self.score_source == 'denoised':
            scores = self.scorer(output.hidden).squeeze(-1)  # (B, R, A)
        else:
            scores = self._score(reasoning, occ, ego_status)[:, None]
        draws = scores.shape[1]
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
        loss_denoise = torch.stack(errors).mean()
        return dict(
            loss_score=self.loss_score_weight * loss_score,
            loss_denoise=self.loss_denoise_weight * loss_denoise,
            **output.losses,
        )

    def predict(
        self,
        reasoning: Tensor | None,
        occ: SparseOccFeatures | None,
        ego_status: Tensor | None,
        extras: ConditionExtras | None = None,
        frame_keys: Sequence[str] | None = None,
    ) -> AnchorPlan:
        """Plan.

        Args:
            reasoning (Tensor, optional): As ``score_source`` says.
            occ (SparseOccFeatures, optional): Of the encoder.
            ego_status (Tensor, optional): (B, ego_dims).
            extras (ConditionExtras, optional): What else is switched on.
            frame_keys (Sequence[str], optional): B sample tokens; needed for
                ``diffusion.noise='random'`` only.

        Returns:
            AnchorPlan: The plan, with the other candidates.
        """
        frames = _num_frames(reasoning, occ, ego_status)
        reasoning, extras = self._llm(frames, reasoning, extras)
        condition = self.memory(occ, ego_status, reasoning, extras)
        if self.score_source == 'denoised':
            everything, hidden = self._refine(condition, frames, frame_keys)
            scores = self.scorer(hidden).squeeze(-1)
            index = self._rank(scores, extras)
            candidates = take(everything, index, dim=1)
        else:
            scores = self._score(reasoning, occ, ego_status)
            index = self._rank(scores, extras)[:, : self.num_denoised]
            candidates, _ = self._refine(condition, frames, frame_keys, index)
        return AnchorPlan(
            trajectory=candidates[:, 0],
            scores=scores,
            chosen=index[:, 0],
            candidates=candidates,
            candidate_index=index,
        )

    def diagnose(
        self,
        reasoning: Tensor | None,
        occ: SparseOccFeatures | None,
        ego_status: Tensor | None,
        trajectory: Tensor,
        mask: Tensor,
        frame_keys: Sequence[str],
        extras: ConditionExtras | None = None,
        seed: int = 0,
    ) -> dict[str, Tensor]:
        """Tell errors of scoring from errors of denoising.

        Args:
            reasoning (Tensor, optional): As for ``predict``.
            occ (SparseOccFeatures, optional): As for ``predict``.
            ego_status (Tensor, optional): As for ``predict``.
            trajectory (Tensor): (B, T, 2) ground truth in metres.
            mask (Tensor): (B, T), true where a step exists.
            frame_keys (Sequence[str]): B sample tokens; the random choice
                depends on them and on ``seed``, not on the batch.
            extras (ConditionExtras, optional): As for ``predict``.
            seed (int): Of the random choice. Defaults to 0.

        Returns:
            dict[str, Tensor]: Trajectories (B, T, 2).

            * ``plan``: what ``predict`` says;
            * ``anchor_oracle``: the anchor nearest to the ground truth,
              denoised: a perfect scorer;
            * ``random_winner``: any anchor, denoised: no scorer;
            * ``zero_step``: the chosen anchor as it is: no denoiser;
            * ``anchor_oracle_zero_step``: the nearest anchor as it is.
        """
        trajectory, mask = self._truth(trajectory, mask)
        plan = self.predict(reasoning, occ, ego_status, extras, frame_keys)
        frames = len(mask)
        reasoning, extras = self._llm(frames, reasoning, extras)
        condition = self.memory(occ, ego_status, reasoning, extras)
        nearest = self.bank.nearest(trajectory, mask)
        anyone = torch.cat(
            [
                torch.randint(
                    len(self.bank), (1,), generator=keyed_generator(seed, key)
                )
                for key in frame_keys
            ]
        ).to(nearest)
        others, _ = self._refine(
            condition, frames, frame_keys, torch.stack([nearest, anyone], 1)
        )
        return dict(
            plan=plan.trajectory,
            anchor_oracle=others[:, 0],
            random_winner=others[:, 1],
            zero_step=self.bank.anchors[plan.chosen],
            anchor_oracle_zero_step=self.bank.anchors[nearest],
        )

    def _refine(
        self,
        condition: Condition,
        frames: int,
        frame_keys: Sequence[str] | None,
        index: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Trajectories (B, K, T, 2) in metres and their last states.

        ``index`` (B, K) names the anchors; None means all, in order. Where
        anchors see each other, all of them are computed.
        """
        anchors = self.bank.normalized().expand(frames, -1, -1, -1)
        noise = self.head.noise(anchors, frame_keys)
        early = index is not None and not self.anchor_self_attn
        if early:
            anchors = take(anchors, index, dim=1)
            noise = take(noise, index, dim=1)
        z, hidden = self.head(anchors, noise, condition)
        trajectories = self.bank.normalizer.denormalize(z)
        if index is not None and not early:
            trajectories = take(trajectories, index, dim=1)
        return trajectories, hidden

    def _score(
        self,
        reasoning: Tensor | None,
        occ: SparseOccFeatures | None,
        ego_status: Tensor | None,
    ) -> Tensor:
        """Logits (B, A) that no denoised trajectory has a part in."""
        if self.score_source == 'answer_logits':
            return reasoning
        guide, status = reasoning, None
        if self.score_source == 'mlp_no_llm':
            if occ is None:
                raise ValueError(
                    "planner.score_source='mlp_no_llm' scores with occupancy "
                    'queries, but the planner was called without them'
                )
            ego = self._ego(ego_status)
            pooled = occ.features.mean(dim=1)
            guide = self.pool(torch.cat([pooled.to(ego), ego], dim=-1))
        elif self.score_ego:
            status = self._ego(ego_status)
        return self.scorer(guide, self.bank.normalized(), status)

    def _ego(self, ego_status: Tensor | None) -> Tensor:
        """The scaled ego status, for the scorer."""
        if ego_status is None:
            raise ValueError(
                'the scorer reads the ego status, but the planner was called '
                'without it; hand it over, or see planner.score_source and '
                'planner.score_ego'
            )
        return ego_status.to(self.bank.anchors) / self.memory.ego_scales

    def _rank(self, scores: Tensor, extras: ConditionExtras) -> Tensor:
        """Anchors (B, A) by falling score; equal ones keep their order."""
        allowed = self._allowed(extras)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        return scores.sort(dim=-1, descending=True, stable=True).indices

    def _allowed(self, extras: ConditionExtras) -> Tensor | None:
        if not self.mask_by_command:
            return None
        if extras.command is None:
            raise ValueError(
                'planner.mask_by_command is on, but the planner was called '
                'without a command; hand over extras.command or switch it off'
            )
        return self.bank.of_command(extras.command)

    def _llm(
        self,
        frames: int,
        reasoning: Tensor | None,
        extras: ConditionExtras | None,
    ) -> tuple[Tensor | None, ConditionExtras]:
        """Check what the language model says, and detach it if asked to."""
        extras = extras or ConditionExtras()
        if self.score_source in NEEDS_LLM:
            anchors = len(self.bank)
            expected = dict(
                reasoning_token=(frames, self.reasoning_dims),
                anchor_tokens=(frames, anchors, self.reasoning_dims),
                answer_logits=(frames, anchors),
            )[self.score_source]
            got = None if reasoning is None else tuple(reasoning.shape)
            if got != expected:
                raise ValueError(
                    f'the planner got reasoning of shape {got}, but '
                    f'planner.score_source={self.score_source!r} takes '
                    f'{expected}'
                )
        if not self.detach_llm:
            return reasoning, extras
        tokens = extras.global_tokens
        return (
            None if reasoning is None else reasoning.detach(),
            ConditionExtras(
                None if tokens is None else tokens.detach(),
                extras.meta,
                extras.command,
            ),
        )

    def _truth(
        self, trajectory: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Check the ground truth; steps that do not exist become 0."""
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


def take(values: Tensor, index: Tensor, dim: int) -> Tensor:
    """Pick anchors.

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


def _num_frames(
    reasoning: Tensor | None,
    occ: SparseOccFeatures | None,
    ego_status: Tensor | None,
) -> int:
    for given in (ego_status, reasoning, occ and occ.features):
        if given is not None:
            return len(given)
    raise ValueError(
        'the planner was called without reasoning, occ and ego_status'
    )


def _require_exact(
    score_source: str, anchor_self_attn: bool, denoise: str, train_on: str
) -> None:
    """Refuse shortcuts where they would change the result."""
    reason = None
    if anchor_self_attn:
        reason = 'planner.anchor_self_attn lets anchors read each other'
    if score_source == 'denoised':
        reason = "planner.score_source='denoised' scores denoised anchors"
    if reason and (denoise != 'all' or train_on != 'all'):
        raise ValueError(
            f'{reason}, so denoising some of them is not the full '
            f'computation, but planner.denoise is {denoise!r} and '
            f"planner.train_on {train_on!r}; set both to 'all'"
        )
