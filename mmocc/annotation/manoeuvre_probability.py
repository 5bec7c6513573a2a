"""The posterior probability of the manoeuvre of a lane match.

The costs of a match are twice negative log-likelihoods, so ``exp(-cost / 2)``
weighs a sequence of lanes. The forward algorithm sums these weights over all
sequences, apart for each manoeuvre; the share of one manoeuvre is its
posterior probability. Which of two lanes a car is on where one begins and the
other ends does not matter to it, a fork that is not decided yet does.
"""

from collections import defaultdict
from functools import cache
from typing import NamedTuple

import numpy as np

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.map_matching import (
    LaneMatch,
    is_beside,
    place_cost,
    step_cost,
)


class _Manoeuvre(NamedTuple):
    """The manoeuvre of a sequence of lanes so far."""

    turned: bool = False
    crossed: bool = False
    jumped: bool = False


def is_turning(graph: LaneGraph, lane: int, rules: LabelRules) -> bool:
    """Return whether a lane is a connector that turns."""
    return bool(
        graph.is_connector[lane]
        and abs(graph.turns[lane]) >= rules.connector_angle
    )


def manoeuvre_probability(
    graph: LaneGraph,
    match: LaneMatch,
    first: int,
    last: int,
    rules: LabelRules,
) -> float:
    """Return the probability of the best lane sequence's manoeuvre.

    Args:
        graph (LaneGraph): The lanes.
        match (LaneMatch): The best sequence, without jumps, and all
            candidates.
        first (int): Index in ``match`` of the first pose of the stretch.
        last (int): Index in ``match`` of its last pose.
        rules (LabelRules): Costs.

    Returns:
        float: Share, 0 to 1, of the weight of all sequences that use a
        turning connector between ``first`` and ``last`` if the best one
        does, and cross to a lane beside if the best one does.
    """
    best = _Manoeuvre(
        turned=any(
            is_turning(graph, lane, rules)
            for lane in match.lanes[first : last + 1]
        ),
        crossed=any(first < k <= last for k in match.crossings),
    )

    @cache
    def step(before: int, after: int) -> tuple[float, bool, bool]:
        """Return the cost of a step, and whether it crosses or jumps."""
        cost = step_cost(graph, before, after, rules)
        beside = cost > 0 and is_beside(graph, before, after)
        return cost, beside, cost > 0 and not beside

    weights: dict[tuple[int, _Manoeuvre], float] = {}
    for k, here in enumerate(match.candidates):
        after: dict[tuple[int, _Manoeuvre], float] = defaultdict(float)
        for lane, place in here.items():
            cost = place_cost(place, rules)
            turns = first <= k <= last and is_turning(graph, lane, rules)
            if not k:
                after[lane, _Manoeuvre(turned=turns)] = np.exp(-cost / 2)
            for (before, done), weight in weights.items():
                extra, crosses, jumps = step(before, lane)
                manoeuvre = _Manoeuvre(
                    turned=done.turned or turns,
                    crossed=done.crossed or (crosses and first < k <= last),
                    jumped=done.jumped or jumps,
                )
                after[lane, manoeuvre] += weight * np.exp(-(cost + extra) / 2)
        # Only shares count; sums near 1 do not underflow.
        total = sum(after.values())
        weights = {state: weight / total for state, weight in after.items()}
    return float(sum(w for (_, done), w in weights.items() if done == best))
