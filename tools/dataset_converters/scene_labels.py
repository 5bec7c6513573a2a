"""Motion, meta-actions and chains of thought of the frames of a scene."""

from collections.abc import Sequence

import numpy as np

from dataset_converters.can_bus import CanBus
from dataset_converters.nuscenes_tables import MICROSECONDS, Frame, SceneRecord
from dataset_converters.object_boxes import detection_name
from dataset_converters.scene_motion import motion_fields
from mmocc.annotation import (
    Agent,
    FrameContext,
    LabelRules,
    RoadMap,
    RuleAnnotator,
    is_seen,
    local_surroundings,
)
from mmocc.infos.planar import planar_pose
from mmocc.infos.rigid import invert_rigid
from mmocc.structures import MetaAction


def scene_labels(
    record: SceneRecord,
    velocities: Sequence[np.ndarray],
    can_bus: CanBus | None,
    road_map: RoadMap | None,
    annotator: RuleAnnotator | None,
    rules: LabelRules,
) -> list[dict]:
    """Build the keys of info files that labelling rules write.

    Args:
        record (SceneRecord): The rows of the tables.
        velocities (Sequence[np.ndarray]): Those of ``box_velocities``.
        can_bus (CanBus): Messages, or None: the status comes from poses.
        road_map (RoadMap): The map, or None: directions from the path.
        annotator (RuleAnnotator): Who writes chains of thought; None leaves
            them empty, for the test split, which has no boxes.
        rules (LabelRules): Thresholds of meta-actions.

    Returns:
        list[dict]: For each frame in time order ``ego``, ``can_bus``,
        ``his_meta_actions``, ``meta_action`` and ``cot``.
    """
    frames = record.frames
    transforms = np.stack([frame.lidar.ego2global for frame in frames])
    times = np.array([frame.timestamp for frame in frames]) / MICROSECONDS
    lanes = road_map.lanes if road_map else None
    labels = motion_fields(transforms, times, can_bus, lanes, rules)
    for k, fields in enumerate(labels):
        fields['cot'] = ''
        if annotator is not None and fields['meta_action'] is not None:
            context = _context(
                fields, frames[k], velocities[k], road_map, rules
            )
            fields['cot'] = annotator.annotate(context)
    return labels


def _context(
    fields: dict,
    frame: Frame,
    velocities: np.ndarray,
    road_map: RoadMap | None,
    rules: LabelRules,
) -> FrameContext:
    """What the annotator is told, in the canonical frame."""
    action = fields['meta_action']
    speed = fields['ego']['status']['speed']
    return FrameContext(
        agents=_visible_agents(frame, velocities),
        surroundings=local_surroundings(
            road_map, planar_pose(frame.lidar.ego2global), rules
        ),
        history=tuple(MetaAction(**a) for a in fields['his_meta_actions']),
        speed=0.0 if np.isnan(speed) else speed,
        action=MetaAction(action['speed'], action['direction']),
    )


def _visible_agents(frame: Frame, velocities: np.ndarray) -> tuple[Agent, ...]:
    """The boxes of detection classes that the cameras can see."""
    global2ego = invert_rigid(frame.lidar.ego2global)
    agents = []
    for box, velocity in zip(frame.annotations, velocities, strict=True):
        name = detection_name(box.category)
        if name is None or not is_seen(box.visibility, box.num_lidar_pts):
            continue
        agents.append(
            Agent.placed(
                name,
                box.attribute,
                box.translation,
                box.size[1],
                velocity,
                global2ego,
            )
        )
    return tuple(agents)
