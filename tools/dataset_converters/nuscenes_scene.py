"""From the rows of one scene to its entries of an info file."""

from dataclasses import dataclass, field, replace

import numpy as np

from dataset_converters.can_bus import CanBus
from dataset_converters.mmdet3d_fields import (
    box_velocities,
    detection_name,
    mmdet3d_fields,
)
from dataset_converters.nuscenes_tables import (
    MICROSECONDS,
    Frame,
    SceneRecord,
)
from dataset_converters.rigid import (
    invert,
    planar_pose,
    rotation_matrix,
)
from dataset_converters.scene_motion import motion_fields
from mmocc.annotation import (
    Agent,
    FrameContext,
    LabelRules,
    RoadMap,
    RuleAnnotator,
    Surroundings,
)
from mmocc.annotation.motion import to_local
from mmocc.annotation.road_map import straight_way
from mmocc.structures import MetaAction
from mmocc.structures.occ3d import NUM_FUTURE

# A box counts as seen from this visibility token on (40 % of it), or with
# this many LiDAR points. Ours: what is hidden cannot be learnt from images.
_SEEN_VISIBILITY = '2'
_SEEN_POINTS = 5
_OCC_PATH = 'gts/{scene}/{token}/labels.npz'
# How far ahead, metres, the road is described.
_REACH = 40.0


@dataclass(frozen=True)
class SceneInputs:
    """What a scene is converted from.

    Attributes:
        record (SceneRecord): The rows of the tables.
        annotated (bool): False for the test split.
        can_bus (CanBus): Messages, or None.
        road_map (RoadMap): The map, or None.
        questions (dict): NuScenes-QA questions by sample token.
        captions (dict): OmniDrive's questions by sample token; None leaves
            the key out of the infos.
        missing_labels (frozenset[str]): Samples without an Occ3D label.
    """

    record: SceneRecord
    annotated: bool = True
    can_bus: CanBus | None = None
    road_map: RoadMap | None = None
    questions: dict[str, list[dict]] = field(default_factory=dict)
    captions: dict[str, list[dict]] | None = None
    missing_labels: frozenset[str] = frozenset()


def convert_scene(
    inputs: SceneInputs, annotator: RuleAnnotator, rules: LabelRules
) -> list[dict]:
    """Build the entries of a scene in time order, without ``sample_idx``."""
    scene = inputs.record
    frames = scene.frames
    poses = np.stack([planar_pose(f.lidar.ego2global) for f in frames])
    times = np.array([f.timestamp for f in frames]) / MICROSECONDS
    lanes = inputs.road_map.lanes if inputs.road_map else None
    motion = motion_fields(
        np.stack([f.lidar.ego2global for f in frames]),
        times,
        inputs.can_bus,
        lanes,
        rules,
    )
    by_token = {b.token: b for f in frames for b in f.annotations}
    seconds = {f.token: t for f, t in zip(frames, times, strict=True)}
    tracks = _box_transforms(frames)
    infos = []
    for k, frame in enumerate(frames):
        velocities = box_velocities(frame.annotations, by_token, seconds)
        info = mmdet3d_fields(frame, velocities, inputs.annotated)
        _add_our_views(info, frame)
        if inputs.annotated:
            _add_our_boxes(info, frame, frames[k + 1 :], tracks)
        info.update(
            scene_token=scene.token,
            scene_name=scene.name,
            frame_idx=k,
            prev=frame.prev,
            next=frame.next,
            location=scene.location,
            occ_path=(
                ''
                if frame.token in inputs.missing_labels
                else _OCC_PATH.format(scene=scene.name, token=frame.token)
            ),
            qa=inputs.questions.get(frame.token, []),
            **motion[k],
            cot='',
        )
        if inputs.captions is not None:
            info['captions'] = inputs.captions.get(frame.token, [])
        if info['meta_action'] is not None and inputs.annotated:
            context = _context(
                info, frame, velocities, inputs.road_map, poses[k], rules
            )
            info['cot'] = annotator.annotate(context)
        infos.append(info)
    return infos


def _add_our_views(info: dict, frame: Frame) -> None:
    """Add what mmdet3d's entries of images lack."""
    for name, camera in frame.cameras.items():
        info['images'][name].update(
            ego2global=camera.ego2global.tolist(),
            height=camera.height,
            width=camera.width,
        )


def _box_transforms(
    frames: tuple[Frame, ...],
) -> dict[tuple[str, str], np.ndarray]:
    """Box to global (4, 4), by tokens of instance and sample."""
    boxes = [box for frame in frames for box in frame.annotations]
    if not boxes:
        return {}
    transforms = np.tile(np.eye(4), (len(boxes), 1, 1))
    transforms[:, :3, :3] = rotation_matrix(
        np.stack([box.rotation for box in boxes])
    )
    transforms[:, :3, 3] = np.stack([box.translation for box in boxes])
    return {
        (box.instance_token, box.sample_token): transform
        for box, transform in zip(boxes, transforms, strict=True)
    }


def _add_our_boxes(
    info: dict,
    frame: Frame,
    after: tuple[Frame, ...],
    tracks: dict[tuple[str, str], np.ndarray],
) -> None:
    """Add identity and future, in the frame's ego frame, to instances."""
    global2ego = invert(frame.lidar.ego2global)
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


def _context(
    info: dict,
    frame: Frame,
    velocities: np.ndarray,
    road_map: RoadMap | None,
    pose: np.ndarray,
    rules: LabelRules,
) -> FrameContext:
    """What the annotator is told, in the canonical frame."""
    if road_map is None:
        surroundings = Surroundings(way=straight_way(np.zeros(3), _REACH))
    else:
        surroundings = road_map.survey(pose, _REACH, rules)
        surroundings = replace(
            surroundings, way=to_local(surroundings.way, pose)
        )
    speed = info['ego']['status']['speed']
    return FrameContext(
        agents=_visible_agents(frame, velocities),
        surroundings=surroundings,
        history=tuple(MetaAction(**a) for a in info['his_meta_actions']),
        speed=0.0 if np.isnan(speed) else speed,
        action=MetaAction(
            info['meta_action']['speed'], info['meta_action']['direction']
        ),
    )


def _visible_agents(frame: Frame, velocities: np.ndarray) -> tuple[Agent, ...]:
    """The boxes of detection classes that the cameras can see."""
    global2ego = invert(frame.lidar.ego2global)
    turn, shift = global2ego[:3, :3], global2ego[:3, 3]
    agents = []
    for box, velocity in zip(frame.annotations, velocities, strict=True):
        name = detection_name(box.category)
        seen = (
            box.visibility >= _SEEN_VISIBILITY
            or box.num_lidar_pts >= _SEEN_POINTS
        )
        if not seen or name == box.category:
            continue
        x, y, _ = turn @ box.translation + shift
        vx, vy, _ = turn @ velocity
        agents.append(
            Agent(
                name=name,
                attribute=box.attribute,
                x=float(x),
                y=float(y),
                length=float(box.size[1]),
                vx=float(vx),
                vy=float(vy),
            )
        )
    return tuple(agents)
