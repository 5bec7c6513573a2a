"""Read the ground truth of whole scenes: ray origins, agents, windows.

RayIoU starts its rays where the LiDAR stands in any frame of the scene, and
collisions are counted against boxes of the six frames to come. A data sample
is one frame and knows neither; an info file has both. What is read here is
ground truth alone.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmocc.evaluation.functional.plan_agents import Agents
from mmocc.evaluation.functional.plan_presets import PAST_FRAMES, PlanSample
from mmocc.evaluation.functional.ray_casting import scene_origins
from mmocc.infos import (
    Boxes,
    InfoFileError,
    InfoFrame,
    group_scenes,
    load_info_file,
)
from mmocc.structures.occ3d import NUM_FUTURE

# nuScenes' visibility token of 0 to 40 %; higher ones are seen better.
BARELY_VISIBLE = '1'
_WAY_OUT = 'make the file with tools/create_data.py'


@dataclass(frozen=True)
class _TrackedBoxes:
    """The M boxes of one frame and the objects that they belong to.

    Attributes:
        instance (list[str]): Tokens of the objects.
        category (list[str]): nuScenes' names.
        boxes (Boxes): Their geometry in the global frame.
        has_points (np.ndarray): (M,) bool, any LiDAR or radar point.
        visible (np.ndarray): (M,) bool, visibility above 40 %.
    """

    instance: list[str]
    category: list[str]
    boxes: Boxes
    has_points: np.ndarray
    visible: np.ndarray

    @classmethod
    def read(cls, frame: InfoFrame) -> '_TrackedBoxes':
        """Read the boxes of a frame.

        Raises:
            InfoFileError: A box or a pose lacks a key, or is malformed.
        """
        boxes = frame.lidar_boxes
        visible = [v > BARELY_VISIBLE for v in boxes.column('visibility')]
        return cls(
            boxes.tokens,
            boxes.categories,
            boxes.transformed(frame.lidar2global).bare(),
            boxes.num_lidar_points + boxes.num_radar_points > 0,
            np.array(visible, dtype=bool),
        )


@dataclass(frozen=True)
class _TruthFrame:
    """Ground truth that is kept of a frame; small, as there are thousands.

    Attributes:
        token (str): The sample's token.
        ego2global (np.ndarray, optional): (4, 4).
        lidar2ego (np.ndarray, optional): (4, 4).
        fut_poses (np.ndarray, optional): (6, 3) x, y, yaw.
        fut_mask (np.ndarray, optional): (6,) bool.
        boxes (_TrackedBoxes, optional): None where a key is missing.
    """

    token: str
    ego2global: np.ndarray | None
    lidar2ego: np.ndarray | None
    fut_poses: np.ndarray | None
    fut_mask: np.ndarray | None
    boxes: _TrackedBoxes | None

    @classmethod
    def read(cls, frame: InfoFrame) -> '_TruthFrame':
        """Read a frame, with None for what the file lacks."""
        has_lidar = 'lidar_points.lidar2ego' in frame
        boxes = None
        if has_lidar and 'instances' in frame:
            with suppress(InfoFileError):
                boxes = _TrackedBoxes.read(frame)
        return cls(
            frame.token,
            frame.ego2global if 'ego2global' in frame else None,
            frame.lidar2ego if has_lidar else None,
            frame.fut_poses if 'ego.fut_poses' in frame else None,
            frame.fut_mask if 'ego.fut_mask' in frame else None,
            boxes,
        )


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
        data_list = load_info_file(ann_file)['data_list']
        self._place: dict[str, tuple[list[_TruthFrame], int]] = {}
        for scene in group_scenes(data_list, str(ann_file)):
            frames = [_TruthFrame.read(frame) for frame in scene.frames]
            for place, frame in enumerate(frames):
                self._place[frame.token] = frames, place

    @property
    def tokens(self) -> list[str]:
        """Tokens of all frames, scene by scene."""
        return list(self._place)

    def position(self, token: str) -> tuple[int, int]:
        """Return a frame's index in its scene, and the scene's length.

        Raises:
            InfoFileError: No frame has that token.
        """
        frames, place = self._find(token)
        return place, len(frames)

    def ray_origins(self, token: str) -> np.ndarray:
        """Return the origins of RayIoU's rays, (K, 3) metres, ego frame.

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
        """Return the car's true future: (6, 3) x, y, yaw, and (6,) bool.

        Raises:
            InfoFileError: The frame is not known, or has no poses.
        """
        frames, place = self._find(token)
        frame = frames[place]
        return self._of(frame, 'fut_poses'), self._of(frame, 'fut_mask')

    def plan_sample(self, token: str) -> PlanSample:
        """Return the ground truth that a frame's plan is scored against.

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

    def _find(self, token: str) -> tuple[list[_TruthFrame], int]:
        if token not in self._place:
            raise InfoFileError(
                f'{self.ann_file} has no frame {token!r}; evaluate with the '
                'info file of the evaluated split'
            )
        return self._place[token]

    def _of(self, frame: _TruthFrame, name: str) -> Any:
        """Return an attribute that must be known."""
        value = getattr(frame, name)
        if value is None:
            raise InfoFileError(
                f'{self.ann_file}: sample {frame.token} lacks {name}, or a '
                f'key of it; {_WAY_OUT}'
            )
        return value

    def _agents(self, frames: Sequence[_TruthFrame], place: int) -> Agents:
        """Collect the agents of the frame and of the six frames after it."""
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
            size[rows] = boxes.boxes.size[:, :2]
            poses[rows, step] = boxes.boxes.transformed(global2ego).poses
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
