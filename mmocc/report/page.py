"""From what a work directory holds to one page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmocc.evaluation.files import ResultFileError
from mmocc.evaluation.metrics.prediction_files import (
    OCC,
    OCC_TRUTH,
    PLAN_TRUTH,
    PLANS,
)
from mmocc.report import html
from mmocc.report.curves import figure_svg, loss_svg
from mmocc.report.ranked_frames import (
    FrameAlbum,
    Ranking,
    rank_occupancy,
    rank_plans,
)
from mmocc.report.work_dir import Result, Run, WorkDir
from mmocc.utils.env import format_report, git_commit
from mmocc.version import __version__

# Figures of validation that get a curve, where they were logged.
CURVES = (
    'occ/mIoU',
    'occ/IoU',
    'forecast/mIoU_avg',
    'plan/L2_mean_avg',
    'plan/L2_at_avg',
    'meta/joint',
    'qa/overall',
)
# A curve needs that many points.
_FEW = 2


def build_page(
    work: WorkDir,
    predictions: Sequence[Path],
    baselines: Sequence[Result] = (),
    frames: int = 3,
) -> str:
    """One self-contained HTML page.

    Args:
        work (WorkDir): What was found.
        predictions (Sequence[Path]): Folders with files of
            ``PredictionFiles``.
        baselines (Sequence[Result]): Further columns of the tables.
            Defaults to ().
        frames (int): How many of the best and of the worst frames get a
            picture. Defaults to 3.

    Returns:
        str: The page.
    """
    sections = [
        ('runs', 'Runs', _runs(work)),
        ('curves', 'Curves', _curves(work)),
        ('scores', 'Scores', _scores(work, baselines)),
        ('frames', 'Best and worst', _frames(work, predictions, frames)),
        ('environment', 'Environment', _environment(work)),
        ('configs', 'Configs', _configs(work)),
    ]
    # All parts are made before what they missed is read.
    made = [(a, title, list(parts)) for a, title, parts in sections]
    contents = [(anchor, title) for anchor, title, _ in made]
    if work.missing:
        contents.append(('missing', f'Missing ({len(work.missing)})'))
        made.append(
            ('missing', 'Missing', [html.items(work.missing, 'missing')])
        )
    return html.document(
        f'Report of {work.path.resolve().name}',
        html.links(contents),
        *(html.section(anchor, title, *p) for anchor, title, p in made),
        html.paragraph(
            f'Made by mmocc {__version__}, commit {git_commit()}.', 'note'
        ),
    )


def _runs(work: WorkDir) -> Iterator[str]:
    if not work.runs:
        yield html.paragraph('No run was found, scores alone.')
        return
    rows = []
    for run in work.runs:
        steps, values = run.losses.get('loss', ([], []))
        rows.append(
            [
                run.name,
                'training' if run.losses else 'no loss logged',
                run.seed or '-',
                f'{steps[-1]:.0f}' if steps else '',
                f'{values[-1]:.4g}' if values else '',
            ]
        )
    yield html.table(
        ['run', 'kind', 'seed', 'iterations', 'last loss'], rows, text=2
    )


def _curves(work: WorkDir) -> Iterator[str]:
    trained = [run for run in work.runs if run.losses]
    if not trained:
        yield html.paragraph('No run here has logged a loss.')
        return
    yield html.side_by_side([loss_svg(r.losses, r.name) for r in trained])
    validated = [
        figure_svg(run.figures[name], f'{name}, {run.name}')
        for run in trained
        for name in CURVES
        if len(run.figures.get(name, ([], []))[0]) >= _FEW
    ]
    if validated:
        yield html.heading('Validation while training')
        yield html.side_by_side(validated)


def _scores(work: WorkDir, baselines: Sequence[Result]) -> Iterator[str]:
    columns = [
        *(r for r in work.results if not r.is_baseline),
        *(_last_validation(run) for run in work.runs if run.figures),
        *(r for r in work.results if r.is_baseline),
        *baselines,
    ]
    if not columns:
        yield html.paragraph('No scores were found.')
        return
    if not any(r.is_baseline for r in columns) and not baselines:
        work.missing.append(
            'Baselines: give --baseline NAME=FILE.json; '
            'tools/analysis_tools/baselines.py writes one.'
        )
    for column in columns:
        if column.source:
            yield html.paragraph(f'{column.name}: {column.source}', 'note')
    names = list(dict.fromkeys(n for c in columns for n in c.scores))
    groups: dict[str, list[str]] = {}
    for name in names:
        group, _, _ = name.rpartition('/')
        groups.setdefault(group.partition('/')[0], []).append(name)
    for place, (group, members) in enumerate(groups.items()):
        table = html.table(
            ['figure', *(column.name for column in columns)],
            [
                [name, *(_shown(c.scores.get(name)) for c in columns)]
                for name in members
            ],
        )
        yield html.folded(
            f'{group or "others"} ({len(members)})', table, is_open=place == 0
        )


def _last_validation(run: Run) -> Result:
    return Result(
        f'{run.name}, last validation',
        {name: values[-1] for name, (_, values) in run.figures.items()},
    )


def _shown(value: float | None) -> str:
    if value is None or math.isnan(value):
        return '-'
    return f'{value:.0f}' if value == int(value) else f'{value:.3f}'


def find_predictions(work_dir: Path) -> list[Path]:
    """Folders below a work directory with files of ``PredictionFiles``."""
    return sorted(
        {
            path.parent
            for name in (OCC_TRUTH, PLAN_TRUTH)
            for path in work_dir.rglob(name)
        }
    )


def _frames(
    work: WorkDir, folders: Sequence[Path], number: int
) -> Iterator[str]:
    if not folders:
        work.missing.append(
            'Best and worst frames: no predictions were written. tools/'
            f'test.py CONFIG CHECKPOINT --dump {work.path.name}/predictions '
            'writes them.'
        )
        yield html.paragraph('No predictions were written.')
    for folder in folders:
        yield html.paragraph(f'Predictions of {folder.name}/.', 'note')
        for files, rank in (
            ((OCC, OCC_TRUTH), rank_occupancy),
            ((PLANS, PLAN_TRUTH), rank_plans),
        ):
            if not all((folder / name).exists() for name in files):
                work.missing.append(
                    f'Ranking of {folder.name}/: there is no '
                    f'{" and ".join(files)}.'
                )
                continue
            try:
                yield from _ranking(
                    rank(folder), FrameAlbum(folder, work.path), number
                )
            except ResultFileError as error:
                work.missing.append(f'Ranking of {folder.name}/: {error}')


def _ranking(
    ranking: Ranking, album: FrameAlbum, number: int
) -> Iterator[str]:
    yield html.heading(ranking.title[0].upper() + ranking.title[1:])
    note = f'{len(ranking.scores)} frames'
    if ranking.left_out:
        note += f', {ranking.left_out} without anything to measure'
    yield html.paragraph(note + '.', 'note')
    for title, scores in zip(
        ('Best', 'Worst'), ranking.ends(number), strict=True
    ):
        for place, score in enumerate(scores, start=1):
            yield html.photograph(
                album.picture(score.token),
                f'{title} {place}: {score.value:.2f}, '
                f'{album.title(score.token)}',
            )


def _environment(work: WorkDir) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for result in work.results:
        if result.environment:
            text = format_report(result.environment)
            found.setdefault(text, []).append(result.name)
    if not found:
        work.missing.append(
            'Commit and package versions: files of tools/test.py --out hold '
            'them, and there is none.'
        )
    for run in work.runs:
        if run.environment:
            found.setdefault(run.environment, []).append(run.name)
    yield from _same_texts(found, 'Nothing was logged.')


def _configs(work: WorkDir) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for run in work.runs:
        if run.config:
            found.setdefault(run.config, []).append(run.name)
    yield from _same_texts(found, 'No config was kept.')


def _same_texts(
    found: Mapping[str, Sequence[str]], otherwise: str
) -> Iterator[str]:
    """Each text once, under the names of all that have it."""
    if not found:
        yield html.paragraph(otherwise)
    for text, names in found.items():
        yield html.folded(', '.join(names), html.verbatim(text))
