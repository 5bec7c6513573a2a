"""Where the points of untrained queries are."""

import torch
from torch import Tensor

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_range import (
    PointRange,
)

QUERY_INITS = ('uniform', 'ground')
# The real root of x^3 = x + 1.
PLASTIC = 1.32471795724474602596


def init_query_points(
    num_queries: int, query_init: str, point_range: PointRange
) -> Tensor:
    """Draw the first points of queries, as fractions of the range.

    Args:
        num_queries (int): Number of queries, Q.
        query_init (str): ``uniform`` draws over the whole range, as OPUS
            does. ``ground`` spreads them evenly over the plane z = 0, where
            most of what is occupied begins (ours).
        point_range (PointRange): Range of the points.

    Returns:
        Tensor: (Q, 3), from 0 to 1 over the range.

    Raises:
        ValueError: If ``query_init`` is unknown.
    """
    if query_init not in QUERY_INITS:
        raise ValueError(
            f'encoder.query_init is {query_init!r}, expected one of '
            f'{QUERY_INITS}'
        )
    # Drawn in both cases, so that the weights behind do not depend on it.
    points = torch.rand(num_queries, 3)
    if query_init == 'ground':
        points[:, :2] = quasi_random_square(num_queries)
        points[:, 2] = -point_range.low[2] / point_range.size[2]
    return points


def quasi_random_square(number: int) -> Tensor:
    """Spread points evenly over the unit square.

    They form a lattice whose steps are powers of the plastic number (Roberts,
    "The unreasonable effectiveness of quasirandom sequences", 2018).

    Args:
        number (int): Number of points.

    Returns:
        Tensor: (number, 2), from 0 to 1.
    """
    steps = torch.tensor([PLASTIC**-1, PLASTIC**-2], dtype=torch.float64)
    order = torch.arange(1, number + 1, dtype=torch.float64)
    return (0.5 + order[:, None] * steps).frac().to(torch.get_default_dtype())
