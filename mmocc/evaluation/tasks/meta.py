"""``meta``: meta-actions in JSON lines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmocc.evaluation.files import ResultFileError, name_of, text_of
from mmocc.evaluation.functional.meta_action import (
    TABLE_SHAPE,
    meta_action_indices,
    meta_action_scores,
    meta_action_table,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.texts import TextPair
from mmocc.structures.meta_action import (
    DIRECTIONS,
    SPEEDS,
    MetaAction,
    parse_meta_action,
)

TASK = 'meta'
PRESETS = {'occvla': 'OccVLA Table 4: speed, direction, both'}


def evaluate(
    pred_path: Path, truth_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score meta-actions.

    Args:
        pred_path (Path): JSON lines of ``token`` and ``answer``, the model's
            text; what cannot be parsed is wrong.
        truth_path (Path): JSON lines of ``token``, ``speed`` and
            ``direction``, words of the vocabulary.
        presets (Sequence[str]): ``occvla``.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    pair = TextPair(pred_path, truth_path, ('token',))
    table = np.zeros(TABLE_SHAPE, dtype=np.int64)
    for said, true in pair:
        words = []
        for field, known in (('speed', SPEEDS), ('direction', DIRECTIONS)):
            word = text_of(truth_path, true, field)
            if word not in known:
                raise ResultFileError(
                    truth_path,
                    f'is {word!r} on line {true.number}, expected one of '
                    f'{known}',
                    field,
                    name_of(true),
                )
            words.append(word)
        table += meta_action_table(
            meta_action_indices([parse_meta_action(pair.answer(said))]),
            meta_action_indices([MetaAction(*words)]),
        )
    return Evaluation(
        TASK,
        {name: meta_action_scores(table) for name in chosen},
        {
            name: {
                'source': PRESETS[name],
                'published': ['speed', 'direction', 'mean', 'joint'],
            }
            for name in chosen
        },
    )
