"""A bird's-eye picture of plans in metres; forward is up."""

from collections.abc import Sequence

import cv2
import numpy as np

from mmocc.structures import OccGrid
from mmocc.visualization.agent_boxes import AgentBoxes
from mmocc.visualization.bev_axes import (
    MARGIN,
    MARGIN_LEFT,
    BevAxes,
    plan_axes,
)
from mmocc.visualization.bev_layers import (
    draw_agents,
    draw_anchors,
    draw_road,
)
from mmocc.visualization.bev_view import bev_view
from mmocc.visualization.drawing import (
    HISTORY,
    INK,
    MUTED,
    PAPER,
    PLAN,
    RULE,
    SMALL_SIZE,
    TRUTH,
    Colour,
    Label,
    below,
    blank,
    disc,
    fill_polygon,
    legend,
    polyline,
    write_labels,
)
from mmocc.visualization.road_lines import RoadLine
from mmocc.visualization.voxel_view import EGO_AHEAD, EGO_SIZE

CANDIDATE = (240, 150, 180)
# Share of that colour in a candidate of probability 0; the rest is white.
FAINTEST = 0.3
OTHERS = 'other candidates'

MARGIN_BOTTOM = 40
TICK_METRES = 10
# Opacity of the occupancy behind the lines.
BACKGROUND = 0.42


def plan_bev(
    semantics: np.ndarray | None,
    gt_trajs: np.ndarray | None,
    pred_trajs: np.ndarray | None,
    his_trajs: np.ndarray | None = None,
    width: int = 560,
    grid: OccGrid | None = None,
    scores: np.ndarray | None = None,
    agents: AgentBoxes | None = None,
    road: Sequence[RoadLine] = (),
    anchors: np.ndarray | None = None,
) -> np.ndarray:
    """Draw planned and driven trajectories over occupancy, map and agents.

    Dots mark the steps of 0.5 s, larger dots the whole seconds. A candidate
    is the paler the less likely it is in comparison with the plan.

    Args:
        semantics (np.ndarray, optional): (X, Y, Z) Occ3D ids, drawn pale.
        gt_trajs (np.ndarray, optional): (T, 2) driven positions in metres.
        pred_trajs (np.ndarray, optional): (M, T, 2) or (T, 2) planned
            positions in metres, best first.
        his_trajs (np.ndarray, optional): (T, 2 or more) past positions,
            oldest first, clipped at the border. Defaults to None.
        width (int): Width of the picture in pixels. Defaults to 560.
        grid (OccGrid, optional): Grid of ``semantics``. Defaults to None,
            Occ3D's.
        scores (np.ndarray, optional): (M,) logits of ``pred_trajs``. Defaults
            to None, all equal.
        agents (AgentBoxes, optional): Boxes with their known future paths.
            Defaults to None.
        road (Sequence[RoadLine]): Lines of the map. Defaults to ().
        anchors (np.ndarray, optional): (A, T, 2) anchor trajectories of the
            planner. Defaults to None.

    Returns:
        np.ndarray: (H, width, 3) uint8 RGB.
    """
    empty = np.zeros((0, 2))
    truth = empty if gt_trajs is None else np.asarray(gt_trajs)
    history = empty if his_trajs is None else np.asarray(his_trajs)[:, :2]
    plans = np.zeros((0, 1, 2)) if pred_trajs is None else pred_trajs
    plans = np.asarray(plans).reshape(-1, *np.shape(plans)[-2:])
    axes = plan_axes([truth, plans], width)
    image = blank(width, axes.side + MARGIN + MARGIN_BOTTOM)
    if semantics is not None:
        _draw_background(image, axes, semantics, grid or OccGrid())
    image = _draw_frame(image, axes)
    frame = image.copy()

    entries = [
        *draw_road(image, axes, road),
        *draw_anchors(image, axes, anchors),
        *draw_agents(image, axes, agents),
    ]
    origin = np.zeros((1, 2))
    lines = [(history, HISTORY, 3, 'driven before')]
    colours = candidate_colours(
        np.zeros(len(plans)) if scores is None else scores
    )
    lines += [
        (plan, colour, 2, OTHERS)
        for plan, colour in zip(plans[:0:-1], colours[:0:-1], strict=True)
    ]
    lines += [(truth, TRUTH, 4, 'driven')]
    planned = 'planned' if scores is None else _scored(scores[0])
    lines += [(plan, PLAN, 4, planned) for plan in plans[:1]]
    named = {}
    for traj, colour, thickness, name in lines:
        if len(traj) == 0:
            continue
        named[name] = CANDIDATE if name == OTHERS else colour
        ends = [traj, origin] if traj is history else [origin, traj]
        path = axes.to_pixels(np.concatenate(ends))
        if name != OTHERS:
            polyline(image, path, PAPER, thickness + 3)
        polyline(image, path, colour, thickness)
    _draw_ego(image, axes)
    for traj, colour, thickness, _ in lines:
        if colour in (TRUTH, PLAN):
            for step, pixel in enumerate(axes.to_pixels(traj)):
                radius = thickness + (1 if step % 2 else -0.5)
                disc(image, pixel, radius + 1.5, PAPER)
                disc(image, pixel, radius, colour)
    top, left = int(axes.top), int(axes.left)
    inside = np.s_[top : top + axes.side, left : left + axes.side]
    frame[inside] = image[inside]
    entries = [*list(named.items())[::-1], *entries]
    key = legend(entries, width - MARGIN_LEFT)
    key = np.pad(key, ((0, 0), (MARGIN_LEFT, 0), (0, 0)), constant_values=255)
    return below([frame, key], gap=0)


def _scored(logit: float) -> str:
    """Format the legend entry of the best plan with its probability."""
    return f'planned, score {1 / (1 + np.exp(-float(logit))):.2f}'


def candidate_colours(scores: np.ndarray) -> list[Colour]:
    """Choose paler colours for less likely candidates.

    Args:
        scores (np.ndarray): (M,) logits, the best one first.

    Returns:
        list[Colour]: M colours, ``CANDIDATE`` for the best one.
    """
    likely = 1 / (1 + np.exp(-np.asarray(scores, dtype=np.float64)))
    strength = FAINTEST + (1 - FAINTEST) * likely / likely[:1]
    colours = np.outer(strength, CANDIDATE) + np.outer(1 - strength, PAPER)
    return [tuple(map(int, colour)) for colour in colours.round()]


def _draw_background(
    image: np.ndarray, axes: BevAxes, semantics: np.ndarray, grid: OccGrid
) -> None:
    """Draw pale occupancy from above inside the axes, in place."""
    cells = bev_view(semantics, scale=1)
    pixels = np.arange(axes.side) + 0.5
    x = axes.front - pixels / axes.scale
    y = axes.leftmost - pixels / axes.scale
    rows = np.floor((grid.maximum[0] - x) / grid.voxel_size[0]).astype(int)
    columns = np.floor((grid.maximum[1] - y) / grid.voxel_size[1]).astype(int)
    inside = ((rows >= 0) & (rows < len(cells)))[:, None] & (
        (columns >= 0) & (columns < cells.shape[1])
    )
    picture = cells[
        rows.clip(0, len(cells) - 1)[:, None],
        columns.clip(0, cells.shape[1] - 1),
    ]
    pale = picture * BACKGROUND + 255 * (1 - BACKGROUND)
    top, left = int(axes.top), int(axes.left)
    plane = image[top : top + axes.side, left : left + axes.side]
    plane[inside] = np.rint(pale[inside]).astype(np.uint8)


def _draw_frame(image: np.ndarray, axes: BevAxes) -> np.ndarray:
    """Draw the frame, grid lines and tick labels of the axes."""
    low, high = np.array([axes.left, axes.top]), axes.side
    back = axes.front - high / axes.scale
    labels = []
    for metre in _ticks(back, axes.front):
        row = axes.to_pixels(np.array([metre, 0.0]))[1]
        line = np.array([[low[0], row], [low[0] + high, row]])
        polyline(image, line, RULE, 1)
        labels.append(
            Label(f'{metre}', low[0] - 6, row, SMALL_SIZE, MUTED, anchor='rm')
        )
    for metre in _ticks(-axes.leftmost, axes.leftmost):
        column = axes.to_pixels(np.array([0.0, metre]))[0]
        line = np.array([[column, low[1]], [column, low[1] + high]])
        polyline(image, line, RULE, 1)
        labels.append(
            Label(
                f'{metre}',
                column,
                low[1] + high + 5,
                SMALL_SIZE,
                MUTED,
                anchor='ma',
            )
        )
    corner = (int(low[0]) + high - 1, int(low[1]) + high - 1)
    cv2.rectangle(image, (int(low[0]), int(low[1])), corner, MUTED)
    labels.append(
        Label(
            'y, left (m)',
            low[0] + high / 2,
            low[1] + high + 21,
            SMALL_SIZE,
            MUTED,
            anchor='ma',
        )
    )
    image = write_labels(image, labels)
    title = write_labels(
        blank(110, 18),
        [Label('x, forward (m)', 55, 9, SMALL_SIZE, MUTED, anchor='mm')],
    )
    middle = int(low[1]) + high // 2
    image[middle - 55 : middle + 55, 2:20] = title[:, ::-1].swapaxes(0, 1)
    return image


def _ticks(low: float, high: float) -> range:
    """List the multiples of the tick distance between two positions."""
    first = int(np.ceil(low / TICK_METRES)) * TICK_METRES
    return range(first, int(np.floor(high)) + 1, TICK_METRES)


def _draw_ego(image: np.ndarray, axes: BevAxes) -> None:
    """Draw the ego vehicle with an arrow forward, in place."""
    length, width, _ = EGO_SIZE
    body = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) / 2
    body = body * (length, width) + (EGO_AHEAD, 0)
    nose = np.array([[0.4, 0], [-0.1, 0.3], [-0.1, -0.3]])
    nose = nose * (length, width) + (EGO_AHEAD, 0)
    for corners, colour in ((body, INK), (nose, PAPER)):
        fill_polygon(image, axes.to_pixels(corners), colour)
