"""Counterfactual reasoning of OmniDrive: precision and recall.

The model is told a trajectory and asked what would happen. The paper lets a
GPT reduce each answer to categories, which nobody can repeat offline; here a
rule of keywords does, always alike, and any other extractor can take its
place. The arithmetic is the paper's: precision and recall of each category
over all trajectories. Figures of different extractors are not comparable, so
the extractor's name goes with them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from mmocc.evaluation.functional.arrays import drop_unknown

CATEGORIES = ('safe', 'collision', 'red_light', 'out_of_area')

Extractor = Callable[[str], frozenset[str]]

# Patterns that name each category.
_SIGNS = {
    'collision': r'collid\w*|collision\w*|crash\w*|hit(?:s|ting)?\b'
    r'|run(?:s|ning)? into',
    'red_light': r'red[ -](?:traffic[ -])?light|traffic light violation'
    r'|light (?:is|was|turns|turned) red'
    r'|(?:run(?:s|ning)?|violat\w+) (?:a|the) (?:traffic )?(?:light|signal)',
    'out_of_area': r'(?:out of|outside|off|leav\w+|exit\w*|beyond) (?:of )?'
    r'(?:the |its )?(?:drivable|driveable|road|lane|curb|kerb)'
    r'|non-?driv(?:e)?able|off-?road',
    'safe': r'(?<!un)safe(?:ly)?\b',
}
_SIGNS = {name: re.compile(sign) for name, sign in _SIGNS.items()}
# A sign does not count behind one of these in the same clause.
_DENIAL = re.compile(
    r"\b(?:no|not|never|without|avoid\w*|neither|nor|free of|n't|unlikely)\b"
    r"|n't\b"
)
_CLAUSES = re.compile(r'[.;!?,]|\bbut\b|\bhowever\b|\balthough\b')


def keyword_extractor(text: str) -> frozenset[str]:
    """Extract the categories that an answer names, by keywords.

    Clauses are read one by one; a category counts where a clause names it and
    does not deny it before. ``safe`` counts only where nothing else does.

    Returns:
        frozenset: Out of ``CATEGORIES``; empty where the answer names none,
        which is wrong whatever the truth is.
    """
    found = set()
    for clause in _CLAUSES.split(text.lower()):
        for name, sign in _SIGNS.items():
            match = sign.search(clause)
            if match and not _DENIAL.search(clause[: match.start()]):
                found.add(name)
    violations = found - {'safe'}
    return frozenset(violations or found)


def counterfactual_counts(
    answers: Iterable[tuple[str, Iterable[str]]],
    extract: Extractor = keyword_extractor,
) -> Counter:
    """Count hits, predictions and ground truths of each category.

    Counters add up over trajectories and processes.

    Args:
        answers (Iterable): Of (the model's text, the true categories).
        extract (Callable): From a text to categories.

    Raises:
        ValueError: A category is not one of ``CATEGORIES``, or a trajectory
            has none.
    """
    counts = Counter()
    for text, truth in answers:
        truth, claimed = set(truth), set(extract(text))
        for names, whose in ((truth, 'the truth'), (claimed, 'the extractor')):
            if not names <= set(CATEGORIES):
                raise ValueError(
                    f'{whose} names {sorted(names)}, expected some of '
                    f'{CATEGORIES}'
                )
        if not truth:
            raise ValueError(
                f'a trajectory has no true category; expected some of '
                f'{CATEGORIES}'
            )
        counts['trajectories'] += 1
        counts['unparsed'] += not claimed
        counts.update(('hit', name) for name in truth & claimed)
        counts.update(('claimed', name) for name in claimed)
        counts.update(('true', name) for name in truth)
    return counts


def counterfactual_scores(counts: Counter) -> dict[str, float]:
    """Compute precision and recall from counts, in per cent.

    Returns:
        dict: ``precision_<category>`` and ``recall_<category>`` (left out
        where nothing was claimed, or nothing true), their means ``precision``
        and ``recall`` over the categories that are true at all, and the
        counts ``trajectories`` and ``unparsed``. A category that is true but
        was never claimed has precision 0 in the mean.
    """
    scores, precisions, recalls = {}, [], []
    for name in CATEGORIES:
        hits = counts['hit', name]
        claimed, gt = counts['claimed', name], counts['true', name]
        scores[f'precision_{name}'] = (
            hits / claimed * 100 if claimed else float('nan')
        )
        scores[f'recall_{name}'] = hits / gt * 100 if gt else float('nan')
        if gt:
            precisions.append(hits / claimed * 100 if claimed else 0.0)
            recalls.append(hits / gt * 100)
    if recalls:
        scores['precision'] = float(np.mean(precisions))
        scores['recall'] = float(np.mean(recalls))
    return drop_unknown(scores) | {
        'trajectories': counts['trajectories'],
        'unparsed': counts['unparsed'],
    }
