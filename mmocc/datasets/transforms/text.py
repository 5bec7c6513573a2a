"""Tokenize questions and answers.

The only transform that needs ``transformers``.
"""

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import MMLogger

from mmocc.datasets.sample_error import sample_error
from mmocc.registry import TRANSFORMS
from mmocc.structures import DrivingQA
from mmocc.structures.tokens import IGNORE_LABEL
from mmocc.utils.tokenizers import encode_texts, load_tokenizer


@TRANSFORMS.register_module()
class TokenizeQA(BaseTransform):
    r"""Tokenize texts as PaliGemma does: ``<bos>question\nanswer<eos>``.

    The model puts its image tokens in front. Question and answer are
    tokenized separately, so a question has the same tokens in training and at
    inference. Texts are data: ``<eos>`` or ``<image>`` in one of them stay
    letters (see ``encode_texts``).

    Required Keys: ``token``, ``questions`` (list[DrivingQA]).

    Added Keys: ``input_ids`` and ``labels``, lists of (L_i,) int64; labels
    are -100 on the question, and everywhere without answers.

    Args:
        tokenizer (str): A checkpoint id, a folder, or ``mmocc://NAME``.
        max_length (int): Largest number of tokens of a text. A longer text
            loses the end of its answer and ``<eos>``. Defaults to 256.
        with_answer (bool): Whether to append the answer (training) or stop
            behind the question (inference). Defaults to True.
    """

    def __init__(
        self,
        tokenizer: str,
        max_length: int = 256,
        with_answer: bool = True,
    ) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.with_answer = with_answer
        self._warned = False

    def transform(self, results: dict) -> dict:
        """Tokenize the questions of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with the added keys.

        Raises:
            SampleError: If a question is empty, leaves no room for an
                answer, or has no answer where one is wanted.
        """
        token, questions = results['token'], results['questions']
        tokenizer = load_tokenizer(self.tokenizer)
        results['input_ids'], results['labels'] = [], []
        if not questions:
            return results
        for item in questions:
            self._check(token, item)
        prompts = encode_texts(
            tokenizer, [f'{q.question}\n' for q in questions]
        )
        answers = encode_texts(tokenizer, [q.answer for q in questions])
        for item, prompt, answer in zip(
            questions, prompts, answers, strict=True
        ):
            if tokenizer.bos_token_id is not None:
                prompt = [tokenizer.bos_token_id, *prompt]
            if len(prompt) >= self.max_length:
                raise sample_error(
                    token,
                    f'the question {item.question!r}',
                    f'{len(prompt)} tokens',
                    f'fewer than {self.max_length}',
                    "raise TokenizeQA's `max_length` or shorten the question",
                )
            target = [*answer, tokenizer.eos_token_id]
            target = target if self.with_answer else []
            if len(prompt) + len(target) > self.max_length:
                self._warn(token, len(prompt) + len(target))
                target = target[: self.max_length - len(prompt)]
            results['input_ids'].append(
                np.array(prompt + target, dtype=np.int64)
            )
            results['labels'].append(
                np.array([IGNORE_LABEL] * len(prompt) + target, dtype=np.int64)
            )
        return results

    def _check(self, token: str, item: DrivingQA) -> None:
        part = None
        if not item.question.strip():
            part = 'question'
        elif self.with_answer and not item.answered:
            part = 'answer'
        if part is not None:
            raise sample_error(
                token,
                f'{part} of {item.question!r}',
                'an empty text',
                'words',
                'remove the entry from the info file'
                + (
                    ", or set LoadDrivingQA's `skip_unanswered`"
                    if part == 'answer'
                    else ''
                ),
            )

    def _warn(self, token: str, length: int) -> None:
        if self._warned:
            return
        self._warned = True
        MMLogger.get_current_instance().warning(
            f'sample {token}: a text of {length} tokens is cut to '
            f'{self.max_length}, its answer loses the end; raise '
            "TokenizeQA's `max_length` (said once in each process)"
        )
