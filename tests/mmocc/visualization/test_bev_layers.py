"""AgentBoxes and anchors from above."""

import numpy as np

from mmocc.structures import OCC3D_CLASSES, OCC3D_PALETTE
from mmocc.visualization import AgentBoxes, plan_bev
from mmocc.visualization.bev_axes import plan_axes
from mmocc.visualization.bev_layers import ANCHOR, draw_agents, draw_anchors
from mmocc.visualization.drawing import PAPER, blank

CAR = OCC3D_CLASSES.index('car')
AXES = plan_axes([], 400)


def one_car(x, y, future=()):
    return AgentBoxes(
        np.array([[x, y, 1.0, 4, 2, 1.5, 0]]),
        np.array([CAR]),
        [np.array(future, dtype=float).reshape(-1, 2)],
    )


def colour_at(image, x, y):
    column, row = AXES.to_pixels(np.array([x, y])).round().astype(int)
    return image[row, column]


def test_car_fills_its_floor_and_nothing_else():
    image = blank(400, 400)
    entries = draw_agents(image, AXES, one_car(10, 3))
    assert [colour for _, colour in entries] == [OCC3D_PALETTE[CAR]]
    inside = colour_at(image, 9, 2.5).astype(int)
    assert inside[0] > inside[1] > inside[2]  # orange
    for x, y in ((13, 3), (7, 3), (10, 4.5), (10, 1.5), (10, -3)):
        assert (colour_at(image, x, y) == PAPER).all()


def test_way_to_come_has_the_colour_of_the_car():
    image = blank(400, 400)
    draw_agents(image, AXES, one_car(5, 0, [[10, 0], [15, 0]]))
    assert (colour_at(image, 14, 0) == OCC3D_PALETTE[CAR]).all()


def test_agents_outside_are_not_in_the_legend():
    image = blank(400, 400)
    assert draw_agents(image, AXES, one_car(300, 0)) == []
    assert draw_agents(image, AXES, None) == []
    assert (image == PAPER).all()


def test_anchors_start_at_the_car():
    image = blank(400, 400)
    assert draw_anchors(image, AXES, None) == []
    draw_anchors(image, AXES, np.array([[[10.0, 0], [20.0, 0]]]))
    for x in (2, 12):
        column, row = AXES.to_pixels(np.array([x, 0.0])).round().astype(int)
        near = image[row, column - 1 : column + 2].astype(int)
        # Lines are smooth: half of the colour at least.
        assert np.abs(near - ANCHOR).max(axis=1).min() < 64


def test_plan_stays_on_top_of_agents_and_anchors():
    plan = np.stack([np.arange(2.0, 14, 2), np.zeros(6)], axis=-1)
    alone = plan_bev(None, None, plan[None], width=400)
    crowd = plan_bev(
        None, None, plan[None], width=400, agents=one_car(8, 0),
        anchors=plan[None],
    )  # fmt: skip
    column, row = AXES.to_pixels(np.array([8.0, 0])).round().astype(int)
    assert (crowd[row, column] == alone[row, column]).all()
    assert not np.array_equal(crowd[:400], alone[:400])
