"""Answer many questions about one frame, whose images are encoded once."""

from collections.abc import Mapping

import torch
from mmengine.dataset import Compose

from mmocc.apis.vla_inferencer import VLAInferencer
from mmocc.datasets import LoadDrivingQA, PackOccInputs
from mmocc.datasets.sample_error import sample_error
from mmocc.datasets.transforms.text import TokenizeQA
from mmocc.utils.config import ConfigError


class Conversation:
    """Encode a frame once and answer one question after another.

    The meta-action, the plan and everything else of ``sample`` are predicted
    at the start. Each question continues the cached image tokens and does not
    see the questions before it, because the models were trained on single
    questions. Answers are those of ``VLAInferencer.predict``.

    Args:
        inferencer (VLAInferencer): Inferencer of the model.
        frame (Mapping): From ``camera_frame`` or ``info_frame``, with its
            past (``with_history``) for models that look back.

    Attributes:
        sample (OccDataSample): Predictions of the frame, on the CPU.

    Raises:
        ConfigError: If the model has no language model.
        SampleError: If the frame cannot be used.
    """

    def __init__(self, inferencer: VLAInferencer, frame: Mapping) -> None:
        config, model = inferencer.cfg, inferencer.model
        if config.model.get('bridge') is None:
            raise ConfigError(
                f'{config.filename}: model.bridge is not there, so there is '
                'no language model to talk to; use the config of a later stage'
            )
        tokenize = next(
            each
            for each in inferencer.pipeline.transforms
            if isinstance(each, TokenizeQA)
        )
        self._model, self._collate = model, inferencer.collate_fn
        self._token = frame['token']
        self._text = Compose(
            [LoadDrivingQA(tasks=('qa',)), tokenize, PackOccInputs()]
        )
        [batch] = inferencer.preprocess([frame], questions=[])
        with torch.no_grad():
            data = model.data_preprocessor(batch, False)
            [sample], self._memory = model.predict_with_memory(**data)
        self.sample = sample.cpu()

    @torch.no_grad()
    def ask(self, question: str) -> str:
        """Answer a question.

        Args:
            question (str): The question.

        Returns:
            str: The answer; '' if the model generates none.

        Raises:
            SampleError: If the question is empty or too long.
        """
        if not question.strip():
            raise sample_error(
                self._token, 'the question', 'no words', 'words', 'ask anew'
            )
        asked = [dict(question=question, answer='')]
        batch = self._collate([self._text(dict(token=self._token, qa=asked))])
        [sample] = batch['data_samples']
        self._model.answer_questions(self._memory, [sample])
        return sample.pred_text.answers[0]
