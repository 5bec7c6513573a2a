"""Now and the seconds to come, side by side."""

import numpy as np
import pytest

from mmocc.structures import OCC3D_PALETTE
from mmocc.visualization import forecast_strip
from mmocc.visualization.drawing import GAP, PAPER

CAR, ROAD, FREE = 4, 11, 17
WIDTH = 830
CELL = (WIDTH - 3 * GAP) // 4


def empty(*shape):
    return np.full((*shape, 20, 20, 4), FREE, dtype=np.uint8)


def columns_with(picture, label):
    """Which of the four places show a class, above the legend."""
    colour = np.array(OCC3D_PALETTE[label])
    hit = (picture[: CELL + 20] == colour).all(axis=-1).any(axis=0)
    return [
        place
        for place in range(4)
        if hit[place * (CELL + GAP) : place * (CELL + GAP) + CELL].any()
    ]


def test_full_seconds_are_every_second_step():
    present, future = empty(), empty(6)
    present[3, 3, 0] = ROAD
    for step in (1, 3, 5):  # 1, 2 and 3 s
        future[step, 5, 5, 0] = CAR
    future[[0, 2, 4], 8, 8, 0] = ROAD
    picture = forecast_strip(present, future, WIDTH)
    assert picture.shape[1] == WIDTH
    assert columns_with(picture, CAR) == [1, 2, 3]
    assert columns_with(picture, ROAD) == [0]


@pytest.mark.parametrize(('steps', 'shown'), [(2, [1]), (5, [1, 2])])
def test_seconds_beyond_the_forecast_stay_empty(steps, shown):
    future = empty(steps)
    future[:, 5, 5, 0] = CAR
    picture = forecast_strip(empty(), future, WIDTH)
    assert columns_with(picture, CAR) == shown
    assert (picture[:CELL, 3 * (CELL + GAP) :] == PAPER).all()


def test_without_the_present_the_seconds_come_first():
    future = empty(6)
    future[:, 5, 5, 0] = CAR
    assert columns_with(forecast_strip(None, future, WIDTH), CAR) == [0, 1, 2]
