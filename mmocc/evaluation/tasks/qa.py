"""``qa``: NuScenes-QA answers in JSON lines."""

from collections.abc import Sequence
from pathlib import Path

from mmocc.evaluation.files import ResultFileError, name_of
from mmocc.evaluation.functional.qa import (
    DECODINGS,
    HOPS,
    AnsweredQuestion,
    qa_counts,
    qa_scores,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.texts import TextPair, stated

TASK = 'qa'
PRESETS = {'nuscenes_qa': 'NuScenes-QA, AAAI 2024: exact match'}
UNSTATED = 'not stated'


def evaluate(
    pred_path: Path, truth_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score closed answers.

    Args:
        pred_path (Path): JSON lines of ``token``, ``question``, ``answer``
            and optionally ``decoding``: ``free``, ``constrained`` or
            ``classifier``.
        truth_path (Path): JSON lines of ``token``, ``question``, ``answer``
            (a string, or an integer), ``template_type`` and ``num_hop``.
        presets (Sequence[str]): ``nuscenes_qa``.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    pair = TextPair(pred_path, truth_path, ('token', 'question'))
    total = qa_counts([])
    for said, true in pair:
        answer = pair.answer(said)
        truth = true.values.get('answer')
        if isinstance(truth, bool) or not isinstance(truth, str | int):
            raise ResultFileError(
                truth_path,
                f'is {truth!r} on line {true.number}, expected a string or '
                'an integer',
                'answer',
                name_of(true),
            )
        hop = true.values.get('num_hop', -1)
        if hop not in (*HOPS, -1):
            raise ResultFileError(
                truth_path,
                f'is {hop!r} on line {true.number}, expected one of {HOPS}',
                'num_hop',
                name_of(true),
            )
        with pair.naming(true, 'template_type'):
            total.update(
                qa_counts(
                    [
                        AnsweredQuestion(
                            true.values.get('template_type', ''),
                            hop,
                            truth,
                            answer,
                        )
                    ]
                )
            )
    decoding = stated([said for said, _ in pair], 'decoding')
    strange = sorted(set(decoding) - {*DECODINGS, UNSTATED})
    if strange:
        raise ResultFileError(
            pred_path,
            f'is {strange[0]!r}, expected one of {DECODINGS}',
            'decoding',
        )
    return Evaluation(
        TASK,
        {name: qa_scores(total) for name in chosen},
        {
            name: {
                'source': PRESETS[name],
                'decoding': ', '.join(decoding),
                'published': ['overall'],
            }
            for name in chosen
        },
        [
            f'decoding: {", ".join(decoding)}; normalised/... figures are '
            'not comparable with published ones'
        ],
    )
