"""Render what a work directory holds as one HTML page (Jinja2)."""

import base64
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mmocc.evaluation.files import ResultFileError
from mmocc.evaluation.metrics.prediction_files import (
    OCC,
    OCC_TRUTH,
    PLAN_TRUTH,
    PLANS,
)
from mmocc.projects.RunReports.run_reports.curves import loss_svg, metric_svg
from mmocc.projects.RunReports.run_reports.ranked_frames import (
    FrameAlbum,
    Ranking,
    rank_occupancy,
    rank_plans,
)
from mmocc.projects.RunReports.run_reports.work_dir import (
    ScoreFile,
    TrainingRun,
    WorkDir,
)
from mmocc.utils.env import format_report, git_commit
from mmocc.version import __version__

ASSETS = Path(__file__).resolve().parents[1] / 'assets'

# Validation metrics that are drawn over training, where they were logged.
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
_MIN_POINTS = 2


def build_page(
    work: WorkDir,
    predictions: Sequence[Path],
    baselines: Sequence[ScoreFile] = (),
    frames: int = 3,
) -> str:
    """Render a self-contained HTML page about a work directory.

    Args:
        work (WorkDir): Runs and scores; ``work.missing`` grows by what the
            page lacks.
        predictions (Sequence[Path]): Folders with files of
            ``PredictionFiles``.
        baselines (Sequence[ScoreFile]): Further columns of the score tables.
            Defaults to ().
        frames (int): Number of best and of worst frames with a picture.
            Defaults to 3.

    Returns:
        str: HTML without references to other files.
    """
    columns = _score_columns(work, baselines)
    content = dict(
        runs=[_run_row(run) for run in work.runs],
        columns=columns,
        score_groups=_score_groups(columns),
        predictions=_rankings(work, predictions, frames),
        environments=_environments(work),
        configs=_names_by_text((run.config, run.name) for run in work.runs),
        **_curves(work.runs),
    )
    templates = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template('report.html').render(
        name=work.path.resolve().name,
        missing=work.missing,
        version=__version__,
        commit=git_commit(),
        **content,
    )


def find_predictions(work_dir: Path) -> list[Path]:
    """Return the folders below a work directory that hold predictions."""
    return sorted(
        {
            path.parent
            for name in (OCC_TRUTH, PLAN_TRUTH)
            for path in work_dir.rglob(name)
        }
    )


def _run_row(run: TrainingRun) -> list[str]:
    steps, values = run.losses.get('loss', ([], []))
    return [
        run.name,
        'training' if run.losses else 'no loss logged',
        run.seed or '-',
        f'{steps[-1]:.0f}' if steps else '',
        f'{values[-1]:.4g}' if values else '',
    ]


def _curves(runs: Sequence[TrainingRun]) -> dict[str, list[Markup]]:
    trained = [run for run in runs if run.losses]
    return dict(
        loss_curves=[Markup(loss_svg(r.losses, r.name)) for r in trained],
        validation_curves=[
            Markup(metric_svg(run.metrics[name], f'{name}, {run.name}'))
            for run in trained
            for name in CURVES
            if len(run.metrics.get(name, ([], []))[0]) >= _MIN_POINTS
        ],
    )


def _score_columns(
    work: WorkDir, baselines: Sequence[ScoreFile]
) -> list[ScoreFile]:
    columns = [
        *(r for r in work.results if not r.is_baseline),
        *(_last_validation(run) for run in work.runs if run.metrics),
        *(r for r in work.results if r.is_baseline),
        *baselines,
    ]
    if columns and not baselines and not any(r.is_baseline for r in columns):
        work.missing.append(
            'Baselines: give --baseline NAME=FILE.json; '
            'tools/analysis_tools/baselines.py writes one.'
        )
    return columns


def _last_validation(run: TrainingRun) -> ScoreFile:
    return ScoreFile(
        f'{run.name}, last validation',
        {name: values[-1] for name, (_, values) in run.metrics.items()},
    )


def _score_groups(columns: Sequence[ScoreFile]) -> dict[str, list[list[str]]]:
    """Return table rows (name, score of each column) by task."""
    groups: dict[str, list[list[str]]] = {}
    for name in dict.fromkeys(n for c in columns for n in c.scores):
        task = name.partition('/')[0] if '/' in name else ''
        row = [name, *(_format_score(c.scores.get(name)) for c in columns)]
        groups.setdefault(task, []).append(row)
    return groups


def _format_score(value: float | None) -> str:
    if value is None or math.isnan(value):
        return '-'
    return f'{value:.0f}' if value == int(value) else f'{value:.3f}'


def _rankings(
    work: WorkDir, folders: Sequence[Path], number: int
) -> dict[str, list[dict]]:
    """Rank the frames of each folder of predictions by each metric."""
    if not folders:
        work.missing.append(
            'Best and worst frames: no predictions were written. tools/'
            f'test.py CONFIG CHECKPOINT --dump {work.path.name}/predictions '
            'writes them.'
        )
    found: dict[str, list[dict]] = {}
    for folder in folders:
        rankings = found.setdefault(folder.name, [])
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
                album = FrameAlbum(folder, work.path)
                rankings.append(_pictures(rank(folder), album, number))
            except ResultFileError as error:
                work.missing.append(f'Ranking of {folder.name}/: {error}')
    return found


def _pictures(ranking: Ranking, album: FrameAlbum, number: int) -> dict:
    note = f'{len(ranking.scores)} frames'
    if ranking.left_out:
        note += f', {ranking.left_out} without anything to measure'
    best, worst = ranking.ends(number)
    return dict(
        title=ranking.title[0].upper() + ranking.title[1:],
        note=f'{note}.',
        pictures=[
            dict(
                data=base64.b64encode(album.picture(score.token)).decode(),
                caption=f'{end} {place}: {score.value:.2f}, '
                f'{album.title(score.token)}',
            )
            for end, scores in (('Best', best), ('Worst', worst))
            for place, score in enumerate(scores, start=1)
        ],
    )


def _environments(work: WorkDir) -> dict[str, list[str]]:
    measured = [result for result in work.results if result.environment]
    if not measured:
        work.missing.append(
            'Commit and package versions: files of tools/test.py --out hold '
            'them, and there is none.'
        )
    return _names_by_text(
        [
            *((format_report(r.environment), r.name) for r in measured),
            *((run.environment, run.name) for run in work.runs),
        ]
    )


def _names_by_text(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Group names by their text, so that equal texts are shown once."""
    found: dict[str, list[str]] = {}
    for text, name in pairs:
        if text:
            found.setdefault(text, []).append(name)
    return found
