"""What every vision-language-action model of mmocc shares: the contract."""

from abc import abstractmethod

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmocc.structures import OccDataSample
from mmocc.structures.tokens import IGNORE_LABEL, TextBatch


class BaseVLA(BaseModel):
    """mmengine's three modes, and the way between data samples and tensors.

    The flow of a model (what looks at what, which losses there are) belongs
    to the model; this class has none.

    Args:
        data_preprocessor (dict, optional): mmdet3d's
            ``Det3DDataPreprocessor`` in most configs.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    def __init__(
        self,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[OccDataSample],
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[OccDataSample] | Tensor:
        """mmengine's entry point.

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
    def loss(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> dict[str, Tensor]:
        """Losses by name."""

    @abstractmethod
    def predict(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> list[OccDataSample]:
        """The samples with ``pred_*`` fields."""

    @abstractmethod
    def _forward(
        self, inputs: dict[str, Tensor], data_samples: list[OccDataSample]
    ) -> Tensor:
        """Features without losses or decoding, for FLOP counters."""

    @staticmethod
    def stack_text(
        data_samples: list[OccDataSample], device: torch.device
    ) -> TextBatch:
        """Pad the tokenised texts of all frames.

        Raises:
            KeyError: If a sample carries no text.
        """
        for sample in data_samples:
            if 'gt_text' not in sample or not sample.gt_text.input_ids:
                raise KeyError(
                    f'sample {sample.get("token")} carries no tokenised text; '
                    'put LoadDrivingQA and TokenizeQA into the pipeline'
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
        """The questions of one task, without answers.

        Args:
            sample (OccDataSample): With ``gt_text``.
            task (str): As in ``DrivingQA``.
            others (bool): Those of all other tasks instead.

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
        """Where among its questions a sample asks that of a task.

        Raises:
            KeyError: It asks no such question.
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
            answers (list[dict[int, str]]): For each frame.
        """
        for sample, by_place in zip(data_samples, answers, strict=True):
            places = range(len(sample.gt_text.questions))
            sample.pred_text = BaseDataElement(
                answers=[by_place.get(i, '') for i in places]
            )
