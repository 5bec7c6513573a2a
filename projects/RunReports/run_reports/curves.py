"""Draw curves as SVG in the text colour of the page that shows them."""

import io
import re
from collections.abc import Callable, Mapping

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mmocc.projects.RunReports.run_reports.loss_curves import Curve

# Replaced by the page's text colour, in light and dark mode.
_INK = '#123456'
_STYLE = {
    'svg.fonttype': 'none',  # text stays text
    'svg.hashsalt': 'mmocc',  # the same bytes each time
    'text.color': _INK,
    'axes.edgecolor': _INK,
    'axes.labelcolor': _INK,
    'xtick.color': _INK,
    'ytick.color': _INK,
    'grid.color': _INK,
    'font.size': 9,
}
_SIZE = (5.4, 3.2)  # inches


def loss_svg(losses: Mapping[str, Curve], title: str) -> str:
    """Draw training losses as an ``<svg>`` element.

    mmengine logs means over its window.

    Args:
        losses (Mapping[str, Curve]): Name to iterations and values.
        title (str): Title of the plot.

    Returns:
        str: An ``<svg>`` element.
    """

    def draw(axes: Axes) -> None:
        for name, (steps, values) in sorted(losses.items()):
            total = name == 'loss'
            axes.plot(
                steps,
                values,
                label=name,
                linewidth=2.2 if total else 1.3,
                color=_INK if total else None,
            )
        if all(min(values) > 0 for _, values in losses.values()):
            axes.set_yscale('log')
        axes.figure.legend(
            loc='outside lower center', ncols=3, frameon=False, fontsize=7
        )

    return _svg(draw, title)


def metric_svg(curve: Curve, title: str) -> str:
    """Draw a validation metric over training as an ``<svg>`` element."""

    def draw(axes: Axes) -> None:
        axes.plot(*curve, marker='o', markersize=4)

    return _svg(draw, title)


def _svg(draw: Callable[[Axes], None], title: str) -> str:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout='constrained')
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        draw(axes)
        axes.set_title(title, loc='left', fontsize=9, fontweight='bold')
        axes.set_xlabel('iteration')
        axes.grid(alpha=0.2)
        axes.spines[['top', 'right']].set_visible(False)
        buffer = io.StringIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={'Date': None})
    _, start, body = buffer.getvalue().partition('<svg')
    # Several figures share a page: groups need no names, and sizes are the
    # page's.
    body = re.sub(r'<g id="[^"]*">', '<g>', body)
    body = re.sub(r'<metadata>.*?</metadata>', '', body, flags=re.DOTALL)
    body = re.sub(r' (width|height)="[\d.]+pt"', '', body, count=2)
    return (start + ' role="img"' + body).replace(_INK, 'currentColor')
