"""Frames of an info file as the labelling rules and annotators see them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmocc.annotation.frame_context import Agent, FrameContext, is_seen
from mmocc.annotation.history import past_actions
from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.meta_action_labels import MetaActionLabel, label_scene
from mmocc.annotation.motion import to_local
from mmocc.annotation.road_map import RoadMap, local_surroundings
from mmocc.structures import MetaAction
from mmocc.structures.occ3d import NUM_FUTURE
from mmocc.utils.info_file import InfoFileError


@dataclass(frozen=True)
class InfoFrame:
    """A key frame with its label.

    Attributes:
        info (dict): Its entry of the info file.
        history (tuple[MetaAction]): Past actions, oldest first, from poses up
            to the frame.
        label (MetaActionLabel or None): None where the recording ends too
            early for one.
        path_label (MetaActionLabel or None): The label without the map.
        context (FrameContext or None): What an annotator is told; None
            without a label.
    """

    info: dict
    history: tuple[MetaAction, ...]
    label: MetaActionLabel | None
    path_label: MetaActionLabel | None
    context: FrameContext | None


def split_scenes(data_list: Sequence[dict], source: str) -> list[list[dict]]:
    """Put the frames of each scene in order.

    Args:
        data_list (Sequence[dict]): Entries of an info file.
        source (str): Path of the file, for messages.

    Returns:
        list[list[dict]]: The scenes in order of their first frame.

    Raises:
        InfoFileError: A frame lacks our keys, or a scene is not whole: its
            labels would miss the poses that are left out.
    """
    scenes: dict[str, list[dict]] = {}
    for index, info in enumerate(data_list):
        missing = [
            key
            for key in ('scene_token', 'frame_idx', 'prev', 'next', 'ego')
            if key not in info
        ]
        if missing:
            raise InfoFileError(
                f'frame {index} of {source} (token {info.get("token")}) lacks '
                f'{", ".join(missing)}; make the file with '
                'tools/create_data.py'
            )
        scenes.setdefault(info['scene_token'], []).append(info)
    for infos in scenes.values():
        infos.sort(key=lambda info: info['frame_idx'])
        tokens = ['', *(info['token'] for info in infos), '']
        for k, info in enumerate(infos):
            if (info['prev'], info['next']) != (tokens[k], tokens[k + 2]):
                raise InfoFileError(
                    f'{source} holds frame {info["token"]} of scene '
                    f'{info.get("scene_name")} without the frames before and '
                    f'behind it ({info["prev"] or "none"}, '
                    f'{info["next"] or "none"}); labels need whole scenes, so '
                    'annotate the file that was not cut'
                )
    return list(scenes.values())


def label_infos(
    infos: Sequence[dict],
    class_names: dict[int, str],
    road_map: RoadMap | None,
    rules: LabelRules,
    root: Path,
) -> Iterator[InfoFrame]:
    """Label the frames of a scene.

    Args:
        infos (Sequence[dict]): The scene's entries in time order.
        class_names (dict[int, str]): Detection classes by label.
        road_map (RoadMap): The map, or None: directions from the path.
        rules (LabelRules): Thresholds.
        root (Path): Data root, below which the images are.

    Yields:
        InfoFrame: For each entry.
    """
    poses = np.stack([_planar_pose(info['ego2global']) for info in infos])
    times = np.array([info['timestamp'] for info in infos])
    lanes = road_map.lanes if road_map else None
    labels = label_scene(poses, times, lanes, rules)
    path_labels = label_scene(poses, times, None, rules)
    for k, info in enumerate(infos):
        history = tuple(
            past_actions(poses[: k + 1], times[: k + 1], lanes, rules)
        )
        label = labels[k]
        context = None
        if label is not None:
            last = k + NUM_FUTURE + 1
            context = FrameContext(
                agents=tuple(_visible_agents(info, class_names)),
                surroundings=local_surroundings(road_map, poses[k], rules),
                history=history,
                speed=_speed(info),
                action=label.action,
                token=info['token'],
                path=np.column_stack(
                    (
                        times[k:last] - times[k],
                        to_local(poses[k:last], poses[k]),
                    )
                ),
                images={
                    name: image_path(root, name, image['img_path'])
                    for name, image in info['images'].items()
                },
            )
        yield InfoFrame(info, history, label, path_labels[k], context)


def _planar_pose(ego2global: Sequence) -> np.ndarray:
    """x, y and heading (3,) of a rigid (4, 4) transform."""
    pose = np.asarray(ego2global)
    return np.array(
        [pose[0, 3], pose[1, 3], np.arctan2(pose[1, 0], pose[0, 0])]
    )


def _speed(info: dict) -> float:
    speed = info['ego']['status']['speed']
    return 0.0 if np.isnan(speed) else speed


def _visible_agents(
    info: dict, class_names: dict[int, str]
) -> Iterator[Agent]:
    """The boxes of detection classes that the cameras can see."""
    lidar2ego = np.asarray(info['lidar_points']['lidar2ego'])
    for box in info.get('instances', ()):
        name = class_names.get(box['bbox_label_3d'])
        seen = is_seen(box.get('visibility', ''), box['num_lidar_pts'])
        if name is None or not seen:
            continue
        yield Agent.placed(
            name,
            box.get('attribute', ''),
            box['bbox_3d'][:3],
            box['bbox_3d'][3],
            [*box['velocity'], 0.0],
            lidar2ego,
        )


def image_path(root: Path, camera: str, name: str) -> Path:
    """Where nuScenes keeps a key image, or where own cameras say.

    Args:
        root (Path): The data root.
        camera (str): Such as ``CAM_FRONT``.
        name (str): ``img_path`` of an info file.
    """
    nuscenes = root / 'samples' / camera / name
    return nuscenes if nuscenes.is_file() else root / name
