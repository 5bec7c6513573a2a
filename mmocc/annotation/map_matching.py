"""Match key frames to lanes: Viterbi over a lane graph.

The cheapest sequence of lanes wins: a pose costs its squared offset and angle
to the lane, a step costs nothing along the graph, a little to a lane side by
side and much anywhere else (hidden Markov map matching, Newson and Krumm
2009, with costs of our own).
"""

from dataclasses import dataclass

import numpy as np

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph, Projection


@dataclass(frozen=True)
class LaneMatch:
    """The lane sequence that fits a stretch of poses best.

    Attributes:
        lanes (tuple[int]): Index of the lane of each pose.
        places (tuple[Projection]): Where each pose lies beside its lane.
        shifts (tuple[float]): Sideways motion against the first lane in
            metres, + to the left, summed over changes of lane.
        crossings (tuple[int]): Poses whose lane lies beside the lane before.
        jumps (tuple[int]): Poses whose lane is not linked to the lane before;
            the match is not to be trusted there.
        candidates (tuple[dict[int, Projection]]): For each pose, the lanes
            that it might be on and its projections to them.
    """

    lanes: tuple[int, ...]
    places: tuple[Projection, ...]
    shifts: tuple[float, ...]
    crossings: tuple[int, ...]
    jumps: tuple[int, ...]
    candidates: tuple[dict[int, Projection], ...]


def place_cost(place: Projection, rules: LabelRules) -> float:
    """Return twice the negative log-likelihood of a pose beside a lane.

    Offset and angle are normally distributed with the sigmas of the rules.
    """
    return (place.distance / rules.match_sigma) ** 2 + (
        place.angle / rules.match_sigma_angle
    ) ** 2


def step_cost(
    graph: LaneGraph, before: int, after: int, rules: LabelRules
) -> float:
    """Return the cost of a step from lane ``before`` to lane ``after``."""
    if before == after or graph.reaches(before, after, rules.match_links):
        return 0.0
    if is_beside(graph, before, after):
        return rules.neighbour_cost
    return rules.jump_cost


def is_beside(graph: LaneGraph, before: int, after: int) -> bool:
    """Return whether ``after`` lies or ends up beside ``before``.

    Between two key frames a car may cross a line and pass the end of its
    lane, in either order.
    """
    neighbours = {lane for side in graph.neighbours[before] for lane in side}
    if after in neighbours or any(
        after in graph.successors[lane] for lane in neighbours
    ):
        return True
    return any(
        after in side
        for lane in graph.successors[before]
        for side in graph.neighbours[lane]
    )


def _describe(
    graph: LaneGraph,
    poses: np.ndarray,
    lanes: list[int],
    candidates: list[dict[int, Projection]],
    rules: LabelRules,
) -> LaneMatch:
    """Build the match of the chosen lanes, with its sideways motion."""
    places = [here[lane] for here, lane in zip(candidates, lanes, strict=True)]
    base, shifts, crossings, jumps = 0.0, [], [], []
    origin = places[0].offset
    for k, (lane, place) in enumerate(zip(lanes, places, strict=True)):
        if k and lane != lanes[k - 1]:
            before = lanes[k - 1]
            if step_cost(graph, before, lane, rules):
                old = graph.project(before, poses[k])
                base += old.offset - place.offset
                beside = is_beside(graph, before, lane)
                (crossings if beside else jumps).append(k)
        shifts.append(base + place.offset - origin)
    return LaneMatch(
        lanes=tuple(lanes),
        places=tuple(places),
        shifts=tuple(shifts),
        crossings=tuple(crossings),
        jumps=tuple(jumps),
        candidates=tuple(candidates),
    )


def match_lanes(
    graph: LaneGraph, poses: np.ndarray, rules: LabelRules
) -> LaneMatch | None:
    """Match a stretch of poses to lanes.

    Args:
        graph (LaneGraph): The lanes.
        poses (np.ndarray): (N, 3) x, y, yaw in the map frame, in time order.
        rules (LabelRules): Radii and costs.

    Returns:
        LaneMatch or None: None where some pose has no lane around it.
    """
    candidates: list[dict[int, Projection]] = []
    for pose in poses:
        here = {}
        for lane in graph.near(pose[0], pose[1], rules.match_radius):
            place = graph.project(lane, pose)
            if (
                place.distance <= rules.match_radius
                and abs(place.angle) <= rules.match_angle
            ):
                here[lane] = place
        if not here:
            return None
        candidates.append(here)

    costs = {lane: place_cost(p, rules) for lane, p in candidates[0].items()}
    trace: list[dict[int, int]] = []
    for here in candidates[1:]:
        back, new_costs = {}, {}
        for lane, place in here.items():
            ranked = [
                (cost + step_cost(graph, before, lane, rules), before)
                for before, cost in costs.items()
            ]
            best, before = min(ranked)
            back[lane] = before
            new_costs[lane] = best + place_cost(place, rules)
        trace.append(back)
        costs = new_costs
    lane = min(costs, key=lambda name: (costs[name], name))
    lanes = [lane]
    for back in reversed(trace):
        lane = back[lane]
        lanes.append(lane)
    lanes.reverse()
    return _describe(graph, poses, lanes, candidates, rules)
