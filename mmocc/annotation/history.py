"""Past meta-actions from poses up to the frame, for prompts.

The label of an earlier frame looks 3 s ahead, beyond the present, so labels
of earlier frames must never reach a prompt. The functions here get no pose of
the future at all.
"""

import numpy as np

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.map_matching import match_lanes
from mmocc.annotation.meta_action_labels import (
    direction_on_map,
    direction_without_map,
    legal_pair,
    speed_word,
)
from mmocc.annotation.motion import describe_motion
from mmocc.structures import MetaAction
from mmocc.structures.occ3d import NUM_FUTURE

# Windows [-3, -2], [-2, -1] and [-1, 0] s: three windows of two key-frame
# steps each.
NUM_WINDOWS = 3
WINDOW_STEPS = 2


def past_actions(
    poses: np.ndarray,
    times: np.ndarray,
    graph: LaneGraph | None = None,
    rules: LabelRules | None = None,
) -> list[MetaAction]:
    """Name the meta-actions of the three seconds before a frame.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw in the map frame of the key
            frames up to now, which is the last one.
        times (np.ndarray): (N,) seconds.
        graph (LaneGraph): The lanes, or None where there is no map.
        rules (LabelRules): Thresholds. Defaults to ``LabelRules()``.

    Returns:
        list[MetaAction]: Up to three, oldest first; fewer at the start of a
        recording.
    """
    rules = rules or LabelRules()
    rules = rules.for_history(WINDOW_STEPS / NUM_FUTURE)
    steps = NUM_WINDOWS * WINDOW_STEPS
    poses, times = poses[-steps - 1 :], times[-steps - 1 :]
    windows = (len(poses) - 1) // WINDOW_STEPS
    if not windows:
        return []
    match = match_lanes(graph, poses, rules) if graph is not None else None
    trusted = match is not None and not match.jumps
    actions: list[MetaAction] = []
    for window in range(windows):
        last = len(poses) - 1 - (windows - 1 - window) * WINDOW_STEPS
        first = last - WINDOW_STEPS
        motion = describe_motion(
            poses[first : last + 1], times[first : last + 1]
        )
        speed, _ = speed_word(
            motion, rules, actions[-1].speed if actions else None
        )
        if trusted:
            direction, _ = direction_on_map(
                motion,
                graph,
                match,
                first,
                last,
                rules,
            )
        else:
            direction, _ = direction_without_map(motion, rules)
        actions.append(legal_pair(speed, direction))
    return actions
