"""Plans from above: metres to pixels."""

import numpy as np
import pytest

from mmocc.structures import OCC3D_PALETTE
from mmocc.visualization import plan_bev
from mmocc.visualization.bev_axes import MOST_AHEAD
from mmocc.visualization.drawing import HISTORY, PLAN, TRUTH
from mmocc.visualization.plan_bev import (
    BACKGROUND,
    CANDIDATE,
    candidate_colours,
    plan_axes,
)

LEFT_TURN = np.stack([np.arange(3, 21, 3), np.arange(6) ** 2 / 2], axis=-1)
WIDTH = 500


def test_axes_count_forward_up_and_left_to_the_left():
    axes = plan_axes([LEFT_TURN], WIDTH)
    origin = axes.to_pixels(np.zeros(2))
    ahead = axes.to_pixels(np.array([10.0, 0.0]))
    left = axes.to_pixels(np.array([0.0, 10.0]))
    assert ahead - origin == pytest.approx([0, -10 * axes.scale])
    assert left - origin == pytest.approx([-10 * axes.scale, 0])


@pytest.mark.parametrize(
    'traj',
    [
        LEFT_TURN,
        np.array([[60.0, 0.0]]),
        np.array([[-30.0, 1.0]]),
        np.array([[2.0, -50.0]]),
        np.zeros((6, 2)),
    ],
)
def test_axes_hold_every_future_position_and_the_ego(traj):
    axes = plan_axes([traj], WIDTH)
    for point in [*traj, (4.0, 0.0), (-2.0, 0.0)]:
        column, row = axes.to_pixels(np.array(point))
        assert axes.left <= column <= axes.left + axes.side
        assert axes.top <= row <= axes.top + axes.side


def pixel(picture, axes, x, y):
    column, row = np.rint(axes.to_pixels(np.array([x, y]))).astype(int)
    return tuple(int(value) for value in picture[row, column])


def test_waypoints_have_the_colour_of_their_trajectory():
    mirrored = LEFT_TURN * (1, -1)
    picture = plan_bev(None, mirrored, LEFT_TURN[None], width=WIDTH)
    axes = plan_axes([mirrored, LEFT_TURN], WIDTH)
    assert pixel(picture, axes, *LEFT_TURN[5]) == PLAN
    assert pixel(picture, axes, *mirrored[5]) == TRUTH
    columns = np.nonzero((picture[: WIDTH // 2] == PLAN).all(axis=2))[1]
    assert columns.max() < axes.to_pixels(np.zeros(2))[0]


def test_history_comes_from_behind_and_stays_inside():
    history = np.array([[-60.0, 0.0, 0.0], [-5.0, 0.0, 0.0]])
    picture = plan_bev(None, LEFT_TURN, None, history, WIDTH)
    axes = plan_axes([LEFT_TURN], WIDTH)
    assert pixel(picture, axes, -4.0, 0.0) == HISTORY
    without = plan_bev(None, LEFT_TURN, None, None, WIDTH)
    bottom = int(axes.top) + axes.side
    assert (
        picture[bottom : bottom + 30] == without[bottom : bottom + 30]
    ).all()


def test_candidates_do_not_replace_the_best_plan():
    plans = np.stack([LEFT_TURN, LEFT_TURN * (1, -1), LEFT_TURN * 0.9])
    picture = plan_bev(None, None, plans, width=WIDTH)
    axes = plan_axes([plans], WIDTH)
    assert pixel(picture, axes, *LEFT_TURN[5]) == PLAN
    assert pixel(picture, axes, *plans[1, 5]) != PLAN


def test_occupancy_lies_under_the_plane_at_its_metres():
    semantics = np.full((200, 200, 16), 17, dtype=np.uint8)
    # Voxels of x 10 .. 14 m and y 4 .. 8 m.
    semantics[125:135, 110:120, 0] = 4
    picture = plan_bev(semantics, LEFT_TURN * (1, -1), None, width=WIDTH)
    axes = plan_axes([LEFT_TURN], WIDTH)
    pale = np.array(OCC3D_PALETTE[4]) * BACKGROUND + 255 * (1 - BACKGROUND)
    assert pixel(picture, axes, 12.0, 6.0) == pytest.approx(pale, abs=1)
    assert pixel(picture, axes, 12.0, -6.0) == (255, 255, 255)
    assert pixel(picture, axes, 8.0, 6.0) == (255, 255, 255)


def test_nothing_but_the_ego_is_a_picture_too():
    picture = plan_bev(None, None, None, width=WIDTH)
    axes = plan_axes([], WIDTH)
    assert picture.shape[1] == WIDTH
    assert max(pixel(picture, axes, -0.2, 0.0)) < 80


def test_candidates_are_the_paler_the_lower_their_score():
    best, equal, worse, worst = candidate_colours([1.0, 1.0, -1.0, -50.0])
    assert best == equal == CANDIDATE
    assert best < worse < worst < (255, 255, 255)


def test_scored_candidates_are_drawn_best_on_top():
    """Two that share their way, and a plan elsewhere."""
    aside = LEFT_TURN * (1, -1)
    trajs = np.stack([LEFT_TURN, aside, aside])
    picture = plan_bev(None, None, trajs, None, WIDTH, None, [1.0, 0.9, -9.0])
    axes = plan_axes([trajs], WIDTH)
    colours = candidate_colours([1.0, 0.9, -9.0])
    assert pixel(picture, axes, *aside[4]) == colours[1]
    unscored = plan_bev(None, None, trajs, None, WIDTH)
    assert pixel(unscored, axes, *aside[4]) == CANDIDATE


def test_a_plan_that_has_gone_astray_leaves_the_street_in_sight():
    near, far = (np.array([[x, 0.0]]) for x in (30.0, 1e6))
    axes = [plan_axes([plan], 400) for plan in (near, far)]
    assert axes[0].front < axes[1].front == MOST_AHEAD
