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

from mmocc.models.bridges import greedy_decode
from mmocc.models.bridges.packed_sequence import PackedSequence
from mmocc.models.detectors import BaseVLA, require_token_width
from mmocc.models.forecasters.occ_forecaster import Forecast
from mmocc.models.losses.set_occ_loss import OccupiedVoxels, occupied_voxels
from mmocc.models.planners.anchor_set import gt3s_command
from mmocc.models.planners.condition_memory import ConditionExtras
from mmocc.models.vlms.tokenizer import build_tokenizer
from mmocc.projects.SparseOccVLA.sparseoccvla.clip_distillation import to_rgb
from mmocc.projects.SparseOccVLA.sparseoccvla.input_checks import (
    needs_language,
    require_known_inputs,
    require_no_language,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.meta_action_reader import (
    MetaActionReader,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.planner_question import (
    PlannerQuestion,
)
from mmocc.registry import MODELS
from mmocc.structures import FREE, OccDataSample, parse_meta_action
from mmocc.structures.meta_action import IGNORE
from mmocc.structures.sparse_occ import SparseOccFeatures
from mmocc.structures.tokens import SparseBridgeOutput, TextBatch

TARGETS = ('all', 'visible')
META_TASK = 'meta_action'


class Diagnosis(NamedTuple):
    """Of B frames, T steps to come.

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
    """Cameras to sparse queries, queries to words, forecasts and plans::

        images -> backbone, neck -> encoder -> queries -> decoder -> occupancy
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
        decoder (dict): ``PointSetDecoder``.
        loss_occ (dict): ``SetOccLoss``.
        bridge (dict, optional): ``SparseQueryBridge``. Defaults to None.
        tokenizer (str, optional): Id or folder of the language model's
            tokenizer; needed with a bridge. Defaults to None.
        forecaster (dict, optional): ``OccForecaster``. Defaults to None.
        planner (dict, optional): ``AnchorDiffusionPlanner``. Defaults to
            None.
        distillation (dict, optional): ``CLIPDistillation`` of the encoder,
            in training alone. Defaults to None.
        target (str): ``all`` voxels that are not free train the points, as
            in OPUS, or those ``visible`` to a camera only. Defaults to 'all'.
        use_status (bool): Whether the planner knows the ego status of now.
            Defaults to True.
        freeze_encoder (bool): Backbone, neck and encoder stay as they are, and
            occupancy has no loss. Defaults to False.
        max_new_tokens (int): Of an answer. Defaults to 128.
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
        decoder: dict,
        loss_occ: dict,
        bridge: dict | None = None,
        tokenizer: str | None = None,
        forecaster: dict | None = None,
        planner: dict | None = None,
        distillation: dict | None = None,
        target: str = 'all',
        use_status: bool = True,
        freeze_encoder: bool = False,
        max_new_tokens: int = 128,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if target not in TARGETS:
            raise ValueError(
                f'model.target is {target!r}, expected one of {TARGETS}'
            )
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.encoder = MODELS.build(encoder)
        self.decoder = MODELS.build(decoder)
        self.loss_occ = MODELS.build(loss_occ)
        self.bridge = None if bridge is None else MODELS.build(bridge)
        self.forecaster = (
            None if forecaster is None else MODELS.build(forecaster)
        )
        self.planner = None if planner is None else MODELS.build(planner)
        self.distillation = (
            None if distillation is None else MODELS.build(distillation)
        )
        self.target = target
        self.use_status = use_status
        self.freeze_encoder = freeze_encoder
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
            for part in (self.backbone, self.neck, self.encoder):
                part.requires_grad_(False)
        self.max_new_tokens = max_new_tokens
        self.tokenizer = self.question = None
        if self.bridge is None:
            require_no_language(self.forecaster, self.planner)
        else:
            width = self.bridge.vlm.embed_dims
            require_token_width(width, dict(forecaster=forecaster), 'llm_dims')
            require_token_width(width, dict(planner=planner), 'reasoning_dims')
            self.tokenizer = build_tokenizer(tokenizer)
            self.read_actions = MetaActionReader(self.tokenizer)
        if self.planner is not None:
            require_known_inputs(self.planner, use_status)
            if needs_language(self.planner):
                self.question = PlannerQuestion(
                    self.planner.score_source,
                    self.tokenizer,
                    *self.planner.bank.anchors.shape[:2],
                    self.bridge.vlm.embed_dims,
                )

    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Occupancy, and of language, forecasts and plans what is there."""
        scene = self.encode_scene(inputs, data_samples)
        losses = {}
        if not self.freeze_encoder:
            losses = self.loss_occ(
                scene.layers,
                [self._voxels(sample) for sample in data_samples],
                scene.initial_points,
            )
            losses.update(
                self.encoder.voxel_losses(
                    scene.voxels,
                    *_stack_labels(data_samples, scene.features.device),
                )
            )
        if self.distillation is not None:
            losses['loss_distill'] = self._distil(
                scene, inputs['imgs'], data_samples
            )
        out = None
        if self.bridge is not None:
            text = self.stack_text(data_samples, scene.features.device)
            out = self.bridge(scene, text, self._prompt)
            losses['loss_text'] = self.bridge.text_loss(out.text, text)
        if self.forecaster is not None:
            losses.update(
                self.forecaster.loss(
                    scene,
                    out and out.queries,
                    data_samples,
                    self._future_voxels(data_samples),
                )
            )
        if self.planner is not None:
            truth = [sample.gt_ego for sample in data_samples]
            losses.update(
                self.planner.loss(
                    self._reasoning(out),
                    scene,
                    self._status(data_samples),
                    torch.stack([t.fut_trajs for t in truth]),
                    torch.stack([t.fut_masks for t in truth]),
                    self._extras(scene, out, data_samples),
                )
            )
        return losses

    def predict(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> list[OccDataSample]:
        """Fill ``pred_occ``, ``pred_text``, ``pred_meta`` and ``pred_ego``."""
        return self.predict_with_memory(inputs, data_samples)[0]

    def predict_with_memory(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> tuple[list[OccDataSample], PackedSequence | None]:
        """Predict, and return the visual tokens for later questions."""
        scene = self.encode_scene(inputs, data_samples)
        grids = self.decoder(scene.layers[-1])
        for sample, grid in zip(data_samples, grids, strict=True):
            sample.pred_occ = BaseDataElement(semantics=grid)
        out = memory = None
        if self.bridge is not None:
            out, memory = self.bridge.remember(scene, self._prompt)
            self.answer_questions(memory, data_samples)
            _read_meta_actions(data_samples)
        if self.forecaster is not None:
            self._forecast(scene, out, data_samples)
        if self.planner is not None:
            self._plan(scene, out, memory, data_samples)
        return data_samples, memory

    def answer_questions(
        self, memory: PackedSequence, data_samples: list[OccDataSample]
    ) -> None:
        """Fill ``pred_text`` of frames that were looked at before.

        Args:
            memory (PackedSequence): Of these frames; is not changed.
            data_samples (list[OccDataSample]): With questions.
        """
        answers = self._answer(memory.without_text(), data_samples)
        self.write_answers(data_samples, answers)

    def diagnose(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[OccDataSample],
        seed: int = 0,
    ) -> Diagnosis:
        """Plan and forecast, and what tells where their errors come from.

        Args:
            inputs (dict): As for :meth:`predict`.
            data_samples (list[OccDataSample]): With the true future.
            seed (int): Of the random anchors. Defaults to 0.
        """
        scene = self.encode_scene(inputs, data_samples)
        out = memory = None
        if self.bridge is not None:
            out, memory = self.bridge.remember(scene, self._prompt)
        truth = [sample.gt_ego for sample in data_samples]
        plans = self.planner.diagnose(
            self._reasoning(out),
            scene,
            self._status(data_samples),
            torch.stack([t.fut_trajs for t in truth]),
            torch.stack([t.fut_masks for t in truth]),
            [sample.token for sample in data_samples],
            self._extras(scene, out, data_samples, memory),
            seed,
        )
        forecast = self._roll_out(scene, out, data_samples)
        poses = torch.cat(
            [forecast.displacements, forecast.turns[..., None]], dim=-1
        )
        return Diagnosis(
            plans,
            self.decoder(scene.layers[-1]),
            self._future_grids(forecast),
            poses.cumsum(dim=1),
        )

    def encode_scene(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> SparseOccFeatures:
        """Occupancy queries of all cameras and frames.

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
        """Feature maps (B, N, D, h, w) of images (B, N, 3, H, W), each alone.

        What an image shows does not depend on when it is looked at, so a
        stream of frames keeps the maps of past ones.
        """
        maps = self.neck(self.backbone(imgs.flatten(0, 1)))
        return [each.unflatten(0, imgs.shape[:2]) for each in maps]

    def train(self, mode: bool = True) -> 'SparseOccVLA':
        """What is frozen stays in evaluation mode."""
        super().train(mode)
        if self.freeze_encoder:
            for part in (self.backbone, self.neck, self.encoder):
                part.eval()
        return self

    def _distil(
        self,
        scene: SparseOccFeatures,
        imgs: Tensor,
        data_samples: list[OccDataSample],
    ) -> Tensor:
        """How far queries are from the teacher in the key frames, ()."""
        present = slice(self.encoder.num_views)  # of T * V
        return self.distillation(
            scene,
            to_rgb(imgs[:, present], self.data_preprocessor),
            _stack_ego2img(data_samples, imgs)[:, present],
            self.encoder.view_choice,
        )

    @property
    def _prompt(self) -> Tensor | None:
        """Embeddings (P, D) of what the planner asks."""
        if self.question is None:
            return None
        return self.question(self.bridge.vlm, self.planner.bank.normalized())

    def _reasoning(self, out: SparseBridgeOutput | None) -> Tensor | None:
        """The answer to it."""
        if self.question is None:
            return None
        return self.question.read(self.bridge.vlm, out)

    def _extras(
        self,
        scene: SparseOccFeatures,
        out: SparseBridgeOutput | None,
        data_samples: list[OccDataSample],
        memory: PackedSequence | None = None,
    ) -> ConditionExtras:
        """What else the planner may read; ``memory`` if it is at hand."""
        command = None
        if self.planner.memory.command == 'gt3s':
            ends = np.stack([_last_known(s.gt_ego) for s in data_samples])
            command = torch.from_numpy(gt3s_command(ends))
            command = command.to(self.encoder.query_points.device)
        meta = None
        if self.planner.memory.reads('meta'):
            meta = self._likely_actions(scene, data_samples, memory)
        return ConditionExtras(
            global_tokens=out and out.overview, meta=meta, command=command
        )

    @torch.no_grad()
    def _likely_actions(
        self,
        scene: SparseOccFeatures,
        data_samples: list[OccDataSample],
        memory: PackedSequence | None = None,
    ) -> Tensor:
        """Probabilities (B, 3 + 6) that the language model gives now.

        In training too as at prediction: without dropout, and with the cache
        that a model which recomputes its layers would drop.
        """
        device = scene.features.device
        prompts = [
            self.prompts(sample, META_TASK)[self.place_of(sample, META_TASK)]
            for sample in data_samples
        ]
        prompts = [prompt.to(device) for prompt in prompts]
        training = self.bridge.training
        self.bridge.eval()
        if memory is None:
            _, memory = self.bridge.remember(scene)
        scores = self.read_actions(self.bridge, memory, prompts)
        self.bridge.train(training)
        return scores

    def _status(self, data_samples: list[OccDataSample]) -> Tensor | None:
        """Ego status (B, 7) of now."""
        if not self.use_status:
            return None
        status = torch.stack([sample.gt_ego.status for sample in data_samples])
        return status.to(self.encoder.query_points)

    def _voxels(self, sample: OccDataSample) -> OccupiedVoxels:
        """What the points of the present shall be."""
        truth = sample.gt_occ
        return self._occupied(truth.semantics, truth.mask_camera)

    def _future_voxels(
        self, data_samples: list[OccDataSample]
    ) -> list[list[OccupiedVoxels | None]]:
        """Likewise for each step to come and each frame."""
        labels = [sample.gt_occ for sample in data_samples]
        for sample, label in zip(data_samples, labels, strict=True):
            if 'future_semantics' not in label:
                raise KeyError(
                    f'sample {sample.get("token")} has no labels of the '
                    'future; put LoadFutureOcc3D into the pipeline'
                )
        return [
            [
                self._occupied(
                    label.future_semantics[step],
                    label.future_mask_camera[step],
                )
                if label.future_valid[step]
                else None
                for label in labels
            ]
            for step in range(len(labels[0].future_valid))
        ]

    def _occupied(self, semantics: Tensor, seen: Tensor) -> OccupiedVoxels:
        device = self.encoder.query_points.device
        semantics, seen = semantics.to(device), seen.to(device)
        if self.target == 'visible':
            semantics = torch.where(
                seen, semantics, torch.full_like(semantics, FREE)
            )
        return occupied_voxels(semantics, self.decoder.grid, seen)

    def _answer(
        self, memory: PackedSequence, data_samples: list[OccDataSample]
    ) -> list[dict[int, str]]:
        """Answer all questions of all frames, by place."""
        asked = [
            self.prompts(sample, '', others=True) for sample in data_samples
        ]
        if not any(asked):
            return [{} for _ in data_samples]
        prompts = [list(by_place.values()) for by_place in asked]
        text = TextBatch.pad(
            prompts, prompts, self.encoder.query_points.device
        )
        rows = greedy_decode(
            self.bridge,
            memory,
            text.input_ids,
            text.valid,
            self.tokenizer.eos_token_id,
            self.max_new_tokens,
        )
        return [
            {
                place: self.tokenizer.decode(answer).strip()
                for place, answer in zip(by_place, answers, strict=False)
            }
            for by_place, answers in zip(asked, rows, strict=True)
        ]

    def _forecast(
        self,
        scene: SparseOccFeatures,
        out: SparseBridgeOutput | None,
        data_samples: list[OccDataSample],
    ) -> None:
        """Add ``future_semantics`` (T, X, Y, Z) to ``pred_occ``."""
        grids = self._future_grids(self._roll_out(scene, out, data_samples))
        for sample, grid in zip(data_samples, grids, strict=True):
            sample.pred_occ.set_field(grid, 'future_semantics')

    def _roll_out(
        self,
        scene: SparseOccFeatures,
        out: SparseBridgeOutput | None,
        data_samples: list[OccDataSample],
    ) -> Forecast:
        """All steps to come."""
        return self.forecaster.predict(
            scene, out and out.queries, data_samples
        )

    def _future_grids(self, forecast: Forecast) -> Tensor:
        """Forecasts (B, T, X, Y, Z), each in its own ego frame."""
        return torch.stack(
            [self.decoder(points) for points in forecast.point_sets], dim=1
        )

    def _plan(
        self,
        scene: SparseOccFeatures,
        out: SparseBridgeOutput | None,
        memory: PackedSequence | None,
        data_samples: list[OccDataSample],
    ) -> None:
        """Fill ``pred_ego``."""
        plan = self.planner.predict(
            self._reasoning(out),
            scene,
            self._status(data_samples),
            self._extras(scene, out, data_samples, memory),
            [sample.token for sample in data_samples],
        )
        scores = plan.scores.gather(1, plan.candidate_index)
        for sample, trajs, score in zip(
            data_samples, plan.candidates, scores, strict=True
        ):
            sample.pred_ego = BaseDataElement(trajs=trajs, scores=score)

    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Occupancy queries (B, Q, D)."""
        return self.encode_scene(inputs, data_samples).features


def _ego2img(sample: OccDataSample) -> np.ndarray:
    """(T * V, 4, 4), metres in the ego frame of now to pixels times depth."""
    cam2img = np.tile(np.eye(4), (len(sample.cam2img), 1, 1))
    cam2img[:, :3, :3] = sample.cam2img
    return cam2img @ np.linalg.inv(sample.cam2ego)


def _stack_ego2img(data_samples: list[OccDataSample], like: Tensor) -> Tensor:
    """(B, T * V, 4, 4), of the type and on the device of ``like``."""
    matrices = np.stack([_ego2img(sample) for sample in data_samples])
    return torch.from_numpy(matrices).to(like)


def _stack_labels(
    data_samples: list[OccDataSample], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Class ids and camera mask, (B, X, Y, Z)."""
    labels = [sample.gt_occ for sample in data_samples]
    return tuple(
        torch.stack([label.get(name) for label in labels]).to(device)
        for name in ('semantics', 'mask_camera')
    )


def _last_known(ego: BaseDataElement) -> np.ndarray:
    """Where the future ends (2,), the origin where there is none."""
    known = ego.fut_trajs[ego.fut_masks.bool()]
    return known[-1].cpu().numpy() if len(known) else np.zeros(2)


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
