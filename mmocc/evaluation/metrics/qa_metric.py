"""``QAMetric``: NuScenes-QA exact match in mmengine's evaluator."""

from collections import Counter

from mmocc.evaluation.functional.qa import (
    AnsweredQuestion,
    qa_counts,
    qa_scores,
)
from mmocc.evaluation.metrics.fields import Sample, find, require
from mmocc.evaluation.metrics.summed_metric import SummedMetric
from mmocc.registry import METRICS

# The task of ``DrivingQA`` that NuScenes-QA's protocol is about.
CLOSED_ANSWERS = 'qa'


@METRICS.register_module()
class QAMetric(SummedMetric):
    """Accuracy of closed answers, strict and normalised.

    Reads ``gt_text.questions`` and ``pred_text.answers``, in the same order.
    Captions, meta-actions and questions without a known answer are not scored.
    Names: ``qa/overall`` (micro average), ``qa/exist``, ``qa/count``,
    ``qa/object``, ``qa/status``, ``qa/comparison``, ``qa/h0``, ``qa/h1``,
    ``qa/<type>_h0`` ..., all strict, and ``qa/normalised/...``; per cent.
    """

    default_prefix = 'qa'

    def measure(self, sample: Sample) -> Counter | None:
        """Count matches of one frame's questions."""
        questions = find(sample, 'gt_text', 'questions') or []
        scored = [
            (place, question)
            for place, question in enumerate(questions)
            if question.task == CLOSED_ANSWERS and question.answered
        ]
        if not scored:
            return None
        answers = require(
            sample,
            'pred_text',
            'answers',
            'let the model answer the questions, or take QAMetric out of '
            'the evaluator',
        )
        if len(answers) != len(questions):
            raise ValueError(
                f'{len(answers)} answers for {len(questions)} questions; '
                'expected one answer for each, in the same order'
            )
        return qa_counts(
            AnsweredQuestion(
                question.template_type,
                question.num_hop,
                question.answer,
                answers[place],
            )
            for place, question in scored
        )

    def scores(self, total: Counter) -> dict[str, float]:
        """Compute accuracies over all questions."""
        return qa_scores(total)
