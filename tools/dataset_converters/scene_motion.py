"""What the ego poses of a scene say about each of its frames."""

import numpy as np

from dataset_converters.can_bus import CanBus
from dataset_converters.ego_motion import (
    NO_COMMAND,
    can_bus_vector,
    ego_future,
    ego_history,
    ego_status,
)
from mmocc.annotation import (
    LabelRules,
    LaneGraph,
    MetaActionLabel,
    label_scene,
    past_actions,
)
from mmocc.infos.planar import planar_pose


def motion_fields(
    ego2global: np.ndarray,
    times: np.ndarray,
    can_bus: CanBus | None,
    lanes: LaneGraph | None,
    rules: LabelRules,
) -> list[dict]:
    """Build the keys of info files that come from motion alone.

    Args:
        ego2global (np.ndarray): (N, 4, 4) of key frames 0.5 s apart.
        times (np.ndarray): (N,) seconds.
        can_bus (CanBus): Messages, or None: the status comes from poses.
        lanes (LaneGraph): Of the map, or None: directions from the path.
        rules (LabelRules): Thresholds of meta-actions.

    Returns:
        list[dict]: For each frame ``ego``, ``can_bus``, ``his_meta_actions``
        and ``meta_action``.
    """
    poses = np.stack([planar_pose(pose) for pose in ego2global])
    labels = label_scene(poses, times, lanes, rules)
    frames = []
    for k, label in enumerate(labels):
        fields = _known_so_far(
            poses[: k + 1],
            times[: k + 1],
            ego2global[k],
            can_bus,
            lanes,
            rules,
        )
        fut_poses, fut_mask = ego_future(poses, k)
        fields['ego'].update(fut_poses=fut_poses, fut_mask=fut_mask)
        frames.append({**fields, 'meta_action': _label_fields(label)})
    return frames


def _known_so_far(
    poses: np.ndarray,
    times: np.ndarray,
    ego2global: np.ndarray,
    can_bus: CanBus | None,
    lanes: LaneGraph | None,
    rules: LabelRules,
) -> dict:
    """Build the keys that a model may read as input.

    Args:
        poses (np.ndarray): (N, 3) up to the frame: no later pose gets here.
        times (np.ndarray): (N,) seconds.
        ego2global (np.ndarray): (4, 4) of the frame.
        can_bus (CanBus): Asked for messages up to the frame only.
        lanes (LaneGraph): Of the map, or None.
        rules (LabelRules): Thresholds of past actions.
    """
    his_poses, his_mask = ego_history(poses)
    status = ego_status(poses, times, can_bus)
    return dict(
        ego=dict(
            his_poses=his_poses,
            his_mask=his_mask,
            status=status,
            command=NO_COMMAND,
        ),
        can_bus=can_bus_vector(ego2global, times[-1], status, can_bus),
        his_meta_actions=[
            dict(speed=action.speed, direction=action.direction)
            for action in past_actions(poses, times, lanes, rules)
        ],
    )


def _label_fields(label: MetaActionLabel | None) -> dict | None:
    if label is None:
        return None
    return dict(
        speed=label.action.speed,
        direction=label.action.direction,
        source=label.source,
        confidence=label.confidence,
    )
