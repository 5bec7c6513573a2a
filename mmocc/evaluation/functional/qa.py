"""NuScenes-QA: exact match per question type and number of hops.

NuScenes-QA (Qian et al., AAAI 2024) compares strings as they are: case
matters, nothing is stripped, nothing is translated. That strict figure is the
headline. ``normalised/...`` figures forgive surrounding space, case and
trailing punctuation of both strings; they are not comparable with published
rows and are named so that nobody takes them for such.

"Overall" is the share of all questions (micro average), not the mean over the
types.

A model that writes freely and one whose decoding is bound to the benchmark's
30 answers are not under the same conditions; say which was used
(:data:`DECODINGS`) beside the figures. ``outside_vocabulary`` counts the
answers that no bound decoding could have given.
"""

import string
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from mmocc.evaluation.functional.arrays import drop_unknown

# In the order of the benchmark's tables.
QUESTION_TYPES = ('exist', 'count', 'object', 'status', 'comparison')
HOPS = (0, 1)

# The answers of NuScenes-QA: its reference model is a classifier over them.
ANSWERS = (
    *(str(number) for number in range(11)),
    'yes',
    'no',
    'barrier',
    'bicycle',
    'bus',
    'car',
    'construction vehicle',
    'motorcycle',
    'pedestrian',
    'traffic cone',
    'trailer',
    'truck',
    'moving',
    'stopped',
    'parked',
    'standing',
    'not standing',
    'with rider',
    'without rider',
)
# How answers came about: ``free`` text; ``constrained`` to ANSWERS while
# decoding; ``classifier`` over them.
DECODINGS = ('free', 'constrained', 'classifier')

_TRAILING = string.punctuation + string.whitespace


class AnsweredQuestion(NamedTuple):
    """One question with its ground-truth and its predicted answer.

    Attributes:
        template_type (str): One of ``QUESTION_TYPES``.
        num_hop (int): 0 or 1; -1 where unknown.
        truth (str | int): Counts are integers in some annotation files.
        answer (str): The prediction; empty where the model gave none.
    """

    template_type: str
    num_hop: int
    truth: str | int
    answer: str


class _Cell(NamedTuple):
    """Key of the counts of :func:`qa_counts`."""

    template_type: str
    num_hop: int
    what: str


def normalise_answer(text: str) -> str:
    """Lower-case a text and strip space and trailing punctuation."""
    return text.strip().lower().rstrip(_TRAILING)


def qa_counts(questions: Iterable[AnsweredQuestion]) -> Counter:
    """Count questions, exact and normalised matches.

    Counters add up over frames and processes.

    Raises:
        TypeError: A predicted answer is not a string.
        ValueError: A question type is not one of ``QUESTION_TYPES``.
    """
    counts = Counter()
    for kind, hop, truth, answer in questions:
        if kind not in QUESTION_TYPES:
            raise ValueError(
                f'the question type {kind!r} is not one of {QUESTION_TYPES}'
            )
        if not isinstance(answer, str):
            raise TypeError(
                f'the predicted answer {answer!r} is a '
                f'{type(answer).__name__}, expected a string ("" where the '
                'model gave no answer)'
            )
        truth = str(truth)
        counts[_Cell(kind, hop, 'asked')] += 1
        counts[_Cell(kind, hop, 'exact')] += answer == truth
        counts[_Cell(kind, hop, 'normalised')] += normalise_answer(
            answer
        ) == normalise_answer(truth)
        counts[_Cell(kind, hop, 'outside')] += answer not in ANSWERS
    return counts


def _accuracy(
    counts: Counter,
    match: str,
    kind: str | None = None,
    hop: int | None = None,
) -> float:
    """Compute the per cent of matches of a type and a hop; NaN if none."""
    chosen = Counter()
    for cell, number in counts.items():
        if kind in (None, cell.template_type) and hop in (None, cell.num_hop):
            chosen[cell.what] += number
    if not chosen['asked']:
        return float('nan')
    return chosen[match] / chosen['asked'] * 100


def qa_scores(counts: Counter) -> dict[str, float]:
    """Compute accuracies from counts, in per cent.

    Returns:
        dict: ``overall``, one entry per type (``exist`` ...), per hop
        (``h0``, ``h1``) and per both (``exist_h0`` ...), the overall and the
        types again under ``normalised/``, the share ``outside_vocabulary`` of
        answers that are none of the 30, and the count ``questions``. Figures
        over no question are left out.
    """
    scores = {
        'overall': _accuracy(counts, 'exact'),
        'normalised/overall': _accuracy(counts, 'normalised'),
        'outside_vocabulary': _accuracy(counts, 'outside'),
    }
    for hop in HOPS:
        scores[f'h{hop}'] = _accuracy(counts, 'exact', hop=hop)
    for kind in QUESTION_TYPES:
        scores[kind] = _accuracy(counts, 'exact', kind)
        scores[f'normalised/{kind}'] = _accuracy(counts, 'normalised', kind)
        for hop in HOPS:
            scores[f'{kind}_h{hop}'] = _accuracy(counts, 'exact', kind, hop)
    asked = sum(n for cell, n in counts.items() if cell.what == 'asked')
    return drop_unknown(scores) | {'questions': asked}
