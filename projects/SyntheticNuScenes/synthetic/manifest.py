"""Count what a generated data set contains."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.language import blind_accuracy
from mmocc.projects.SyntheticNuScenes.synthetic.presets import Preset
from mmocc.projects.SyntheticNuScenes.synthetic.scene import SceneRows
from mmocc.projects.SyntheticNuScenes.synthetic.tables import annotated_spans
from mmocc.structures.meta_action import DIRECTIONS, SPEEDS
from mmocc.structures.occ3d import OCC3D_CLASSES

SPLITS = ('train', 'val')

# By sample token: a label or None.
Labels = dict[str, dict | None]


def confusion(pairs: Iterable[tuple[str, str]], words: Sequence[str]) -> dict:
    """Count (scripted, labelled) pairs of words.

    Returns:
        dict: ``frames``; ``agreement`` in percent; ``matrix``, by scripted
        word and then by labelled word, without zeros.
    """
    pairs = list(pairs)
    hits = sum(first == second for first, second in pairs)
    counts = Counter(pairs)
    return {
        'frames': len(pairs),
        'agreement': _percent(hits, len(pairs)),
        'matrix': {
            first: {
                second: counts[first, second]
                for second in words
                if counts[first, second]
            }
            for first in words
            if any(counts[first, second] for second in words)
        },
    }


def _percent(part: int, whole: int) -> float:
    return round(100.0 * part / whole, 2) if whole else 0.0


def _frames(records: Sequence[SceneRows], split: str) -> list:
    """(scene name, index, frame) of a split."""
    return [
        (record.name, index, frame)
        for record in records
        if record.split == split
        for index, frame in enumerate(record.frames)
    ]


def _visible_voxels(records: Sequence[SceneRows]) -> dict:
    totals = {
        split: np.sum(
            [f.voxels for _, _, f in _frames(records, split)], axis=0
        )
        for split in SPLITS
    }
    return {
        split: dict(zip(OCC3D_CLASSES, counts.tolist(), strict=True))
        for split, counts in totals.items()
    }


def _boxes(records: Sequence[SceneRows]) -> dict:
    counts: Counter = Counter()
    for record in records:
        for instance, first, last in annotated_spans(record):
            category = next(
                box['category']
                for box in record.frames[first].boxes
                if box['instance'] == instance
            )
            counts[category] += last - first + 1
    return dict(sorted(counts.items()))


def _labeller(
    records: Sequence[SceneRows], labels: Labels, token: Callable[..., str]
) -> dict:
    """Measure how often the labeller agrees with the script."""
    both = [
        (frame.intent, labels[token(name, 'sample', index)])
        for split in SPLITS
        for name, index, frame in _frames(records, split)
        if frame.intent['complete']
    ]
    both = [(intent, label) for intent, label in both if label is not None]
    return {
        'direction': confusion(
            ((i['direction'], x['direction']) for i, x in both), DIRECTIONS
        ),
        'speed': confusion(
            ((i['speed_word'], x['speed']) for i, x in both), SPEEDS
        ),
    }


def _meta_actions(
    records: Sequence[SceneRows], labels: Labels, token: Callable[..., str]
) -> dict:
    """Count the meta-action labels of each split."""
    counts = {}
    for split in SPLITS:
        found = [
            labels[token(name, 'sample', index)]
            for name, index, _ in _frames(records, split)
        ]
        counts[split] = dict(
            Counter(
                f'{x["speed"]}; {x["direction"]}' for x in found if x
            ).most_common()
        )
    return counts


def blind_meta_action(histogram: dict[str, dict[str, int]]) -> dict:
    """Accuracy on val of the commonest train pair, and of each word."""

    def best(counts: Counter) -> str:
        return max(sorted(counts), key=counts.get, default='')

    scores = {}
    for name, place in (('pair', None), ('speed', 0), ('direction', 1)):
        train, val = (Counter(), Counter())
        for split, counter in (('train', train), ('val', val)):
            for pair, count in histogram[split].items():
                word = pair if place is None else pair.split('; ')[place]
                counter[word] += count
        scores[name] = _percent(val[best(train)], val.total())
    return scores


def _files(root: Path) -> dict:
    """Number and bytes of the files of each folder."""
    found: dict[str, list[int]] = {}
    for path in sorted(root.rglob('*')):
        if path.is_file():
            parts = path.relative_to(root).parts
            depth = 2 if parts[0] in ('samples', 'sweeps') else 1
            folder = '/'.join(parts[:depth]) if len(parts) > 1 else '.'
            found.setdefault(folder, []).append(path.stat().st_size)
    sizes = {
        folder: {'files': len(sizes), 'bytes': sum(sizes)}
        for folder, sizes in found.items()
    }
    return sizes | {
        'total': {
            key: sum(size[key] for size in sizes.values())
            for key in ('files', 'bytes')
        }
    }


def make_manifest(
    root: Path,
    preset: Preset,
    seed: int,
    records: Sequence[SceneRows],
    tables: dict[str, list[dict]],
    questions: dict[str, dict[str, list[dict]]],
    labels: Labels,
    token: Callable[..., str],
) -> dict:
    """Count everything below ``root``.

    Args:
        root (Path): Data root, complete but for the manifest.
        preset (Preset): What was asked for.
        seed (int): Of the data set.
        records (Sequence[SceneRows]): All scenes.
        tables (dict): Rows by table.
        questions (dict): By set (``nuscenes_qa``, ``occupancy_qa``) and
            split.
        labels (dict): Meta-action labels by sample token.
        token (Callable): Maps scene, kind and index to a token.
    """
    meta_actions = _meta_actions(records, labels, token)
    counts = {name: len(rows) for name, rows in tables.items()}
    for name, splits in questions.items():
        counts |= {f'{name}_{split}': len(x) for split, x in splits.items()}
    return {
        'seed': seed,
        'preset': asdict(preset),
        'weather': {record.name: record.weather for record in records},
        'counts': counts,
        'annotations': _boxes(records),
        'visible_voxels': _visible_voxels(records),
        'meta_actions': meta_actions,
        'labeller': _labeller(records, labels, token),
        'answers': {
            name: {
                split: dict(Counter(e['answer'] for e in rows).most_common())
                for split, rows in splits.items()
            }
            for name, splits in questions.items()
        },
        'counterfactual_outcomes': {
            split: dict(
                Counter(
                    pair['outcome']
                    for _, _, frame in _frames(records, split)
                    for pair in frame.talk['counterfactual']
                ).most_common()
            )
            for split in SPLITS
        },
        'blind_accuracy': {
            name: blind_accuracy(splits['train'], splits['val'])
            for name, splits in questions.items()
        }
        | {'meta_action': blind_meta_action(meta_actions)},
        'files': _files(root),
    }
