"""The base class of vision-language-action models: what others may call."""

from abc import abstractmethod
from collections.abc import Collection
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmocc.models.bridges import greedy_decode
from mmocc.models.vlms.hugging_face_lm import HuggingFaceLM
from mmocc.structures import OccDataSample
from mmocc.structures.tokens import IGNORE_LABEL, TextBatch
from mmocc.utils.tokenizers import load_tokenizer

META_TASK = 'meta_action'


class BaseVLA(BaseModel):
    """Images in; occupancy, answers, a meta-action and a plan out.

    A model implements ``encode_scene``, ``loss``, ``predict_with_memory`` and
    ``_forward``; how its parts are joined is its own matter. Inferencers and
    tools call nothing but the methods of this class, see
    :class:`mmocc.structures.protocols.VLA`.

    Args:
        data_preprocessor (dict, optional): mmdet3d's
            ``Det3DDataPreprocessor`` in most configs.
        init_cfg (dict, optional): mmengine's initialisation config.

    Attributes:
        bridge (nn.Module, optional): Runs the language model; None without.
        tokenizer (Tokenizer, optional): The language model's.
        max_new_tokens (int): Longest answer in tokens.
        scored_task (str): Task of the questions whose answer is scored among
            given ones, not generated; '' if there is none.
    """

    bridge: nn.Module | None
    tokenizer = None
    max_new_tokens = 128
    scored_task = ''

    def __init__(
        self,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)

    def set_tokenizer(self, name_or_path: str) -> None:
        """Load the tokenizer of the language model in ``bridge``.

        Args:
            name_or_path (str): As in ``load_tokenizer``.

        Raises:
            ValueError: If texts could have ids that the model does not embed.
        """
        self.tokenizer = load_tokenizer(name_or_path)
        if isinstance(self.bridge.vlm, HuggingFaceLM):
            self.bridge.vlm.check_tokenizer(self.tokenizer)

    @property
    def num_history(self) -> int:
        """Past key frames whose images the model reads; 0 by default."""
        return 0

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[OccDataSample],
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[OccDataSample] | Tensor:
        """Run one of mmengine's three modes.

        Args:
            inputs (dict): ``imgs``, (B, V, 3, H, W).
            data_samples (list[OccDataSample]): B frames.
            mode (str): ``loss``, ``predict`` or ``tensor``.

        Returns:
            dict, list or Tensor: Losses; the samples with predictions; the
            model's features.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self._forward(inputs, data_samples)
        raise ValueError(
            f'{type(self).__name__} got mode={mode!r}, expected "loss", '
            '"predict" or "tensor"'
        )

    @abstractmethod
    def encode_scene(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Any:
        """Encode multi-view images into what the other parts read.

        Args:
            inputs (dict): ``imgs``, (B, V, 3, H, W).
            data_samples (list[OccDataSample]): With the calibration.
        """

    def extract_feat(self, imgs: Tensor) -> list[Tensor]:
        """Compute feature maps of images (B, N, 3, H, W), each image alone.

        A stream of frames keeps the maps of past frames and hands them back
        as ``inputs['maps']``. Only models that read past frames have it.
        """
        raise NotImplementedError(
            f'{type(self).__name__} does not reuse feature maps of past '
            'frames; call encode_scene'
        )

    @abstractmethod
    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Compute the losses of the parts that train, by name."""

    def predict(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> list[OccDataSample]:
        """Fill ``pred_occ``, ``pred_text``, ``pred_meta`` and ``pred_ego``."""
        return self.predict_with_memory(inputs, data_samples)[0]

    @abstractmethod
    def predict_with_memory(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> tuple[list[OccDataSample], Any]:
        """Predict, and return the memory that later questions continue."""

    def answer_questions(
        self, memory: Any, data_samples: list[OccDataSample]
    ) -> None:
        """Fill ``pred_text`` of frames that were encoded before.

        Args:
            memory (PrefixMemory | PackedSequence): From
                :meth:`predict_with_memory` of these frames; is not changed.
            data_samples (list[OccDataSample]): With questions.
        """
        answers = self.generate_answers(memory, data_samples)
        self.write_answers(data_samples, answers)

    @abstractmethod
    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Compute features without losses or decoding, for FLOP counters."""

    def generate_answers(
        self, memory: Any, data_samples: list[OccDataSample]
    ) -> list[dict[int, str]]:
        """Generate answers to all questions but those of ``scored_task``.

        Args:
            memory (PrefixMemory | PackedSequence): Of these frames; is not
                changed.
            data_samples (list[OccDataSample]): With ``gt_text``.

        Returns:
            list[dict[int, str]]: For each frame, answers by place in
            ``gt_text.questions``.
        """
        asked = [
            self.prompts(sample, self.scored_task, others=True)
            for sample in data_samples
        ]
        if not any(asked):
            return [{} for _ in data_samples]
        prompts = [list(by_place.values()) for by_place in asked]
        device = next(self.bridge.parameters()).device
        text = TextBatch.pad(prompts, prompts, device)
        rows = greedy_decode(
            self.bridge,
            memory.without_text(),
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

    @staticmethod
    def ego_features(
        data_samples: list[OccDataSample],
        names: Collection[str],
        device: torch.device,
    ) -> dict[str, Tensor]:
        """Stack what is known of the car's motion at the key frame.

        Args:
            data_samples (list[OccDataSample]): With ``gt_ego``, of which
                nothing of the future is read.
            names (Collection[str]): Fields of ``SceneFeatures``; all but
                ``ego_status`` and ``ego_history`` are left out.
            device (torch.device): Device of the result.

        Returns:
            dict[str, Tensor]: ``ego_status`` (B, 7), ``ego_history``
            (B, 4, 3) and ``ego_history_mask`` (B, 4), where they are named.
        """
        egos = [sample.gt_ego for sample in data_samples]
        known = {}
        if 'ego_status' in names:
            known['ego_status'] = [ego.status for ego in egos]
        if 'ego_history' in names:
            known['ego_history'] = [ego.his_trajs for ego in egos]
            known['ego_history_mask'] = [ego.his_masks for ego in egos]
        return {k: torch.stack(v).to(device) for k, v in known.items()}

    def meta_action_prompts(
        self, data_samples: list[OccDataSample]
    ) -> list[Tensor]:
        """Collect the meta-action question of each frame, (L_i,) int64."""
        device = next(self.bridge.parameters()).device
        return [
            self.prompts(s, META_TASK)[self.place_of(s, META_TASK)].to(device)
            for s in data_samples
        ]

    @staticmethod
    def stack_text(
        data_samples: list[OccDataSample], device: torch.device
    ) -> TextBatch:
        """Pad the tokenised texts of all frames to one batch.

        Raises:
            KeyError: If a sample carries no text.
            ValueError: If none of its questions has an answer.
        """
        for sample in data_samples:
            if 'gt_text' not in sample:
                raise KeyError(
                    f'sample {sample.get("token")} carries no tokenised text; '
                    'put LoadDrivingQA and TokenizeQA into the pipeline'
                )
            if not sample.gt_text.input_ids:
                raise ValueError(
                    f'sample {sample.get("token")} has no answered question '
                    "of LoadDrivingQA's tasks; leave such frames out with the "
                    "data set's filter_cfg=dict(require=[...]): 'text' for "
                    "all tasks, 'cot' for meta_action, 'qa' for qa alone"
                )
        return TextBatch.pad(
            [s.gt_text.input_ids for s in data_samples],
            [s.gt_text.labels for s in data_samples],
            device,
        )

    @staticmethod
    def prompts(
        sample: OccDataSample, task: str, others: bool = False
    ) -> dict[int, Tensor]:
        """Collect the questions of one task, without answers.

        Args:
            sample (OccDataSample): With ``gt_text``.
            task (str): As in ``DrivingQA``.
            others (bool): Collect those of all other tasks instead.

        Returns:
            dict[int, Tensor]: Ids (L_i,) by place in ``gt_text.questions``.
        """
        text = sample.gt_text
        return {
            i: text.input_ids[i][text.labels[i] == IGNORE_LABEL]
            for i, question in enumerate(text.questions)
            if (question.task == task) != others
        }

    @staticmethod
    def place_of(sample: OccDataSample, task: str) -> int:
        """Find the place of a task among the questions of a sample.

        Raises:
            KeyError: If it asks no such question.
        """
        tasks = [question.task for question in sample.gt_text.questions]
        if task not in tasks:
            raise KeyError(
                f'sample {sample.get("token")} asks no {task} question; add '
                f"'{task}' to LoadDrivingQA.tasks"
            )
        return tasks.index(task)

    @staticmethod
    def write_answers(
        data_samples: list[OccDataSample], answers: list[dict[int, str]]
    ) -> None:
        """Store answers, by place, as ``pred_text``; '' where there is none.

        Args:
            data_samples (list[OccDataSample]): B frames with ``gt_text``.
            answers (list[dict[int, str]]): Answers of each frame, by place.
        """
        for sample, by_place in zip(data_samples, answers, strict=True):
            places = range(len(sample.gt_text.questions))
            sample.pred_text = BaseDataElement(
                answers=[by_place.get(i, '') for i in places]
            )
