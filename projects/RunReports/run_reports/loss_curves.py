"""Curves of losses and validation scores from mmengine's scalars.json."""

import os
from collections import defaultdict
from itertools import cycle

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmocc.utils.json_files import read_json_lines

DPI = 100
# Weight of the past values in the smoothed line, per logged value.
SMOOTHING = 0.9

# Ten colours, then the same colours dashed and dotted.
STYLES = [
    dict(color=colour, linestyle=dashes)
    for dashes in ('-', '--', ':')
    for colour in mpl.color_sequences['tab10']
]

Curve = tuple[list[float], list[float]]


def read_scalars(
    path: str | os.PathLike,
) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """Read losses and validation scores from ``vis_data/scalars.json``.

    Args:
        path (str | PathLike): The file, one JSON object per line.

    Returns:
        tuple: Losses and validation scores, each a dict of iterations and
        values by name. A validation belongs to the last training iteration
        written before it.

    Raises:
        ValueError: A line is no JSON object, or the file holds no loss.
    """
    losses: defaultdict[str, Curve] = defaultdict(lambda: ([], []))
    figures: defaultdict[str, Curve] = defaultdict(lambda: ([], []))
    step = 0.0
    for line in read_json_lines(path, allow_nan=True):
        entry = line.values
        training = 'loss' in entry
        if training:
            step = float(entry['step'])
        for name, value in entry.items():
            if training and 'loss' in name:
                curve = losses[name]
            elif not training and '/' in name:
                curve = figures[name]
            else:
                continue
            curve[0].append(step)
            curve[1].append(float(value))
    if not losses:
        raise ValueError(
            f'{path} holds no "loss"; pass the scalars.json of a training run'
        )
    return dict(losses), dict(figures)


def smooth(values: list[float]) -> np.ndarray:
    """Compute the exponential moving average, corrected for its start."""
    result, mean, weight = [], 0.0, 0.0
    for value in values:
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        result.append(mean / weight)
    return np.array(result)


def loss_curves(
    path: str | os.PathLike,
    metrics: tuple[str, ...] = (),
    width: int = 1000,
    height: int = 400,
) -> np.ndarray:
    """Draw the losses of a run and, beside them, validation scores.

    Args:
        path (str | PathLike): mmengine's ``scalars.json``.
        metrics (tuple[str, ...]): Names of validation scores, such as
            ``occ/mIoU``. Defaults to (), losses alone.
        width (int): Width of the picture in pixels. Defaults to 1000.
        height (int): Height of the picture in pixels. Defaults to 400.

    Returns:
        np.ndarray: (height, width, 3) uint8 RGB.

    Raises:
        ValueError: If the file is damaged, or holds no such score.
    """
    losses, figures = read_scalars(path)
    missing = [name for name in metrics if name not in figures]
    if missing:
        raise ValueError(
            f'{path} has no validation scores {missing}; it has '
            f'{sorted(figures)}'
        )
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    plots = figure.subplots(1, 2 if metrics else 1, squeeze=False)[0]
    styles = cycle(STYLES)
    for name, (steps, values) in sorted(losses.items()):
        style = (
            dict(color='black', linewidth=2.2)
            if name == 'loss'
            else dict(next(styles), linewidth=1.3)
        )
        plots[0].plot(steps, smooth(values), label=name, **style)
        plots[0].plot(
            steps, values, color=style['color'], linewidth=0.6, alpha=0.3
        )
    if min(min(values) for _, values in losses.values()) > 0:
        plots[0].set_yscale('log')
    plots[0].set_title('Training losses', loc='left', fontweight='bold')
    for name in metrics:
        plots[1].plot(*figures[name], marker='o', markersize=4, label=name)
    if metrics:
        plots[1].set_title('Validation', loc='left', fontweight='bold')
    for plot in plots:
        plot.set_xlabel('iteration')
        plot.grid(alpha=0.3)
        plot.spines[['top', 'right']].set_visible(False)
        # There may be many curves, so the legend is beside them.
        plot.legend(
            frameon=False,
            fontsize=8,
            loc='center left',
            bbox_to_anchor=(1.0, 0.5),
        )
    figure.tight_layout()
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
