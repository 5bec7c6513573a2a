"""Convert the table rows of one scene to entries of an info file."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dataset_converters.can_bus import CanBus
from dataset_converters.ego_motion import motion_fields
from dataset_converters.mmdet3d_fields import mmdet3d_fields
from dataset_converters.nuscenes_tables import (
    BoxAnnotation,
    NuScenesFrame,
    NuScenesScene,
)
from dataset_converters.object_boxes import (
    box_rotations,
    box_velocities,
    detection_label,
)
from mmocc.annotation import (
    Agent,
    FrameContext,
    LabelRules,
    RoadMap,
    RuleAnnotator,
    is_seen,
    local_surroundings,
)
from mmocc.infos import DETECTION_CLASSES, IGNORED_LABEL
from mmocc.infos.planar import planar_pose
from mmocc.infos.rigid import invert_rigid
from mmocc.infos.schema import MICROSECONDS
from mmocc.structures import MetaAction
from mmocc.structures.occ3d import NUM_FUTURE

_OCC_PATH = 'gts/{scene}/{token}/labels.npz'


@dataclass(frozen=True)
class SceneInputs:
    """Rows, maps and texts that a scene is converted from.

    Attributes:
        scene (NuScenesScene): Rows of the tables.
        annotated (bool): Whether there are boxes; False for the test split.
        can_bus (CanBus): CAN bus messages, or None.
        road_map (RoadMap): Map of the location, or None.
        questions (dict): NuScenes-QA questions by sample token.
        captions (dict): OmniDrive's questions by sample token; None leaves
            the key out of the infos.
        missing_labels (frozenset[str]): Samples without an Occ3D label.
    """

    scene: NuScenesScene
    annotated: bool = True
    can_bus: CanBus | None = None
    road_map: RoadMap | None = None
    questions: dict[str, list[dict]] = field(default_factory=dict)
    captions: dict[str, list[dict]] | None = None
    missing_labels: frozenset[str] = frozenset()


def convert_scene(inputs: SceneInputs) -> list[dict]:
    """Build the entries of a scene in time order, without ``sample_idx``."""
    scene = inputs.scene
    velocities = box_velocities(scene.frames)
    labels = scene_labels(
        scene,
        velocities,
        inputs.can_bus,
        inputs.road_map,
        inputs.annotated,
    )
    boxes = [box for frame in scene.frames for box in frame.annotations]
    tracks = _box_transforms(boxes)
    infos = []
    for k, frame in enumerate(scene.frames):
        info = mmdet3d_fields(frame, velocities[k], inputs.annotated)
        for name, camera in frame.cameras.items():
            info['images'][name].update(
                ego2global=camera.ego2global.tolist(),
                height=camera.height,
                width=camera.width,
            )
        if inputs.annotated:
            _add_tracks(info, frame, scene.frames[k + 1 :], tracks)
        info.update(
            scene_token=scene.token,
            scene_name=scene.name,
            frame_idx=k,
            prev=frame.prev,
            next=frame.next,
            location=scene.location,
            occ_path=(
                ''
                if not inputs.annotated or frame.token in inputs.missing_labels
                else _OCC_PATH.format(scene=scene.name, token=frame.token)
            ),
            qa=inputs.questions.get(frame.token, []),
            **labels[k],
        )
        if inputs.captions is not None:
            info['captions'] = inputs.captions.get(frame.token, [])
        infos.append(info)
    return infos


def scene_labels(
    scene: NuScenesScene,
    velocities: Sequence[np.ndarray],
    can_bus: CanBus | None,
    road_map: RoadMap | None,
    annotated: bool = True,
) -> list[dict]:
    """Build the keys of info files that labelling rules write.

    Args:
        scene (NuScenesScene): Rows of the tables.
        velocities (Sequence[np.ndarray]): Results of ``box_velocities``.
        can_bus (CanBus): Messages, or None: the status comes from poses.
        road_map (RoadMap): The map, or None: directions come from the path.
        annotated (bool): Whether to write chains of thought, which need
            boxes. Defaults to True.

    Returns:
        list[dict]: For each frame in time order ``ego``, ``can_bus``,
        ``his_meta_actions``, ``meta_action`` and ``cot``.
    """
    frames = scene.frames
    labels = motion_fields(
        np.stack([frame.lidar.ego2global for frame in frames]),
        np.array([frame.timestamp for frame in frames]) / MICROSECONDS,
        can_bus,
        road_map.lanes if road_map else None,
    )
    annotator = RuleAnnotator()
    for k, fields in enumerate(labels):
        fields['cot'] = ''
        if annotated and fields['meta_action'] is not None:
            context = _context(fields, frames[k], velocities[k], road_map)
            fields['cot'] = annotator.annotate(context)
    return labels


def _context(
    fields: dict,
    frame: NuScenesFrame,
    velocities: np.ndarray,
    road_map: RoadMap | None,
) -> FrameContext:
    """Build the annotator's view of a frame, in its ego frame."""
    action = fields['meta_action']
    speed = fields['ego']['status']['speed']
    return FrameContext(
        agents=_visible_agents(frame, velocities),
        surroundings=local_surroundings(
            road_map, planar_pose(frame.lidar.ego2global), LabelRules()
        ),
        history=tuple(MetaAction(**a) for a in fields['his_meta_actions']),
        speed=0.0 if np.isnan(speed) else speed,
        action=MetaAction(action['speed'], action['direction']),
    )


def _visible_agents(
    frame: NuScenesFrame, velocities: np.ndarray
) -> tuple[Agent, ...]:
    """Return the boxes of detection classes that the cameras can see."""
    global2ego = invert_rigid(frame.lidar.ego2global)
    agents = []
    for box, velocity in zip(frame.annotations, velocities, strict=True):
        label = detection_label(box.category)
        if label == IGNORED_LABEL or not is_seen(
            box.visibility, box.num_lidar_pts
        ):
            continue
        agents.append(
            Agent.placed(
                DETECTION_CLASSES[label],
                box.attribute,
                box.translation,
                box.size[1],
                velocity,
                global2ego,
            )
        )
    return tuple(agents)


def _box_transforms(
    boxes: Sequence[BoxAnnotation],
) -> dict[tuple[str, str], np.ndarray]:
    """Return box to global (4, 4) by (instance token, sample token)."""
    if not boxes:
        return {}
    transforms = np.tile(np.eye(4), (len(boxes), 1, 1))  # (N, 4, 4)
    transforms[:, :3, :3] = box_rotations(boxes)
    transforms[:, :3, 3] = np.stack([box.translation for box in boxes])
    return {
        (box.instance_token, box.sample_token): transform
        for box, transform in zip(boxes, transforms, strict=True)
    }


def _add_tracks(
    info: dict,
    frame: NuScenesFrame,
    after: Sequence[NuScenesFrame],
    tracks: dict[tuple[str, str], np.ndarray],
) -> None:
    """Add identity and future, in the frame's ego frame, to instances."""
    global2ego = invert_rigid(frame.lidar.ego2global)
    for instance, box in zip(
        info['instances'], frame.annotations, strict=True
    ):
        # Single precision: boxes fill most of an info file.
        future = np.zeros((NUM_FUTURE, 3), dtype=np.float32)
        mask = np.zeros(NUM_FUTURE, dtype=bool)
        for step, later in enumerate(after[:NUM_FUTURE]):
            transform = tracks.get((box.instance_token, later.token))
            if transform is not None:
                future[step] = planar_pose(global2ego @ transform)
                mask[step] = True
        instance.update(
            instance_token=box.instance_token,
            category_name=box.category,
            attribute=box.attribute,
            visibility=box.visibility,
            fut_box=future,
            fut_mask=mask,
        )
