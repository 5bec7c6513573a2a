"""What the tables say about a box besides its place: class and velocity."""

from collections.abc import Sequence

import numpy as np
from nuscenes.eval.detection.utils import category_to_detection_name

from dataset_converters.nuscenes_tables import MICROSECONDS, Annotation, Frame

# The longest gap, seconds, over which nuScenes estimates a velocity; twice
# that where both neighbours exist (nuscenes-devkit, ``box_velocity``).
_MAX_VELOCITY_GAP = 1.5


def detection_name(category: str) -> str | None:
    """The detection class of a nuScenes category, None where it has none."""
    return category_to_detection_name(category)


def box_velocities(frames: Sequence[Frame]) -> list[np.ndarray]:
    """Velocities of the boxes of a scene, as nuscenes-devkit estimates them.

    Args:
        frames (Sequence[Frame]): All key frames of the scene.

    Returns:
        list[np.ndarray]: For each frame (N, 3) of its boxes, global, m/s;
        NaN where unknown, z is 0.
    """
    by_token = {b.token: b for f in frames for b in f.annotations}
    times = {f.token: f.timestamp / MICROSECONDS for f in frames}
    return [
        _frame_velocities(frame.annotations, by_token, times)
        for frame in frames
    ]


def _frame_velocities(
    annotations: tuple[Annotation, ...],
    by_token: dict[str, Annotation],
    times: dict[str, float],
) -> np.ndarray:
    velocities = np.full((len(annotations), 3), np.nan)
    for k, here in enumerate(annotations):
        first = by_token[here.prev] if here.prev else here
        last = by_token[here.next] if here.next else here
        if first is last:
            continue
        gap = times[last.sample_token] - times[first.sample_token]
        limit = _MAX_VELOCITY_GAP * (2 if here.prev and here.next else 1)
        if gap <= limit:
            velocities[k] = (last.translation - first.translation) / gap
            velocities[k, 2] = 0.0
    return velocities
