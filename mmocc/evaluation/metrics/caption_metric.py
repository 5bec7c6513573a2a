"""``CaptionMetric``: scores of free text in mmengine's evaluator."""

from typing import get_args

from mmocc.evaluation.functional.captions import (
    CaptionPair,
    Tokenizer,
    caption_scores,
    meteor,
)
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.registry import METRICS

# The task of ``DrivingQA`` whose answers are free text.
FREE_TEXT = 'caption'


@METRICS.register_module()
class CaptionMetric(SummedMetric):
    """BLEU, ROUGE-L and CIDEr of descriptions and conversations.

    Reads ``gt_text.questions`` and ``pred_text.answers``, in the same order;
    questions of the task ``caption`` with a known answer are scored. CIDEr
    weighs words by the whole evaluated set, so texts (a few hundred bytes
    each, no grids) are kept, gathered once, and scored together. Names:
    ``caption/BLEU-1`` .. ``caption/BLEU-4``, ``caption/ROUGE_L``,
    ``caption/CIDEr``, ``caption/METEOR`` if asked for, and the counts
    ``caption/pairs`` and ``caption/empty_answers``. Not per cent.

    Args:
        tokenizer (str): ``raw`` (published figures), or ``ptb``, which needs
            pycocoevalcap and Java. Defaults to 'raw'.
        with_meteor (bool): Whether to compute METEOR, which needs nltk and
            its data. Defaults to False.
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.
        prefix (str, optional): Prefix of the scores, in place of ``caption``.
        collect_dir (str, optional): Shared folder of ``cpu`` collection.
    """

    default_prefix = 'caption'

    def __init__(
        self,
        tokenizer: Tokenizer = 'raw',
        with_meteor: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if tokenizer not in get_args(Tokenizer):
            raise ValueError(
                f'the tokenizer is {tokenizer!r}, expected one of '
                f'{get_args(Tokenizer)}'
            )
        self.tokenizer = tokenizer
        self.with_meteor = with_meteor

    def measure(self, sample: Sample) -> list[CaptionPair] | None:
        """Return a frame's predicted answers with their references."""
        questions = find(sample, 'gt_text', 'questions') or []
        scored = [
            (place, question.answer)
            for place, question in enumerate(questions)
            if question.task == FREE_TEXT and question.answered
        ]
        if not scored:
            return None
        answers = require(
            sample,
            'pred_text',
            'answers',
            'let the model answer the questions, or take CaptionMetric out '
            'of the evaluator',
        )
        if len(answers) != len(questions):
            raise ValueError(
                f'{len(answers)} answers for {len(questions)} questions; '
                'expected one answer for each, in the same order'
            )
        return [CaptionPair(answers[place], gt) for place, gt in scored]

    def scores(self, total: list[CaptionPair]) -> dict[str, float]:
        """Score all texts together."""
        scores = caption_scores(total, self.tokenizer)
        if self.with_meteor:
            scores['METEOR'] = meteor(total)
        return scores
