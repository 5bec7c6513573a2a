"""Task ``counterfactual``: answers about trajectories in JSON lines."""

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from mmocc.evaluation.functional.counterfactual import (
    Extractor,
    counterfactual_counts,
    counterfactual_scores,
    keyword_extractor,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose
from mmocc.evaluation.tasks.texts import TextPair, naming, read_field

TASK = 'counterfactual'
PRESETS = {'keywords': 'OmniDrive, categories by a rule of keywords'}


def find_extractor(name: str) -> Extractor:
    """Return the built-in extractor, or import ``package.module:function``.

    Raises:
        ValueError: There is no such function.
    """
    if name in PRESETS:
        return keyword_extractor
    module, _, function = name.partition(':')
    try:
        found = getattr(import_module(module), function or '', None)
    except ImportError as error:
        raise ValueError(
            f'the extractor {name!r} cannot be imported: {error}'
        ) from error
    if not callable(found):
        raise ValueError(
            f'the extractor is {name!r}, expected "keywords" or '
            '"package.module:function", a function from a text to a set of '
            'categories'
        )
    return found


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score answers about what happens along a trajectory.

    Args:
        pred_path (Path): JSON lines of ``token``, ``question`` (with the
            trajectory) and ``answer``.
        gt_path (Path): JSON lines of ``token``, ``question`` and
            ``labels``, a list of categories.
        presets (Sequence[str]): ``keywords``, and other extractors as
            ``package.module:function``. Defaults to ``keywords``.

    Raises:
        ResultFileError: The files cannot be compared in full.
        ValueError: An extractor cannot be found.
    """
    others = list(dict.fromkeys(name for name in presets if ':' in name))
    ours = [name for name in presets if ':' not in name]
    default = [] if others else list(PRESETS)
    chosen = choose(ours, PRESETS, default) + others
    pair = TextPair(pred_path, gt_path, ('token', 'question'))
    results, about = {}, {}
    for name in chosen:
        extract, total = find_extractor(name), Counter()
        for pred, gt in pair:
            answer = read_field(pred, 'answer')
            labels = read_field(gt, 'labels', list, 'a list of categories')
            with naming(gt, 'labels'):
                total.update(
                    counterfactual_counts([(answer, labels)], extract)
                )
        results[name] = counterfactual_scores(total)
        about[name] = {
            'source': PRESETS.get(name, 'OmniDrive, another extractor'),
            'extractor': name,
        }
    return Evaluation(
        TASK,
        results,
        about,
        ['published figures let a GPT name the categories'],
    )
