"""Meta-action labels from recorded poses (OccVLA, paper Sec. 3.3).

The speed word comes from the acceleration over the next 3 s, the direction
word from the lanes that the car passes, or from its path alone where there is
no map. The order of precedence is Stop, Turn, Change Lane, Go Straight.

A label comes from the future: it is supervision. ``mmocc.annotation.history``
names what a model may know about the past.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.manoeuvre_probability import (
    is_turning,
    manoeuvre_probability,
)
from mmocc.annotation.map_matching import LaneMatch, match_lanes
from mmocc.annotation.motion import Motion, describe_motion
from mmocc.structures import MetaAction
from mmocc.structures.occ3d import NUM_FUTURE

SOURCE_MAP = 'map'
SOURCE_MOTION = 'motion'
# Of labels that a person decided, in info files.
SOURCE_REVIEW = 'review'

_TURN = ('Turn Left', 'Turn Right')
_CHANGE = ('Change Lane Left', 'Change Lane Right')
_STRAIGHT = 'Go Straight'
_STOP = 'Stop'


@dataclass(frozen=True)
class MetaActionLabel:
    """The label of one frame.

    Attributes:
        action (MetaAction): The pair of words.
        source (str): ``map`` where lanes decided the direction, ``motion``
            where the path alone did.
        speed_confidence (float): 0 to 1, distance of the acceleration from
            its threshold as a share of it; 0 where the neighbour frames
            overruled the word.
        direction_confidence (float): 0 to 1, the same of the direction's
            thresholds, and no more than the probability that the car took
            lanes that make this manoeuvre (see ``manoeuvre_probability``).
    """

    action: MetaAction
    source: str
    speed_confidence: float
    direction_confidence: float

    @property
    def confidence(self) -> float:
        """The lower one of both confidences."""
        return min(self.speed_confidence, self.direction_confidence)


def _margin(value: float, threshold: float) -> float:
    """Return the distance from a threshold as a share of it, up to 1."""
    return float(min(abs(value - threshold) / threshold, 1.0))


def speed_word(
    motion: Motion, rules: LabelRules, before: str | None = None
) -> tuple[str, float]:
    """Return the speed word of a movement.

    Args:
        motion (Motion): The movement.
        rules (LabelRules): Thresholds.
        before (str, optional): The word of the frame before, which stays
            while the acceleration is between the two thresholds.

    Returns:
        tuple[str, float]: The word and its margin.
    """
    fastest = float(motion.speeds.max())
    if fastest < rules.standing_speed:
        return 'Maintain speed', _margin(fastest, rules.standing_speed)
    strength = abs(motion.acceleration)
    word = 'Accelerate' if motion.acceleration > 0 else 'Decelerate'
    margin = _margin(strength, rules.acceleration)
    if strength > rules.acceleration:
        return word, margin
    if strength > rules.acceleration_low and before == word:
        return word, margin
    return 'Maintain speed', margin


def _side(words: tuple[str, str], value: float) -> str:
    return words[0] if value > 0 else words[1]


def _stop_margin(motion: Motion, rules: LabelRules) -> float | None:
    """Return the margin of a stop, None where the car does not stop."""
    last = float(motion.speeds[-1])
    if motion.path < rules.stop_path:
        return _margin(motion.path, rules.stop_path)
    if last < rules.stop_end_speed and motion.path < rules.stop_end_path:
        return min(
            _margin(motion.path, rules.stop_end_path),
            _margin(last, rules.stop_end_speed),
        )
    return None


def _arc_residual(local: np.ndarray) -> float:
    """Return the largest distance of a path to its best parabola, metres.

    Over one lane change a bend of constant curvature is a parabola in the
    frame of its first pose; the S of a lane change is not.
    """
    x, y = local[:, 0], local[:, 1]
    basis = np.stack((np.ones_like(x), x, x**2), axis=1)
    fit, *_ = np.linalg.lstsq(basis, y, rcond=None)
    return float(np.abs(basis @ fit - y).max())


def direction_without_map(
    motion: Motion, rules: LabelRules
) -> tuple[str, float]:
    """Return the direction word of a movement without lanes.

    Args:
        motion (Motion): The movement.
        rules (LabelRules): Thresholds.

    Returns:
        tuple[str, float]: The word and its margin.
    """
    margin = _stop_margin(motion, rules)
    if margin is not None:
        return _STOP, margin
    turn_margin = _margin(abs(motion.turn), rules.turn_angle)
    if abs(motion.turn) >= rules.turn_angle:
        return _side(_TURN, motion.turn), turn_margin
    shift = float(motion.local[-1, 1])
    low, high = rules.free_shift
    swing = float(np.abs(motion.local[:, 2]).max())
    changes = (
        low <= abs(shift) <= high
        and abs(motion.turn) <= rules.free_angle
        and swing >= rules.free_swing
        and motion.path > rules.lane_change_path
        and _arc_residual(motion.local) > rules.free_residual
    )
    if changes:
        return _side(_CHANGE, shift), _margin(abs(shift), low)
    return _STRAIGHT, min(turn_margin, _margin(abs(shift), low))


def direction_on_map(
    motion: Motion,
    graph: LaneGraph,
    match: LaneMatch,
    first: int,
    last: int,
    rules: LabelRules,
) -> tuple[str, float]:
    """Return the direction word of a movement along known lanes.

    Only a turning connector makes a turn: a heading that changes on other
    lanes follows a bend or is part of a lane change. A car that leaves the
    lanes is not matched and gets ``direction_without_map``.

    Args:
        motion (Motion): The movement.
        graph (LaneGraph): The lanes.
        match (LaneMatch): Lanes of a stretch of poses around it.
        first (int): Index in ``match`` of the first pose of the stretch.
        last (int): Index in ``match`` of its last pose.
        rules (LabelRules): Thresholds.

    Returns:
        tuple[str, float]: The word and its margin.
    """
    margin = _stop_margin(motion, rules)
    if margin is not None:
        return _STOP, margin
    turn_margin = _margin(abs(motion.turn), rules.turn_angle)
    turning = any(
        is_turning(graph, lane, rules)
        for lane in match.lanes[first : last + 1]
    )
    if turning and abs(motion.turn) >= rules.turn_angle:
        return _side(_TURN, motion.turn), turn_margin

    shifts = np.array(match.shifts)
    within = shifts[first + 1 : last + 1] - shifts[first]
    after = shifts[last:] - shifts[first]
    shift = float(within[np.abs(within).argmax()])
    settled = float(after[np.abs(after).argmax()])
    shift_margin = _margin(abs(shift), rules.lane_change_shift)
    crossed = any(first < k <= last for k in match.crossings)
    changes = (
        abs(shift) >= rules.lane_change_shift
        and settled * shift > 0
        and abs(settled) >= rules.lane_change_end_shift
        and motion.path > rules.lane_change_path
    )
    if crossed and changes:
        return _side(_CHANGE, shift), shift_margin

    if crossed:
        return _STRAIGHT, min(turn_margin, shift_margin)
    return _STRAIGHT, turn_margin if turning else 1.0


def legal_pair(speed: str, direction: str) -> MetaAction:
    """Combine both words; a car that stops does not accelerate."""
    if direction == _STOP and speed == 'Accelerate':
        speed = 'Maintain speed'
    return MetaAction(speed, direction)


def label_frame(
    poses: np.ndarray,
    times: np.ndarray,
    index: int,
    graph: LaneGraph | None,
    rules: LabelRules,
    before: str | None = None,
) -> MetaActionLabel | None:
    """Label one key frame of a scene.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw of all key frames in the map
            frame.
        times (np.ndarray): (N,) seconds.
        index (int): The frame to label.
        graph (LaneGraph): The lanes, or None where there is no map.
        rules (LabelRules): Thresholds.
        before (str, optional): Speed word of the frame before.

    Returns:
        MetaActionLabel or None: None where the recording ends too early.
    """
    last = min(index + NUM_FUTURE, len(poses) - 1)
    if last - index < rules.min_future:
        return None
    rules = rules.scaled((last - index) / NUM_FUTURE)
    motion = describe_motion(poses[index : last + 1], times[index : last + 1])
    speed, speed_margin = speed_word(motion, rules, before)

    near = (times >= times[index] - rules.match_past) & (
        times <= times[index] + rules.settle_time
    )
    start = int(np.flatnonzero(near)[0])
    match = (
        match_lanes(graph, poses[near], rules) if graph is not None else None
    )
    if match is not None and not match.jumps:
        direction, margin = direction_on_map(
            motion,
            graph,
            match,
            index - start,
            last - start,
            rules,
        )
        if direction != _STOP:
            margin = min(
                margin,
                manoeuvre_probability(
                    graph, match, index - start, last - start, rules
                ),
            )
        source = SOURCE_MAP
    else:
        direction, margin = direction_without_map(motion, rules)
        source = SOURCE_MOTION
    return MetaActionLabel(
        action=legal_pair(speed, direction),
        source=source,
        speed_confidence=speed_margin,
        direction_confidence=margin,
    )


def _smooth(labels: list[MetaActionLabel | None]) -> None:
    """Replace a word that both neighbour frames contradict, in place.

    Stops and their neighbours stay as they are: stops may be short.
    """
    originals = list(labels)
    for k in range(1, len(labels) - 1):
        left, here, right = originals[k - 1 : k + 2]
        if left is None or here is None or right is None:
            continue
        if _STOP in (
            left.action.direction,
            here.action.direction,
            right.action.direction,
        ):
            continue
        speed, direction = here.action
        if speed != left.action.speed == right.action.speed:
            here = replace(
                here,
                action=here.action._replace(speed=left.action.speed),
                speed_confidence=0.0,
            )
        if direction != left.action.direction == right.action.direction:
            here = replace(
                here,
                action=here.action._replace(direction=left.action.direction),
                direction_confidence=0.0,
            )
        labels[k] = here


def label_scene(
    poses: np.ndarray,
    times: np.ndarray,
    graph: LaneGraph | None = None,
    rules: LabelRules | None = None,
) -> list[MetaActionLabel | None]:
    """Label all key frames of a scene.

    Args:
        poses (np.ndarray): (N, 3) x, y, yaw in the map frame.
        times (np.ndarray): (N,) seconds.
        graph (LaneGraph): The lanes, or None where there is no map.
        rules (LabelRules): Thresholds. Defaults to ``LabelRules()``.

    Returns:
        list: N labels; None where the recording ends too early.
    """
    rules = rules or LabelRules()
    labels: list[MetaActionLabel | None] = []
    before = None
    for index in range(len(poses)):
        label = label_frame(poses, times, index, graph, rules, before)
        labels.append(label)
        before = label.action.speed if label else None
    _smooth(labels)
    return labels
