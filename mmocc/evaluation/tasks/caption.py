"""Task ``caption``: free texts in JSON lines."""

from collections.abc import Sequence
from pathlib import Path

from mmocc.evaluation.functional.captions import (
    CaptionPair,
    MissingScorerError,
    caption_scores,
    meteor,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.texts import TextPair, read_field, read_truth

TASK = 'caption'
PRESETS = {
    'raw': 'HERMES, OmniDrive: pycocoevalcap on raw strings, METEOR of nltk',
    'ptb': 'pycocoevalcap behind its PTB tokenizer',
}
# Kinds of pairs that HERMES drops: the same template for every frame.
TEMPLATES = ('action', 'future')


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score free texts, all of them together.

    Args:
        pred_path (Path): JSON lines of ``token``, ``question``, ``answer``.
        gt_path (Path): The same, with the references as answers and
            optionally ``kind``; pairs of the kinds ``action`` and ``future``
            are left out.
        presets (Sequence[str]): ``raw``, ``ptb`` (needs Java). Defaults to
            ``raw``.

    Raises:
        MissingScorerError: The PTB tokenizer is asked for and not installed.
        ResultFileError: The files cannot be compared in full.
    """
    chosen = choose(presets, PRESETS, ['raw'])
    pairs, left_out = [], 0
    for pred, gt in TextPair(pred_path, gt_path, ('token', 'question')):
        pair = CaptionPair(read_field(pred, 'answer'), read_truth(gt))
        if gt.values.get('kind') in TEMPLATES:
            left_out += 1
        else:
            pairs.append(pair)
    results, about, notes = {}, {}, []
    for name in chosen:
        results[name] = caption_scores(pairs, name)
        results[name]['templates_left_out'] = left_out
        about[name] = {'source': PRESETS[name], 'tokenizer': name}
    if 'raw' in chosen and pairs:
        try:
            results['raw']['METEOR'] = meteor(pairs)
        except MissingScorerError as error:
            notes.append(f'METEOR is not given: {error}')
    return Evaluation(TASK, results, about, notes)
