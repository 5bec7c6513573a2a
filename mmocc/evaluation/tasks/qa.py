"""Task ``qa``: NuScenes-QA's closed answers in JSON lines."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmocc.evaluation.files import ResultFileError
from mmocc.evaluation.functional.qa import (
    DECODINGS,
    HOPS,
    AnsweredQuestion,
    qa_counts,
    qa_scores,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.texts import (
    TextPair,
    naming,
    read_field,
    read_truth,
)

TASK = 'qa'
PRESETS = {'nuscenes_qa': 'NuScenes-QA, AAAI 2024: exact match'}
UNSTATED = 'not stated'


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score closed answers by exact match.

    Args:
        pred_path (Path): JSON lines of ``token``, ``question``, ``answer``
            and optionally ``decoding``: ``free``, ``constrained`` or
            ``classifier``.
        gt_path (Path): JSON lines of ``token``, ``question``, ``answer``
            (a string, or an integer), ``template_type`` and ``num_hop``.
        presets (Sequence[str]): ``nuscenes_qa``.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    total, decodings = Counter(), set()
    for pred, gt in TextPair(pred_path, gt_path, ('token', 'question')):
        hop = gt.values.get('num_hop', -1)
        if hop != -1:
            read_field(gt, 'num_hop', int, 'a whole number', HOPS)
        answered = AnsweredQuestion(
            gt.values.get('template_type', ''),
            hop,
            read_truth(gt, str | int, 'a string or an integer'),
            read_field(pred, 'answer'),
        )
        with naming(gt, 'template_type'):
            total.update(qa_counts([answered]))
        decodings.add(str(pred.values.get('decoding', UNSTATED)))
    unknown = sorted(decodings - {*DECODINGS, UNSTATED})
    if unknown:
        raise ResultFileError(
            pred_path,
            f'is {unknown[0]!r}, expected one of {DECODINGS}',
            'decoding',
        )
    decoding = ', '.join(sorted(decodings))
    about = {'decoding': decoding, 'published': ['overall']}
    return Evaluation(
        TASK,
        {name: qa_scores(total) for name in chosen},
        {name: {'source': PRESETS[name]} | about for name in chosen},
        [
            f'decoding: {decoding}; normalised/... figures are not '
            'comparable with published ones'
        ],
    )
