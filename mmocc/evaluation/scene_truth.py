"""What info files know of whole scenes: ray origins, agents, windows.

RayIoU starts its rays where the LiDAR stands in any frame of the scene, and
collisions are counted against boxes of the six frames to come. A data sample
is one frame and knows neither; an info file has both. What is read here is
ground truth alone.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmocc.evaluation.functional.plan_agents import Agents
from mmocc.evaluation.functional.plan_presets import PAST_FRAMES, PlanSample
from mmocc.evaluation.functional.ray_casting import scene_origins
from mmocc.infos import InfoFileError, load_info_file
from mmocc.structures.occ3d import NUM_FUTURE

# nuScenes' visibility token of 0 to 40 %; higher ones are seen better.
BARELY_VISIBLE = '1'
_WAY_OUT = 'make the file with tools/create_data.py'


@dataclass(frozen=True)
class _Boxes:
    """The M boxes of one frame.

    Attributes:
        instance (list[str]): Who it is.
        category (list[str]): nuScenes' names.
        size (np.ndarray): (M, 2) length along the heading, width.
        centre (np.ndarray): (M, 3) metres, global.
        ahead (np.ndarray): (M, 3) unit vectors of the headings, global.
        has_points (np.ndarray): (M,) bool, any LiDAR or radar point.
        visible (np.ndarray): (M,) bool, visibility above 40 %.
    """

    instance: list[str]
    category: list[str]
    size: np.ndarray
    centre: np.ndarray
    ahead: np.ndarray
    has_points: np.ndarray
    visible: np.ndarray

    @classmethod
    def from_instances(
        cls, instances: Sequence[Mapping[str, Any]], lidar2global: np.ndarray
    ) -> '_Boxes':
        """From the LiDAR's frame to the world; (4, 4).

        Raises:
            KeyError: An instance lacks a key.
        """
        boxes = np.array([i['bbox_3d'] for i in instances], dtype=np.float64)
        boxes = boxes.reshape(-1, 7)
        turn, shift = lidar2global[:3, :3], lidar2global[:3, 3]
        yaw = boxes[:, 6]
        ahead = np.stack((np.cos(yaw), np.sin(yaw), np.zeros(len(yaw))), -1)
        points = [i['num_lidar_pts'] + i['num_radar_pts'] for i in instances]
        visible = [i['visibility'] > BARELY_VISIBLE for i in instances]
        return cls(
            [i['instance_token'] for i in instances],
            [i['category_name'] for i in instances],
            boxes[:, 3:5].copy(),
            boxes[:, :3] @ turn.T + shift,
            ahead @ turn.T,
            np.array(points, dtype=int) > 0,
            np.array(visible, dtype=bool),
        )

    def seen_from(self, global2ego: np.ndarray) -> np.ndarray:
        """x, y, yaw (M, 3) in an ego frame."""
        centre = self.centre @ global2ego[:3, :3].T + global2ego[:3, 3]
        ahead = self.ahead @ global2ego[:3, :3].T
        yaw = np.arctan2(ahead[:, 1], ahead[:, 0])
        return np.column_stack((centre[:, :2], yaw))


@dataclass(frozen=True)
class _Frame:
    """What is kept of a frame; small, for there are thousands.

    Attributes:
        token (str): The sample's token.
        index (int): ``frame_idx``.
        ego2global (np.ndarray, optional): (4, 4).
        lidar2ego (np.ndarray, optional): (4, 4).
        fut_poses (np.ndarray, optional): (6, 3) x, y, yaw.
        fut_mask (np.ndarray, optional): (6,) bool.
        boxes (_Boxes, optional): None where a key of theirs is missing.
    """

    token: str
    index: int
    ego2global: np.ndarray | None
    lidar2ego: np.ndarray | None
    fut_poses: np.ndarray | None
    fut_mask: np.ndarray | None
    boxes: _Boxes | None

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> '_Frame':
        """Read one entry of ``data_list``."""
        ego = info.get('ego') or {}
        ego2global = _array(info.get('ego2global'))
        lidar2ego = _array(info.get('lidar_points', {}).get('lidar2ego'))
        boxes = None
        if ego2global is not None and lidar2ego is not None:
            with suppress(KeyError):
                boxes = _Boxes.from_instances(
                    info['instances'], ego2global @ lidar2ego
                )
        mask = _array(ego.get('fut_mask'))
        return cls(
            info['token'],
            info['frame_idx'],
            ego2global,
            lidar2ego,
            _array(ego.get('fut_poses')),
            None if mask is None else mask.astype(bool),
            boxes,
        )


def _array(values: Sequence | None) -> np.ndarray | None:
    return None if values is None else np.asarray(values, dtype=np.float64)


class SceneTruth:
    """The scenes of an info file, looked up by the tokens of their frames.

    The file must hold every frame of its scenes: leaving frames out moves
    ray origins, hides agents and shortens scenes.

    Args:
        ann_file (str | Path): Info file of the evaluated split.

    Raises:
        InfoFileError: The file is no info file, or does not tell scenes
            apart.
    """

    def __init__(self, ann_file: str | Path) -> None:
        self.ann_file = ann_file
        scenes: dict[str, list[_Frame]] = defaultdict(list)
        for info in load_info_file(ann_file)['data_list']:
            missing = {'token', 'scene_token', 'frame_idx'} - set(info)
            if missing:
                raise InfoFileError(
                    f'{ann_file}: sample {info.get("token")} has no '
                    f'{sorted(missing)}, which tell scenes apart; {_WAY_OUT}'
                )
            scenes[info['scene_token']].append(_Frame.from_info(info))
        self._place: dict[str, tuple[list[_Frame], int]] = {}
        for frames in scenes.values():
            frames.sort(key=lambda frame: frame.index)
            for place, frame in enumerate(frames):
                self._place[frame.token] = frames, place

    @property
    def tokens(self) -> list[str]:
        """Of all frames, scene by scene."""
        return list(self._place)

    def position(self, token: str) -> tuple[int, int]:
        """Index of a frame in its scene, and the scene's length.

        Raises:
            InfoFileError: No frame has that token.
        """
        frames, place = self._find(token)
        return place, len(frames)

    def ray_origins(self, token: str) -> np.ndarray:
        """Where RayIoU's rays start, (K, 3) metres in the ego frame.

        Raises:
            InfoFileError: The frame is not known, or a pose is missing.
        """
        frames, place = self._find(token)
        return scene_origins(
            np.stack([self._of(f, 'ego2global') for f in frames]),
            np.stack([self._of(f, 'lidar2ego') for f in frames]),
            place,
        )

    def future_poses(self, token: str) -> tuple[np.ndarray, np.ndarray]:
        """Where the car will be: (6, 3) x, y, yaw, and (6,) bool.

        Raises:
            InfoFileError: The frame is not known, or has no poses.
        """
        frames, place = self._find(token)
        frame = frames[place]
        return self._of(frame, 'fut_poses'), self._of(frame, 'fut_mask')

    def plan_sample(self, token: str) -> PlanSample:
        """What a plan for this frame is scored against, without a plan.

        Positions are the ego origin's. Maps are not in info files, so the
        boundary metrics cannot be had from here.

        Raises:
            InfoFileError: The frame is not known, or has no boxes or poses.
        """
        frames, place = self._find(token)
        poses, mask = self.future_poses(token)
        return PlanSample(
            plan=None,
            truth=poses[:, :2],
            mask=mask,
            truth_yaw=poses[:, 2],
            agents=self._agents(frames, place),
            frame_idx=place,
            scene_length=len(frames),
        )

    def _find(self, token: str) -> tuple[list[_Frame], int]:
        if token not in self._place:
            raise InfoFileError(
                f'{self.ann_file} has no frame {token!r}; evaluate with the '
                'info file of the evaluated split'
            )
        return self._place[token]

    def _of(self, frame: _Frame, name: str) -> Any:
        """An attribute that must be known."""
        value = getattr(frame, name)
        if value is None:
            raise InfoFileError(
                f'{self.ann_file}: sample {frame.token} lacks {name}, or a '
                f'key of it; {_WAY_OUT}'
            )
        return value

    def _agents(self, frames: Sequence[_Frame], place: int) -> Agents:
        """Everybody annotated now or in the six frames to come."""
        steps = 1 + NUM_FUTURE
        ahead = [self._of(f, 'boxes') for f in frames[place : place + steps]]
        past = frames[max(0, place - PAST_FRAMES) : place + 1]
        names = [name for boxes in ahead for name in boxes.instance]
        row = {
            name: number for number, name in enumerate(dict.fromkeys(names))
        }
        category = np.full(len(row), '', dtype=object)
        size = np.zeros((len(row), 2))
        poses = np.full((len(row), steps, 3), np.nan)
        has_points = np.zeros((len(row), steps), dtype=bool)
        global2ego = np.linalg.inv(frames[place].ego2global)
        # Backwards, so that the earliest size of an agent stays.
        for step, boxes in reversed(list(enumerate(ahead))):
            rows = [row[name] for name in boxes.instance]
            category[rows] = boxes.category
            size[rows] = boxes.size
            poses[rows, step] = boxes.seen_from(global2ego)
            has_points[rows, step] = boxes.has_points
        seen = {
            name
            for frame in past
            for name, visible in zip(
                self._of(frame, 'boxes').instance,
                frame.boxes.visible,
                strict=True,
            )
            if visible
        }
        return Agents(
            category=category.astype(str),
            size=size,
            now=poses[:, 0],
            future=poses[:, 1:],
            future_mask=np.isfinite(poses[:, 1:]).all(axis=2),
            has_points=has_points[:, 1:],
            recently_seen=np.array([name in seen for name in row], dtype=bool),
        )
