"""From the rows of one scene to its entries of an info file."""

from dataclasses import dataclass, field

import numpy as np

from dataset_converters.can_bus import CanBus
from dataset_converters.mmdet3d_fields import mmdet3d_fields
from dataset_converters.nuscenes_tables import Frame, SceneRecord
from dataset_converters.object_boxes import box_velocities
from dataset_converters.scene_labels import scene_labels
from mmocc.annotation import LabelRules, RoadMap, RuleAnnotator
from mmocc.infos.planar import planar_pose
from mmocc.infos.rigid import invert_rigid, rotation_matrix
from mmocc.structures.occ3d import NUM_FUTURE

_OCC_PATH = 'gts/{scene}/{token}/labels.npz'


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
    velocities = box_velocities(frames)
    labels = scene_labels(
        scene,
        velocities,
        inputs.can_bus,
        inputs.road_map,
        annotator if inputs.annotated else None,
        rules,
    )
    tracks = _box_transforms(frames)
    infos = []
    for k, frame in enumerate(frames):
        info = mmdet3d_fields(frame, velocities[k], inputs.annotated)
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
            **labels[k],
        )
        if inputs.captions is not None:
            info['captions'] = inputs.captions.get(frame.token, [])
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
