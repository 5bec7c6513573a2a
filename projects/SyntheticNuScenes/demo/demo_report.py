"""Write the demo's report: scores beside baselines, curves and pictures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import mmcv

from mmocc.projects.RunReports.run_reports.loss_curves import loss_curves
from mmocc.utils.atomic import atomic_open
from mmocc.utils.env import environment_report, format_report
from mmocc.utils.json_files import read_json, write_json

# Where the story of every miss is told.
TRIED = 'docs/benchmarks/README.md'


class Figure(NamedTuple):
    """One row of a table of scores.

    Attributes:
        name (str): Of the figure of the model.
        title (str): For people.
        against (str): Name of the figure that has to be beaten.
        baseline (str): What that is.
        lower_is_better (bool): Whether errors, not hits, are counted.
        margin (float): By how much the baseline must be beaten.
    """

    name: str
    title: str
    against: str
    baseline: str
    lower_is_better: bool = False
    margin: float = 0.0

    def beats(self, model: float, baseline: float) -> bool:
        """Whether the model beats the baseline by the margin."""
        if self.lower_is_better:
            return model < baseline - self.margin
        return model > baseline and model >= baseline + self.margin


@dataclass(frozen=True)
class ModelPage:
    """The rows and texts of one model's section.

    Attributes:
        name (str): Of the model.
        folder (str): Of its results, below the work folder.
        figures (tuple[Figure]): With bars.
        details (tuple[tuple[str, str]]): Names and titles of further figures.
        trainings (dict[str, str]): Folder of each training and its title.
        pictures (tuple[tuple[str, str]]): Of one frame, and what they show.
    """

    name: str
    folder: str
    figures: tuple[Figure, ...]
    details: tuple[tuple[str, str], ...]
    trainings: dict[str, str]
    pictures: tuple[tuple[str, str], ...]


def prior_figures(occ_margin: float) -> tuple[Figure, ...]:
    """Return the baselines that both models are compared with.

    Args:
        occ_margin (float): Points of mIoU above the class prior.
    """
    return (
        Figure(
            'occ/mIoU', 'occupancy mIoU in the camera mask', 'occ/mIoU',
            'class prior of each voxel', margin=occ_margin,
        ),
        Figure(
            'meta/joint', 'meta-action, both right, %', 'meta/joint',
            'majority pair',
        ),
        Figure(
            'plan/L2_mean_avg', 'plan L2, mean up to 1, 2, 3 s, m',
            'plan/L2_mean_avg', 'constant velocity', lower_is_better=True,
        ),
        Figure(
            'qa/overall', 'questions, exact match, %', 'qa/overall',
            'majority per type',
        ),
    )  # fmt: skip


DETAILS = (
    ('occ/mIoU_flat', 'mIoU of the flat classes'),
    ('occ/mIoU_non_flat', 'mIoU of the others'),
    ('occ/IoU', 'geometric IoU (ground alone scores high)'),
    ('occ/mIoU_all_voxels', 'mIoU without mask'),
    ('meta/speed', 'speed, %'),
    ('meta/direction', 'direction, %'),
    ('plan/L2_mean_1s', 'L2, mean up to 1 s, m'),
    ('plan/L2_mean_2s', 'L2, mean up to 2 s, m'),
    ('plan/L2_mean_3s', 'L2, mean up to 3 s, m'),
    ('plan/L2_at_1s', 'L2 at 1 s, m'),
    ('plan/L2_at_2s', 'L2 at 2 s, m'),
    ('plan/L2_at_3s', 'L2 at 3 s, m'),
    ('qa/exist', 'exist, %'),
    ('qa/count', 'count, %'),
    ('qa/object', 'object, %'),
    ('qa/status', 'status, %'),
    ('qa/comparison', 'comparison, %'),
)
PICTURES = (
    ('cameras.png', 'Six views, with the predicted path'),
    ('occupancy.png', 'Occupancy: predicted, true, and where they differ'),
    ('plan.png', "The plan in bird's-eye view"),
    ('panel.png', 'All of it, with question, answer and meta-action'),
)
OCCVLA = ModelPage(
    'OccVLA',
    'occvla',
    prior_figures(occ_margin=4.0),
    DETAILS,
    {
        'vqvae': 'Scene VQ-VAE',
        'stage1': 'Stage 1, driving language',
        'stage2': 'Stage 2, occupancy and language',
        'stage3': 'Stage 3, planner',
    },
    PICTURES,
)
SPARSEOCCVLA = ModelPage(
    'SparseOccVLA',
    'sparseoccvla',
    (
        *prior_figures(occ_margin=10.0),
        Figure(
            'occ/mIoU_non_flat', 'mIoU of the classes that are not flat',
            'occ/mIoU_non_flat', 'class prior', margin=3.0,
        ),
        Figure(
            'occ/mIoU', 'occupancy mIoU again', 'occvla/occ/mIoU',
            'tiny OccVLA',
        ),
        *(
            Figure(
                f'forecast/mIoU_{t}s',
                f'forecast mIoU at {t} s in the camera mask',
                f'own_moved_copy/mIoU_{t}s',
                'present prediction moved by the predicted ego motion',
            )
            for t in (1, 2, 3)
        ),
        Figure(
            'forecast/mIoU_avg', 'forecast mIoU, mean of the three',
            'moved_copy/mIoU_avg',
            'present prediction moved by the true ego motion',
        ),
        Figure(
            'plan/L2_mean_avg', 'plan L2 again', 'ego_mlp/L2_mean_avg',
            'MLP on the ego status alone', lower_is_better=True,
        ),
    ),
    DETAILS,
    {
        'stage1': 'Stage 1, encoder',
        'stage2': 'Stage 2, alignment and understanding',
        'stage3': 'Stage 3, forecasting and planning',
    },
    PICTURES,
)  # fmt: skip
PAGES = (OCCVLA, SPARSEOCCVLA)
# Planners of the diagnosis, from the model to its parts.
PLANNERS = (
    ('plan', 'the model'),
    ('anchor_oracle', 'nearest anchor, denoised'),
    ('anchor_oracle_zero_step', 'nearest anchor as it is'),
    ('zero_step', 'chosen anchor as it is'),
    ('random_winner', 'any anchor, denoised'),
    ('ego_mlp', 'MLP on the ego status alone'),
    ('constant_velocity', 'constant velocity'),
)
FORECASTERS = (
    ('forecast', 'the model'),
    ('moved_copy', 'present prediction, moved by the true ego motion'),
    (
        'own_moved_copy',
        'present prediction, moved by the predicted ego motion',
    ),
    ('copy', 'present prediction, left where it is'),
)


def write_report(
    work_dir: Path, data: Path, seed: int, records: Sequence[Mapping]
) -> Path:
    """Write ``report.md`` and ``figures.json`` into the work folder.

    Args:
        work_dir (Path): Of the demo, holding the results of its steps.
        data (Path): The data root.
        seed (int): Of the training.
        records (Sequence[Mapping]): The steps with their cost.

    Returns:
        Path: The report.
    """
    environment = environment_report(seed)
    train_only = _read(work_dir / 'baselines.json')
    models = {page.name: _results(work_dir, page) for page in PAGES}
    bars = _bars(train_only['scores'], models)
    for page in PAGES:
        found = models[page.name]
        found['verdicts'] = [
            figure.beats(found['scores'][figure.name], bars[figure.against])
            for figure in page.figures
        ]
    figures = dict(
        models=models,
        baseline=train_only['scores'],
        steps=list(records),
        environment=environment,
    )
    write_json(figures, work_dir / 'figures.json', indent=2)

    scores = models[OCCVLA.name]['scores']
    lines = [
        '# OccVLA and SparseOccVLA on synthetic nuScenes',
        '',
        'Tiny models with random start, trained through their stages on '
        f'`{data}` and evaluated on scenes they have not seen: '
        f'{scores["occ/frames"]:.0f} frames, {scores["plan/samples"]:.0f} of '
        'them with a full 3 s of future. This shows that the code works; it '
        'says nothing about nuScenes.',
        '',
        'Baselines are fitted on the training scenes alone. In the control, '
        'the models see the images of the other val scene.',
        '',
        f'Majority pair: {train_only["majority_meta_action"]} Majority '
        'answers: '
        + ', '.join(
            f'{kind} "{answer}"'
            for kind, answer in train_only['majority_answers'].items()
        )
        + '. Questions answered by the most frequent answer to the same '
        f'wording: {bars["answer_by_text/overall"]:.2f} %. Plan at constant '
        f'turn rate: {bars["constant_turn_rate/L2_mean_avg"]:.2f} m.',
        '',
    ]
    for page in PAGES:
        lines += _model_lines(work_dir, page, models[page.name], bars)
    lines += _cost_lines(records)
    lines += [f'Seed {seed}.', '', '```', format_report(environment), '```']
    path = work_dir / 'report.md'
    with atomic_open(path, 'w') as file:
        file.write('\n'.join([*lines, '']))
    return path


def _results(work_dir: Path, page: ModelPage) -> dict:
    """Scores of a model and its control, and its diagnosis if it has one."""
    folder = work_dir / page.folder
    results = dict(
        scores=_read(folder / 'val.json')['scores'],
        control=_read(folder / 'control.json')['scores'],
    )
    diagnosis = folder / 'diagnosis.json'
    if diagnosis.exists():
        results['diagnosis'] = _read(diagnosis)
        forecast = results['diagnosis']['forecasting']['forecast/camera']
        for name, value in forecast.items():
            results['scores'][f'forecast/{name}'] = value
    return results


def _bars(baseline: Mapping, models: Mapping[str, Mapping]) -> dict:
    """Every figure that a model may have to beat, by name."""
    occvla = models[OCCVLA.name]['scores']
    diagnosis = models[SPARSEOCCVLA.name]['diagnosis']
    bars = dict(baseline, **{'occvla/occ/mIoU': occvla['occ/mIoU']})
    for copy in ('own_moved_copy', 'moved_copy'):
        row = diagnosis['forecasting'][f'{copy}/camera']
        bars |= {f'{copy}/{name}': value for name, value in row.items()}
    for name, value in diagnosis['planning']['ego_mlp'].items():
        bars[f'ego_mlp/{name}'] = value
    return bars


def _model_lines(
    work_dir: Path, page: ModelPage, found: Mapping, bars: Mapping
) -> list[str]:
    """The section of one model."""
    scores, control = found['scores'], found['control']
    lines = [
        f'## {page.name}',
        '',
        f'| | {page.name} | control | baseline | bar |',
        '| --- | ---: | ---: | ---: | --- |',
    ]
    for figure, reached in zip(page.figures, found['verdicts'], strict=True):
        margin = f' by {figure.margin:g}' if figure.margin else ''
        lines.append(
            f'| {figure.title} | {scores[figure.name]:.2f} | '
            f'{_number(control.get(figure.name))} | '
            f'{bars[figure.against]:.2f} ({figure.baseline}) | '
            f'beat it{margin}: {"reached" if reached else "**missed**"} |'
        )
    for name, title in page.details:
        lines.append(
            f'| {title} | {scores[name]:.2f} | {control[name]:.2f} | '
            f'{bars[name]:.2f} | |'
        )
    if not all(found['verdicts']):
        lines += ['', f'Missed; what was tried: {TRIED}.']
    if 'diagnosis' in found:
        lines += ['', *_diagnosis_lines(found['diagnosis'])]
    frame = f'{page.folder}/frame'
    prediction = _read(work_dir / frame / 'prediction.json')
    lines += ['', f'### {page.name} on one frame', '']
    for question, answer in zip(
        prediction['questions'], prediction['answers'], strict=True
    ):
        lines += [f'> **{question}**', f'> {answer}', '']
    for name, title in page.pictures:
        lines += [f'![{title}]({frame}/{name})', f'*{title}.*', '']
    lines += [f'### Losses of {page.name}', '']
    for name, title in draw_curves(work_dir, page).items():
        lines += [f'![{title}]({name})', f'*{title}.*', '']
    return lines


def _diagnosis_lines(diagnosis: Mapping) -> list[str]:
    """Plans and forecasts with a part exchanged."""
    lines = [
        '| plan | L2 up to 1 s | 2 s | 3 s | mean, m |',
        '| --- | ---: | ---: | ---: | ---: |',
    ]
    for name, title in PLANNERS:
        row = diagnosis['planning'][name]
        figures = [row[f'L2_mean_{t}'] for t in ('1s', '2s', '3s', 'avg')]
        lines.append(
            f'| {title} | ' + ' | '.join(f'{x:.2f}' for x in figures) + ' |'
        )
    lines += [
        '',
        f'Forecasts of {diagnosis["windows"]} frames, mIoU in the camera mask '
        'of the future frame, in brackets without mask:',
        '',
        '| forecast | 1 s | 2 s | 3 s | mean |',
        '| --- | ---: | ---: | ---: | ---: |',
    ]
    for name, title in FORECASTERS:
        masked, whole = (
            diagnosis['forecasting'][f'{name}/{mask}']
            for mask in ('camera', 'all')
        )
        cells = [
            f'{masked[key]:.2f} ({whole[key]:.2f})'
            for key in ('mIoU_1s', 'mIoU_2s', 'mIoU_3s', 'mIoU_avg')
        ]
        lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return lines


def draw_curves(work_dir: Path, page: ModelPage) -> dict[str, str]:
    """Draw the losses of each training from its newest scalars.

    Args:
        work_dir (Path): Of the demo.
        page (ModelPage): Of the model.

    Returns:
        dict[str, str]: Picture's name, relative to ``work_dir``, to title.

    Raises:
        FileNotFoundError: A training has left no scalars.
    """
    pictures = {}
    for name, title in page.trainings.items():
        folder = work_dir / page.folder / name
        scalars = sorted(folder.glob('*/vis_data/scalars.json'))
        if not scalars:
            raise FileNotFoundError(
                f'{folder} holds no vis_data/scalars.json; remove {work_dir} '
                'and run the demo again'
            )
        picture = f'{page.folder}/loss_{name}.png'
        image = loss_curves(scalars[-1])[..., ::-1]
        mmcv.imwrite(image.copy(), str(work_dir / picture))
        pictures[picture] = title
    return pictures


def _cost_lines(records: Sequence[Mapping]) -> list[str]:
    """Minutes and memory of each step; models are trained side by side."""
    lines = [
        '## What it cost',
        '',
        '| step | wall, min | CPU, min | peak memory, GB |',
        '| --- | ---: | ---: | ---: |',
    ]
    for record in records:
        lines.append(
            f'| {record["title"]} | {record["wall_s"] / 60:.1f} | '
            f'{record["cpu_s"] / 60:.1f} | {record["peak_gb"]:.1f} |'
        )
    walls = defaultdict(float)
    for record in records:
        walls[record['chain']] += record['wall_s'] / 60
    wall = walls.pop('data') + max(walls.values())
    cpu = sum(record['cpu_s'] for record in records) / 60
    return [
        *lines,
        f'| **from start to end** | **{wall:.1f}** | **{cpu:.1f}** | |',
        '',
    ]


def _number(value: float | None) -> str:
    return '' if value is None else f'{value:.2f}'


def _read(path: Path) -> dict:
    return read_json(path, kind=dict, allow_nan=True)
