"""Print the papers' result tables: published rows, and our own.

    python tools/analysis_tools/tables.py
    python tools/analysis_tools/tables.py --table occvla_table1 \\
        --ours 'OccVLA, stage 3=scores.json' --out tables.md

Published rows lie in ``published/``, one file per table, each row with its
convention and its source. Our rows come from result files, written by
``tools/evaluate.py --out`` or ``tools/test.py --out``; where nothing was run,
a table has an empty row. Planning tables get one column more: the error within
each second, which undoes running means.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mmocc.evaluation.functional import SUBSETS
from mmocc.utils.atomic import atomic_open
from mmocc.utils.json_files import read_json

PUBLISHED = Path(__file__).parent / 'published'
MEAN = 'mean up to t'
OURS = 'mmocc'
# First part of a metric's name, as the evaluator logs it, to its task.
TASK_OF_PREFIX = {
    'plan': 'planning',
    'collision': 'planning',
    'qa': 'qa',
    'meta': 'meta',
    'forecast': 'forecast',
    'caption': 'caption',
}
# Prefixes behind which another part says which rules were used.
WITH_VARIANTS = ('collision', 'forecast')
# Task, then variant (a preset), then figure.
Scores = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class OurRow:
    """Which of our figures stand in a row.

    Attributes:
        convention (str): What they are.
        figures (Sequence[str]): Names, for the last columns of the table.
    """

    convention: str
    figures: Sequence[str]


@dataclass(frozen=True)
class PublishedRow:
    """A row as it is printed.

    Attributes:
        values (Sequence): One for each column; None where nothing is printed.
            An error of 0 is a misprint, of which no bands are made.
        convention (str): How the figures were computed, as far as known.
        source (str): Where they were read.
        misprint (str): What cannot be right; empty where nothing is known.
    """

    values: Sequence[str | float | None]
    convention: str
    source: str
    misprint: str = ''


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper.

    Attributes:
        title (str): The paper, and what the table is about.
        task (str): Task of ``tools/evaluate.py``.
        columns (Sequence[str]): Headers, text before figures.
        ours (Sequence[OurRow]): One for each convention that we print.
        rows (Sequence[PublishedRow]): In the paper's order.
        notes (Sequence[str]): What to know when reading it.
        digits (int): Decimals of figures. Defaults to 2.
    """

    title: str
    task: str
    columns: Sequence[str]
    ours: Sequence[OurRow]
    rows: Sequence[PublishedRow]
    notes: Sequence[str] = field(default_factory=list)
    digits: int = 2


def load_table(path: Path) -> PublishedTable:
    """Read a file of ``published/``.

    Raises:
        ValueError: A row does not fit the columns.
    """
    content = yaml.safe_load(path.read_text(encoding='utf-8'))
    content['ours'] = [OurRow(**row) for row in content['ours']]
    content['rows'] = [PublishedRow(**row) for row in content['rows']]
    table = PublishedTable(**content)
    for row in table.rows:
        if len(row.values) != len(table.columns):
            raise ValueError(
                f'{path}: the row {row.values[0]!r} has {len(row.values)} '
                f'values for {len(table.columns)} columns'
            )
    return table


def read_scores(path: Path) -> Scores:
    """Read our figures of a result file.

    Raises:
        ValueError: It is no result of ``tools/evaluate.py`` or
            ``tools/test.py``.
    """
    content = read_json(path, allow_nan=True)
    if isinstance(content, dict) and {'task', 'results'} <= set(content):
        return {content['task']: content['results']}
    if isinstance(content, dict) and isinstance(content.get('scores'), dict):
        return _by_task(content['scores'])
    raise ValueError(
        f'{path} holds no results; expected a file of "tools/evaluate.py '
        '--out" or "tools/test.py --out"'
    )


def _by_task(scores: Mapping[str, float]) -> Scores:
    """Logged names, such as ``collision/vad/L2_at_1s``, taken apart."""
    found: Scores = defaultdict(lambda: defaultdict(dict))
    for name, value in scores.items():
        prefix, _, figure = name.partition('/')
        variant = ''
        if prefix in WITH_VARIANTS:
            variant, _, figure = figure.rpartition('/')
        if prefix in TASK_OF_PREFIX:
            found[TASK_OF_PREFIX[prefix]][variant][figure] = value
    return found


def error_bands(columns: Sequence[float]) -> list[float]:
    """Mean error within each second, of means up to 1, 2, 3 s."""
    totals = [second * mean for second, mean in enumerate(columns, start=1)]
    return [
        total - before
        for total, before in zip(totals, [0, *totals[:-1]], strict=True)
    ]


def our_rows(
    table: PublishedTable, label: str, scores: Scores
) -> list[list[str]]:
    """The rows that a result file has for a table."""
    rows = []
    for variant, figures in scores.get(table.task, {}).items():
        if variant.rpartition('/')[2] in SUBSETS:
            continue
        for kind in table.ours:
            values = [figures.get(name) for name in kind.figures]
            if all(value is None for value in values):
                continue
            text = len(table.columns) - len(values)
            name = f'{OURS}: {label}' + (f' ({variant})' if variant else '')
            cells = [name, *[''] * (text - 1)]
            cells += [_shown(value, table.digits) for value in values]
            if table.task == 'planning':
                bands = [figures.get(f'L2_band_{s}s') for s in (1, 2, 3)]
                cells.append(_joined(bands, table.digits))
            rows.append([*cells, kind.convention, 'measured'])
    return rows


def published_row(table: PublishedTable, row: PublishedRow) -> list[str]:
    """The cells of a published row."""
    cells = [_shown(value, table.digits) for value in row.values]
    if table.task == 'planning':
        means = row.values[-4:-1]
        known = row.convention.startswith(MEAN) and all(means)
        bands = error_bands(means) if known else []
        cells.append(_joined(bands, table.digits))
    return [*cells, row.convention, row.source]


def _shown(value: Any, digits: int) -> str:
    """A cell: nothing, text, or a figure."""
    if value is None:
        return ''
    return value if isinstance(value, str) else f'{value:.{digits}f}'


def _joined(bands: Sequence[float | None], digits: int) -> str:
    return ' / '.join(_shown(band, digits) for band in bands)


def to_markdown(table: PublishedTable, ours: Mapping[str, Scores]) -> str:
    """A table with its notes; ``ours`` maps labels to figures."""
    headers = [*table.columns]
    if table.task == 'planning':
        headers.append('within second 1 / 2 / 3')
    headers += ['convention', 'source']
    rows = [published_row(table, row) for row in table.rows]
    measured = [
        row
        for label, scores in ours.items()
        for row in our_rows(table, label, scores)
    ]
    nothing = [OURS, *[''] * (len(headers) - 3), '', 'not run']
    rows += measured or [nothing]
    first_figure = len(table.columns) - len(table.ours[0].figures)
    last_figure = len(table.columns)
    rule = [
        '---:' if first_figure <= place < last_figure else '---'
        for place in range(len(headers))
    ]
    lines = [f'| {" | ".join(row)} |' for row in (headers, rule, *rows)]
    misprints = [f'Misprint: {r.misprint}.' for r in table.rows if r.misprint]
    notes = [f'* {note.strip()}' for note in (*misprints, *table.notes)]
    return '\n'.join([f'## {table.title}', '', *lines, '', *notes, ''])


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = sorted(path.stem for path in PUBLISHED.glob('*.yaml'))
    parser.add_argument(
        '--table',
        action='append',
        choices=names,
        help='may be given several times; all of them by default',
    )
    parser.add_argument(
        '--ours',
        action='append',
        default=[],
        metavar='LABEL=FILE.json',
        help='figures of ours; may be given several times',
    )
    parser.add_argument('--out', type=Path, metavar='FILE.md')
    args = parser.parse_args(argv)
    args.table = args.table or names
    return args


def main() -> int:
    args = parse_args()
    try:
        ours = {}
        for item in args.ours:
            label, equals, path = item.partition('=')
            if not label or not equals or label in ours:
                raise ValueError(
                    f'--ours is {item!r}, expected LABEL=FILE.json with '
                    'labels that differ'
                )
            ours[label] = read_scores(Path(path))
        text = '\n'.join(
            to_markdown(load_table(PUBLISHED / f'{name}.yaml'), ours)
            for name in args.table
        )
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if args.out is not None:
        with atomic_open(args.out, 'w') as file:
            file.write(text)
    print(text, end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
