"""Layers of a bird's-eye picture below the plan: map, anchors, agents."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mmocc.visualization.agent_boxes import AgentBoxes
from mmocc.visualization.bev_axes import BevAxes
from mmocc.visualization.drawing import (
    INK,
    PAPER,
    Colour,
    blend,
    clipped_line,
    fill_polygon,
)
from mmocc.visualization.road_lines import ROAD_COLOURS, RoadLine

ANCHOR: Colour = (134, 142, 150)
AGENT_OPACITY = 0.75
# Legend entries: names and colours.
Entries = list[tuple[str, Colour]]


def draw_road(
    image: np.ndarray, axes: BevAxes, road: Sequence[RoadLine]
) -> Entries:
    """Draw lines of the map, in place; return the legend of their kinds."""
    for line in road:
        _stroke(image, axes, line.points, ROAD_COLOURS[line.kind], 1)
    kinds = {line.kind for line in road}
    return [entry for entry in ROAD_COLOURS.items() if entry[0] in kinds]


def draw_anchors(
    image: np.ndarray, axes: BevAxes, anchors: np.ndarray | None
) -> Entries:
    """Draw anchor trajectories (A, T, 2), in place; return their legend."""
    if anchors is None:
        return []
    for anchor in anchors:
        points = np.concatenate([np.zeros((1, 2)), anchor])
        _stroke(image, axes, points, ANCHOR, 1)
    return [('anchors', ANCHOR)]


def draw_agents(
    image: np.ndarray, axes: BevAxes, agents: AgentBoxes | None
) -> Entries:
    """Draw boxes and their future paths, in place; return their legend.

    A line from the centre of a box through its front shows the heading.
    """
    if agents is None or not len(agents.boxes):
        return []
    floors = axes.to_pixels(agents.corners[:, :4, :2])  # (N, 4, 2)
    limit = np.array(image.shape[1::-1])
    painted = image.copy()
    inside = []
    for index, floor in enumerate(floors):
        if (floor.max(axis=0) > 0).all() and (floor.min(axis=0) < limit).all():
            inside.append(index)
            fill_polygon(painted, floor, agents.colour(index))
    blend(image, painted, AGENT_OPACITY)
    for index in inside:
        colour, outline = agents.colour(index), agents.corners[index, :4, :2]
        middle = agents.boxes[index : index + 1, :2]
        future = np.concatenate([middle, agents.futures[index]])
        _stroke(image, axes, future, colour, 2)
        _stroke(image, axes, outline[[0, 1, 2, 3, 0]], INK, 1)
        nose = np.concatenate([middle, outline[:2].mean(0, keepdims=True)])
        _stroke(image, axes, nose, PAPER, 2)
    return [('agents, by class', agents.colour(inside[0]))] if inside else []


def _stroke(
    image: np.ndarray,
    axes: BevAxes,
    points: np.ndarray,
    colour: Colour,
    thickness: int,
) -> None:
    """Draw a line through positions (N, 2) in metres, in place."""
    for ends in pairwise(axes.to_pixels(points)):
        clipped_line(image, np.stack(ends), colour, thickness)
