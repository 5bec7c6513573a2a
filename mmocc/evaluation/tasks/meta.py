"""Task ``meta``: meta-actions in JSON lines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmocc.evaluation.functional.meta_action import (
    TABLE_SHAPE,
    meta_action_indices,
    meta_action_scores,
    meta_action_table,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.texts import TextPair, read_field
from mmocc.structures.meta_action import (
    DIRECTIONS,
    SPEEDS,
    MetaAction,
    parse_meta_action,
)

TASK = 'meta'
PRESETS = {'occvla': 'OccVLA Table 4: speed, direction, both'}
PUBLISHED = ['speed', 'direction', 'mean', 'joint']


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score meta-actions, the pairs of speed and direction.

    Args:
        pred_path (Path): JSON lines of ``token`` and ``answer``, the model's
            text; what cannot be parsed is wrong.
        gt_path (Path): JSON lines of ``token``, ``speed`` and ``direction``,
            words of the vocabulary.
        presets (Sequence[str]): ``occvla``.

    Raises:
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, list(PRESETS))
    table = np.zeros(TABLE_SHAPE, dtype=np.int64)
    for pred, gt in TextPair(pred_path, gt_path, ('token',)):
        label = MetaAction(
            read_field(gt, 'speed', known=SPEEDS),
            read_field(gt, 'direction', known=DIRECTIONS),
        )
        answer = parse_meta_action(read_field(pred, 'answer'))
        table += meta_action_table(
            meta_action_indices([answer]), meta_action_indices([label])
        )
    return Evaluation(
        TASK,
        {name: meta_action_scores(table) for name in chosen},
        {
            name: {'source': PRESETS[name], 'published': PUBLISHED}
            for name in chosen
        },
    )
