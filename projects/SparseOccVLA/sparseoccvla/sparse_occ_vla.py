"""SparseOccVLA: sparse occupancy queries as the only bridge to language.

Dang et al., 2026. Neither its text nor its code was at hand, the abstract and
the overview figure were; the parts follow the works that these name, and all
of their choices are config keys.
"""

from typing import NamedTuple

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmocc.models.bridges import MetaActionScorer
from mmocc.models.bridges.packed_sequence import PackedSequence
from mmocc.models.detectors import META_TASK, BaseVLA
from mmocc.projects.SparseOccVLA.sparseoccvla.clip_distillation import to_rgb
from mmocc.projects.SparseOccVLA.sparseoccvla.planner_question import (
    ANSWERS,
    PlannerQuestion,
)
from mmocc.registry import MODELS
from mmocc.structures import OccDataSample, parse_meta_action
from mmocc.structures.meta_action import IGNORE
from mmocc.structures.part_checks import (
    require_features,
    require_part,
    require_token_width,
)
from mmocc.structures.protocols import (
    Forecaster,
    OccHead,
    Planner,
    VisionLanguageBridge,
)
from mmocc.structures.scene_features import FEATURES, SceneFeatures
from mmocc.structures.sparse_occ import SparseOccFeatures
from mmocc.structures.tokens import SparseBridgeOutput

# Fields of SceneFeatures that come without a language model.
WITHOUT_LANGUAGE = ('occ_queries', 'ego_status', 'ego_history')


class Diagnosis(NamedTuple):
    """Plans and forecasts of B frames, T steps to come.

    Attributes:
        plans (dict[str, Tensor]): (B, T, 2) by name, see
            :meth:`AnchorDiffusionPlanner.diagnose`.
        present (Tensor): (B, X, Y, Z) class ids of now.
        future (Tensor): (B, T, X, Y, Z), each in its own ego frame.
        poses (Tensor): (B, T, 3) x, y, yaw that the forecast expects of the
            car, in the ego frame of now.
    """

    plans: dict[str, Tensor]
    present: Tensor
    future: Tensor
    poses: Tensor


@MODELS.register_module()
class SparseOccVLA(BaseVLA):
    """Images to sparse occupancy queries; these to words, forecasts, plans::

        images -> backbone, neck -> encoder -> queries -> occ_head -> occupancy
                                                  |
        questions -----------------------------> bridge -> answers
                                                  |    \\
                                        forecaster      planner

    Parts that are None are not there; the three stages add one after another.
    Without a bridge, forecaster and planner have to do without language.

    Args:
        backbone (dict): Image backbone, mmdet's.
        neck (dict): Feature pyramid, mmdet's.
        encoder (dict): ``SparseOccEncoder``.
        occ_head (dict): ``PointSetOccHead``.
        bridge (dict, optional): ``SparseQueryBridge``. Defaults to None.
        tokenizer (str, optional): Id or folder of the language model's
            tokenizer; needed with a bridge. Defaults to None.
        forecaster (dict, optional): ``OccForecaster``. Defaults to None.
        planner (dict, optional): A planner, such as
            ``AnchorDiffusionPlanner``. Defaults to None.
        distillation (dict, optional): ``CLIPDistillation`` of the encoder,
            in training alone. Defaults to None.
        use_status (bool): Whether the planner knows the ego status of now.
            Defaults to True.
        freeze_encoder (bool): Backbone, neck and encoder stay as they are, and
            occupancy has no loss. Defaults to False.
        max_new_tokens (int): Longest answer. Defaults to 128.
        data_preprocessor (dict, optional): mmdet3d's.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If a value is unknown, or a part reads what no other part
            gives.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        encoder: dict,
        occ_head: dict,
        bridge: dict | None = None,
        tokenizer: str | None = None,
        forecaster: dict | None = None,
        planner: dict | None = None,
        distillation: dict | None = None,
        use_status: bool = True,
        freeze_encoder: bool = False,
        max_new_tokens: int = 128,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if freeze_encoder:
            if bridge is forecaster is planner is None:
                raise ValueError(
                    'model.freeze_encoder is True and there is no '
                    'model.bridge, forecaster or planner: nothing would '
                    'learn; give one of them, or freeze_encoder=False'
                )
            if distillation is not None:
                raise ValueError(
                    'model.freeze_encoder is True, but model.distillation '
                    'teaches the encoder; switch one of them off'
                )
        require_part(bridge, VisionLanguageBridge, 'model.bridge')
        require_part(occ_head, OccHead, 'model.occ_head')
        require_part(forecaster, Forecaster, 'model.forecaster')
        require_part(planner, Planner, 'model.planner')
        provided, name = set(FEATURES), 'SparseOccVLA'
        if bridge is None:
            provided = set(WITHOUT_LANGUAGE)
            name += ' with model.bridge=None'
        require_features(forecaster, provided, 'model.forecaster', name)
        if not use_status:
            provided.remove('ego_status')
            name += ' with model.use_status=False'
        require_features(planner, provided, 'model.planner', name)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.encoder = MODELS.build(encoder)
        self.occ_head = MODELS.build(occ_head)
        self.bridge = None if bridge is None else MODELS.build(bridge)
        self.forecaster = (
            None if forecaster is None else MODELS.build(forecaster)
        )
        self.planner = None if planner is None else MODELS.build(planner)
        self.distillation = (
            None if distillation is None else MODELS.build(distillation)
        )
        self.use_status = use_status
        self.freeze_encoder = freeze_encoder
        if freeze_encoder:
            for part in (self.backbone, self.neck, self.encoder):
                part.requires_grad_(False)
        self.max_new_tokens = max_new_tokens
        self.question = None
        if self.bridge is None:
            return
        dims = self.bridge.vlm.embed_dims
        require_token_width(dims, dict(forecaster=forecaster, planner=planner))
        self.set_tokenizer(tokenizer)
        self.score_actions = MetaActionScorer(self.tokenizer)
        asked = [n for n in ANSWERS if planner and n in self.planner.reads]
        if asked:
            self.question = PlannerQuestion(
                asked, self.tokenizer, self.planner, dims
            )

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Losses of occupancy, language, forecasts and plan, as far as built.

        Occupancy has no loss with a frozen encoder.
        """
        queries = self.encode_scene(inputs, data_samples)
        device = queries.features.device
        losses = {}
        if not self.freeze_encoder:
            losses = self.occ_head.loss(queries, data_samples)
            losses.update(
                self.encoder.voxel_losses(
                    queries.voxels, *_stack_labels(data_samples, device)
                )
            )
        if self.distillation is not None:
            losses['loss_distill'] = self._distil(
                queries, inputs['imgs'], data_samples
            )
        out = None
        if self.bridge is not None:
            text = self.stack_text(data_samples, device)
            out = self.bridge(queries, text, self.prompt())
            losses['loss_text'] = self.bridge.text_loss(out.text, text)
        if self.forecaster is not None:
            losses.update(
                self.forecaster.loss(
                    _forecaster_features(queries, out),
                    data_samples,
                    self.occ_head.future_targets(data_samples, device),
                )
            )
        if self.planner is not None:
            scene = self.scene_features(queries, out, data_samples)
            losses.update(self.planner.loss(scene, data_samples))
        return losses

    def predict_with_memory(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> tuple[list[OccDataSample], PackedSequence | None]:
        """Predict, and return the visual tokens for later questions."""
        queries = self.encode_scene(inputs, data_samples)
        occupancy = self.occ_head.predict(queries, data_samples)
        for sample, pred in zip(data_samples, occupancy, strict=True):
            sample.pred_occ = pred
        out = memory = None
        if self.bridge is not None:
            out, memory = self.bridge.remember(queries, self.prompt())
            self.answer_questions(memory, data_samples)
            _read_meta_actions(data_samples)
        if self.forecaster is not None:
            forecast = self.forecaster.predict(
                _forecaster_features(queries, out), data_samples
            )
            future = self.occ_head.decode_all(forecast.point_sets)
            for sample, grids in zip(data_samples, future, strict=True):
                sample.pred_occ.set_field(grids, 'future_semantics')
        if self.planner is not None:
            scene = self.scene_features(queries, out, data_samples, memory)
            plans = self.planner.predict(scene, data_samples)
            for sample, plan in zip(data_samples, plans, strict=True):
                sample.pred_ego = plan
        return data_samples, memory

    def diagnose(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[OccDataSample],
        seed: int = 0,
    ) -> Diagnosis:
        """Plan and forecast in several ways that tell errors apart.

        Args:
            inputs (dict): As for :meth:`predict`.
            data_samples (list[OccDataSample]): With the true future.
            seed (int): Seed of the random anchors. Defaults to 0.
        """
        queries = self.encode_scene(inputs, data_samples)
        out = memory = None
        if self.bridge is not None:
            out, memory = self.bridge.remember(queries, self.prompt())
        scene = self.scene_features(queries, out, data_samples, memory)
        plans = self.planner.diagnose(scene, data_samples, seed)
        forecast = self.forecaster.predict(
            _forecaster_features(queries, out), data_samples
        )
        poses = torch.cat(
            [forecast.displacements, forecast.turns[..., None]], dim=-1
        )  # (B, T, 3)
        return Diagnosis(
            plans,
            self.occ_head.decode(queries.layers[-1]),
            self.occ_head.decode_all(forecast.point_sets),
            poses.cumsum(dim=1),
        )

    @property
    def num_history(self) -> int:
        """Past key frames whose images the model reads."""
        return self.encoder.num_frames - 1

    def encode_scene(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> SparseOccFeatures:
        """Encode multi-view images into occupancy queries.

        Args:
            inputs (dict): ``imgs``, (B, T * V, 3, H, W); ``maps`` from
                :meth:`extract_feat`, where they are known already.
            data_samples (list[OccDataSample]): With the calibration.
        """
        imgs = inputs['imgs']
        maps = inputs['maps'] if 'maps' in inputs else self.extract_feat(imgs)
        ego2img = _stack_ego2img(data_samples, imgs)
        return self.encoder(maps, ego2img, tuple(imgs.shape[-2:]))

    def extract_feat(self, imgs: Tensor) -> list[Tensor]:
        """Compute feature maps of images by backbone and neck, each alone.

        A map does not depend on when the image is used, so a stream of frames
        keeps the maps of past ones.

        Args:
            imgs (Tensor): (B, N, 3, H, W).

        Returns:
            list[Tensor]: (B, N, D, h, w) of each level.
        """
        maps = self.neck(self.backbone(imgs.flatten(0, 1)))  # (B N, D, h, w)
        return [each.unflatten(0, imgs.shape[:2]) for each in maps]

    def train(self, mode: bool = True) -> 'SparseOccVLA':
        """Set the mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.freeze_encoder:
            for part in (self.backbone, self.neck, self.encoder):
                part.eval()
        return self

    def prompt(self) -> Tensor | None:
        """Embed the planner's prompt, (P, D); None if none is asked."""
        if self.question is None:
            return None
        return self.question(self.bridge.vlm, self.planner)

    def scene_features(
        self,
        queries: SparseOccFeatures,
        out: SparseBridgeOutput | None,
        data_samples: list[OccDataSample],
        memory: PackedSequence | None = None,
    ) -> SceneFeatures:
        """Gather the features that the planner reads.

        Args:
            queries (SparseOccFeatures): Output of the encoder.
            out (SparseBridgeOutput, optional): Of the bridge, if there is
                one.
            data_samples (list[OccDataSample]): With ``gt_ego``, of which
                nothing of the future is read.
            memory (PackedSequence, optional): Visual tokens that were encoded
                before; saves a pass. Defaults to None.
        """
        reads = self.planner.reads
        features = dict(occ_queries=queries)
        if out is not None:
            features['overview_tokens'] = out.overview
            if 'visual_tokens' in reads:
                features['visual_tokens'] = torch.cat(
                    [out.queries, out.overview], dim=1
                )  # (B, Q + G, D)
        if self.question is not None:
            features.update(self.question.read(self.bridge.vlm, out))
        if 'meta_action' in reads:
            features['meta_action'] = self.meta_action_scores(
                queries, data_samples, memory
            )
        device = queries.features.device
        return SceneFeatures(
            **features, **self.ego_features(data_samples, reads, device)
        )

    @torch.no_grad()
    def meta_action_scores(
        self,
        queries: SparseOccFeatures,
        data_samples: list[OccDataSample],
        memory: PackedSequence | None = None,
    ) -> Tensor:
        """Return the language model's meta-action probabilities, (B, 18).

        In training too as at prediction: without dropout, and with the cache
        that a model which recomputes its layers would drop.
        """
        prompts = self.meta_action_prompts(data_samples)
        training = self.bridge.training
        self.bridge.eval()
        if memory is None:
            _, memory = self.bridge.remember(queries)
        actions = self.score_actions(self.bridge, memory, prompts)
        self.bridge.train(training)
        return actions.scores

    def _distil(
        self,
        queries: SparseOccFeatures,
        imgs: Tensor,
        data_samples: list[OccDataSample],
    ) -> Tensor:
        """Compare queries with the teacher in the key frames, ()."""
        present = slice(self.encoder.num_views)  # of T * V
        return self.distillation(
            queries,
            to_rgb(imgs[:, present], self.data_preprocessor),
            _stack_ego2img(data_samples, imgs)[:, present],
            self.encoder.view_choice,
        )

    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Compute the occupancy queries (B, Q, D)."""
        return self.encode_scene(inputs, data_samples).features


def _ego2img(sample: OccDataSample) -> np.ndarray:
    """Compute (T * V, 4, 4): metres in the ego frame to pixels times depth."""
    cam2img = np.tile(np.eye(4), (len(sample.cam2img), 1, 1))
    cam2img[:, :3, :3] = sample.cam2img
    return cam2img @ np.linalg.inv(sample.cam2ego)


def _stack_ego2img(data_samples: list[OccDataSample], like: Tensor) -> Tensor:
    """Stack to (B, T * V, 4, 4), of the type and device of ``like``."""
    matrices = np.stack([_ego2img(sample) for sample in data_samples])
    return torch.from_numpy(matrices).to(like)


def _stack_labels(
    data_samples: list[OccDataSample], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Stack class ids and camera masks of the key frames, (B, X, Y, Z)."""
    labels = [sample.gt_occ for sample in data_samples]
    return tuple(
        torch.stack([label.get(name) for label in labels]).to(device)
        for name in ('semantics', 'mask_camera')
    )


def _forecaster_features(
    queries: SparseOccFeatures, out: SparseBridgeOutput | None
) -> SceneFeatures:
    """Gather the features that a forecaster may read."""
    hidden = None if out is None else out.queries
    return SceneFeatures(occ_queries=queries, occ_hidden=hidden)


def _read_meta_actions(data_samples: list[OccDataSample]) -> None:
    """Fill ``pred_meta`` from the answers, where the action was asked for."""
    for sample in data_samples:
        for question, answer in zip(
            sample.gt_text.questions, sample.pred_text.answers, strict=True
        ):
            if question.task == META_TASK:
                action = parse_meta_action(answer)
                sample.pred_meta = BaseDataElement(
                    speed=IGNORE if action is None else action.speed_index,
                    direction=(
                        IGNORE if action is None else action.direction_index
                    ),
                )
