"""Jinja templates of the review pages, in ``assets/review``."""

from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

ASSETS = Path(__file__).resolve().parents[2] / 'assets' / 'review'


def svg_points(points: np.ndarray) -> str:
    """Format points (N, 2) as the ``points`` attribute of an SVG element."""
    return ' '.join(f'{x:.2f},{y:.2f}' for x, y in points)


TEMPLATES = Environment(
    loader=FileSystemLoader(ASSETS),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters['points'] = svg_points
# Keys of JSON objects keep their order.
TEMPLATES.policies['json.dumps_kwargs'] = {}
