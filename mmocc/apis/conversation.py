"""Questions about one frame, whose images are encoded once."""

from collections.abc import Mapping

import torch
from mmengine.dataset import Compose, pseudo_collate

from mmocc.apis.vla_inferencer import VLAInferencer
from mmocc.datasets import LoadDrivingQA, PackOccInputs
from mmocc.datasets.sample_error import sample_error
from mmocc.datasets.transforms.text import TokenizeQA
from mmocc.utils.config import ConfigError


class Conversation:
    """Looks at a frame, and then answers one question after another.

    The meta-action, the plan and everything else of ``sample`` are predicted
    at once. A question is then read behind the cached image tokens alone,
    and does not see those before it: the models were trained on single
    questions. Answers are those of ``VLAInferencer.predict``.

    Args:
        inferencer (VLAInferencer): Runs the model.
        frame (Mapping): From ``camera_frame`` or ``info_frame``, with its
            past (``with_history``) for models that look back.

    Attributes:
        sample (OccDataSample): On the CPU, with predictions.

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
        self._model = model
        self._token = frame['token']
        self._text = Compose(
            [LoadDrivingQA(tasks=('qa',)), tokenize, PackOccInputs()]
        )
        batch = inferencer.preprocess([frame], questions=[])
        with torch.no_grad():
            data = model.data_preprocessor(batch, False)
            [sample], self._memory = model.predict_with_memory(**data)
        self.sample = sample.cpu()

    @torch.no_grad()
    def ask(self, question: str) -> str:
        """Answer a question.

        Args:
            question (str): In words.

        Returns:
            str: The answer; '' where the model has none.

        Raises:
            SampleError: If the question is empty or too long.
        """
        if not question.strip():
            raise sample_error(
                self._token, 'the question', 'no words', 'words', 'ask anew'
            )
        asked = [dict(question=question, answer='')]
        batch = pseudo_collate([self._text(dict(token=self._token, qa=asked))])
        [sample] = batch['data_samples']
        self._model.answer_questions(self._memory, [sample])
        return sample.pred_text.answers[0]
