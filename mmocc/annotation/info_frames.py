"""Label the frames of info files and describe them to annotators."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmocc.annotation.frame_context import Agent, FrameContext, is_seen
from mmocc.annotation.history import past_actions
from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.meta_action_labels import MetaActionLabel, label_scene
from mmocc.annotation.road_map import RoadMap, local_surroundings
from mmocc.infos import Boxes, InfoFrame
from mmocc.infos.planar import to_local
from mmocc.structures import MetaAction
from mmocc.structures.occ3d import NUM_FUTURE


@dataclass(frozen=True)
class LabelledFrame:
    """A key frame with its label and the description for annotators.

    Attributes:
        info (dict): Its entry of the info file.
        history (tuple[MetaAction]): Past actions, oldest first, from poses up
            to the frame.
        label (MetaActionLabel or None): None where the recording ends too
            early for one.
        path_label (MetaActionLabel or None): The label without the map.
        context (FrameContext or None): The description that annotators get;
            None without a label.
    """

    info: dict
    history: tuple[MetaAction, ...]
    label: MetaActionLabel | None
    path_label: MetaActionLabel | None
    context: FrameContext | None


def label_infos(
    infos: Sequence[dict],
    class_names: dict[int, str],
    road_map: RoadMap | None,
    rules: LabelRules,
    root: Path,
) -> Iterator[LabelledFrame]:
    """Label the frames of a scene and describe them to annotators.

    Args:
        infos (Sequence[dict]): Entries of a whole scene in time order.
        class_names (dict[int, str]): Detection classes by label.
        road_map (RoadMap): The map, or None: directions then come from the
            path alone.
        rules (LabelRules): Thresholds.
        root (Path): Data root, below which the images are.

    Yields:
        LabelledFrame: One for each entry.
    """
    frames = [InfoFrame(info) for info in infos]
    poses = np.stack([frame.pose for frame in frames])
    times = np.array([frame.timestamp for frame in frames])
    lanes = road_map.lanes if road_map else None
    labels = label_scene(poses, times, lanes, rules)
    path_labels = label_scene(poses, times, None, rules)
    for k, frame in enumerate(frames):
        history = tuple(
            past_actions(poses[: k + 1], times[: k + 1], lanes, rules)
        )
        label = labels[k]
        context = None
        if label is not None:
            last = k + NUM_FUTURE + 1
            context = FrameContext(
                agents=tuple(_visible_agents(frame.boxes, class_names)),
                surroundings=local_surroundings(road_map, poses[k], rules),
                history=history,
                speed=frame.speed,
                action=label.action,
                token=frame.token,
                path=np.column_stack(
                    (
                        times[k:last] - times[k],
                        to_local(poses[k:last], poses[k]),
                    )
                ),
                images={
                    camera: frame.image_path(camera, root)
                    for camera in frame.cameras
                },
            )
        yield LabelledFrame(infos[k], history, label, path_labels[k], context)


def _visible_agents(
    boxes: Boxes, class_names: dict[int, str]
) -> Iterator[Agent]:
    """Yield the boxes of detection classes that the cameras can see."""
    seen = map(is_seen, boxes.visibility, boxes.num_lidar_points)
    for k, visible in enumerate(seen):
        name = class_names.get(int(boxes.labels[k]))
        if name is None or not visible:
            continue
        yield Agent(
            name=name,
            attribute=boxes.attributes[k],
            x=float(boxes.centre[k, 0]),
            y=float(boxes.centre[k, 1]),
            length=float(boxes.size[k, 0]),
            vx=float(boxes.velocity[k, 0]),
            vy=float(boxes.velocity[k, 1]),
        )
