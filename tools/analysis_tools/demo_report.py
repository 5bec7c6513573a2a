"""The page that the demo ends in: figures beside baselines, and pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import mmcv

from mmocc.utils.atomic import atomic_open
from mmocc.utils.env import environment_report, format_report
from mmocc.visualization import loss_curves

# Where the story of every miss is told.
TRIED = 'docs/benchmarks/README.md'
# The model must beat the class prior by this many points of mIoU.
OCC_MARGIN = 4.0


class Figure(NamedTuple):
    """One row of the table.

    Attributes:
        name (str): Of the metric, as the metric classes log it.
        title (str): For people.
        baseline (str): What the baseline is.
        lower_is_better (bool): Whether errors, not hits, are counted.
        margin (float): By how much the baseline must be beaten.
    """

    name: str
    title: str
    baseline: str
    lower_is_better: bool = False
    margin: float = 0.0

    def beats(self, model: float, baseline: float) -> bool:
        """Whether the model clears the bar."""
        if self.lower_is_better:
            return model < baseline - self.margin
        return model > baseline and model >= baseline + self.margin


FIGURES = (
    Figure(
        'occ/mIoU', 'occupancy mIoU in the camera mask',
        'class prior of each voxel', margin=OCC_MARGIN,
    ),
    Figure('meta/joint', 'meta-action, both right, %', 'majority pair'),
    Figure(
        'plan/L2_mean_avg', 'plan L2, mean up to 1, 2, 3 s, m',
        'constant velocity', lower_is_better=True,
    ),
    Figure('qa/overall', 'questions, exact match, %', 'majority per type'),
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
TRAININGS = {
    'vqvae': 'Scene VQ-VAE',
    'stage1': 'Stage 1, driving language',
    'stage2': 'Stage 2, occupancy and language',
    'stage3': 'Stage 3, planner',
}


def draw_curves(work_dir: Path) -> dict[str, str]:
    """Draw the losses of each training from its newest scalars.

    Returns:
        dict[str, str]: Picture's name, relative to ``work_dir``, to title.

    Raises:
        FileNotFoundError: A training has left no scalars.
    """
    pictures = {}
    for name, title in TRAININGS.items():
        scalars = sorted((work_dir / name).glob('*/vis_data/scalars.json'))
        if not scalars:
            raise FileNotFoundError(
                f'{work_dir / name} holds no vis_data/scalars.json; remove '
                f'{work_dir} and run the demo again'
            )
        picture = f'loss_{name}.png'
        image = loss_curves(scalars[-1])[..., ::-1]
        mmcv.imwrite(image.copy(), str(work_dir / picture))
        pictures[picture] = title
    return pictures


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
    model = _read(work_dir / 'val.json')['scores']
    control = _read(work_dir / 'control.json')['scores']
    train_only = _read(work_dir / 'baselines.json')
    baseline = train_only['scores']
    environment = environment_report(seed)
    prediction = _read(work_dir / 'frame' / 'prediction.json')

    verdicts = {
        figure.name: figure.beats(model[figure.name], baseline[figure.name])
        for figure in FIGURES
    }
    figures = dict(
        model=model,
        control=control,
        baseline=baseline,
        verdicts=verdicts,
        steps=list(records),
        environment=environment,
    )
    with atomic_open(work_dir / 'figures.json', 'w') as file:
        json.dump(figures, file, indent=2)

    lines = [
        '# OccVLA on synthetic nuScenes',
        '',
        'A tiny OccVLA with random start, trained through its three stages on '
        f'`{data}` and evaluated on scenes it has not seen: '
        f'{model["occ/frames"]:.0f} frames, {model["plan/samples"]:.0f} of '
        'them with a full 3 s of future. This shows that the code works; it '
        'says nothing about nuScenes.',
        '',
        '## Figures beside baselines',
        '',
        'Baselines are fitted on the training scenes alone. In the control, '
        'the model sees the images of the other val scene.',
        '',
        '| | OccVLA | control | baseline | bar |',
        '| --- | ---: | ---: | ---: | --- |',
    ]
    for figure in FIGURES:
        name = figure.name
        margin = f' by {figure.margin:g}' if figure.margin else ''
        verdict = 'reached' if verdicts[name] else '**missed**'
        lines.append(
            f'| {figure.title} | {model[name]:.2f} | {control[name]:.2f} | '
            f'{baseline[name]:.2f} ({figure.baseline}) | '
            f'beat it{margin}: {verdict} |'
        )
    missed = [name for name, reached in verdicts.items() if not reached]
    for name, title in DETAILS:
        lines.append(
            f'| {title} | {model[name]:.2f} | {control[name]:.2f} | '
            f'{baseline[name]:.2f} | |'
        )
    if missed:
        lines += ['', f'Missed; what was tried: {TRIED}.']
    lines += [
        '',
        f'Majority pair: {train_only["majority_meta_action"]} Majority '
        'answers: '
        + ', '.join(
            f'{kind} "{answer}"'
            for kind, answer in train_only['majority_answers'].items()
        )
        + '. Questions answered by the most frequent answer to the same '
        f'wording: {baseline["answer_by_text/overall"]:.2f} %. Plan at '
        'constant turn rate: '
        f'{baseline["constant_turn_rate/L2_mean_avg"]:.2f} m.',
        '',
        '## One frame',
        '',
    ]
    for question, answer in zip(
        prediction['questions'], prediction['answers'], strict=True
    ):
        lines += [f'> **{question}**', f'> {answer}', '']
    for name, title in PICTURES:
        lines += [f'![{title}](frame/{name})', f'*{title}.*', '']
    lines += ['## Losses', '']
    for name, title in draw_curves(work_dir).items():
        lines += [f'![{title}]({name})', f'*{title}.*', '']
    lines += [
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
    total = {
        key: sum(record[key] for record in records) / 60
        for key in ('wall_s', 'cpu_s')
    }
    lines += [
        f'| **all** | **{total["wall_s"]:.1f}** | '
        f'**{total["cpu_s"]:.1f}** | |',
        '',
        f'Seed {seed}.',
        '',
        '```',
        format_report(environment),
        '```',
        '',
    ]
    path = work_dir / 'report.md'
    with atomic_open(path, 'w') as file:
        file.write('\n'.join(lines))
    return path


def _read(path: Path) -> dict:
    return json.loads(path.read_text())
