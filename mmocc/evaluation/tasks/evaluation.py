"""The result of every task: scores by preset, and what they mean."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmocc.version import __version__

# Of the JSON that results are written as.
FORMAT_VERSION = 1
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Evaluation:
    """The result of one task.

    Attributes:
        task (str): Its name on the command line.
        results (dict): Preset to figure to value.
        about (dict): Preset to what it is: source, options, read-outs.
        notes (list[str]): What a reader must know beside the figures.
    """

    task: str
    results: dict[str, dict[str, float]]
    about: dict[str, dict[str, Any]]
    notes: list[str] = field(default_factory=list)


def choose(
    asked: Sequence[str],
    known: Iterable[str],
    default: Sequence[str],
) -> list[str]:
    """Return the presets to run, each once; ``all`` means every one.

    Raises:
        ValueError: A preset is not known.
    """
    known = list(known)
    if not asked:
        return list(default)
    names = known if 'all' in asked else list(dict.fromkeys(asked))
    strange = [name for name in names if name not in known]
    if strange:
        raise ValueError(
            f'the preset is {strange[0]!r}, expected one of {known} or "all"'
        )
    return names


def fingerprint(path: Path) -> dict[str, Any]:
    """Return name, size and SHA-256 of an input file."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {
        'file': str(path),
        'bytes': path.stat().st_size,
        'sha256': digest.hexdigest(),
    }


def to_json(
    evaluation: Evaluation, inputs: Mapping[str, Path]
) -> dict[str, Any]:
    """Return the evaluation as the dictionary that is written to JSON."""
    return {
        'format': FORMAT_VERSION,
        'task': evaluation.task,
        'version': __version__,
        'results': evaluation.results,
        'about': evaluation.about,
        'notes': evaluation.notes,
        'inputs': {name: fingerprint(path) for name, path in inputs.items()},
    }


def to_table(evaluation: Evaluation) -> str:
    """Format the evaluation: a row for each figure, a column per preset."""
    presets = list(evaluation.results)
    figures = list(
        dict.fromkeys(
            name for scores in evaluation.results.values() for name in scores
        )
    )
    rows = [['', *presets]]
    for name in figures:
        row = [name]
        for preset in presets:
            value = evaluation.results[preset].get(name)
            published = name in evaluation.about[preset].get('published', ())
            mark = '*' if published and value is not None else ' '
            row.append(_shown(value) + mark)
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        lines.append('  '.join(cells).rstrip())
    if any('published' in about for about in evaluation.about.values()):
        lines.append("* the read-out that this preset's papers print")
    return '\n'.join([*lines, *evaluation.notes])


def _shown(value: float | None) -> str:
    """Format counts in full, figures with four decimals, None as a dash."""
    if value is None:
        return '-'
    return str(value) if isinstance(value, int) else f'{value:.4f}'
