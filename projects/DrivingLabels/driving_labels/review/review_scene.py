"""A scene as a reviewer sees it, out of the entries of an info file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mmocc.projects.DrivingLabels.driving_labels.review.review_lines import (
    ReviewError,
)
from mmocc.projects.DrivingLabels.driving_labels.review.review_queue import (
    QueueEntry,
)
from mmocc.structures.occ3d import STEP_SECONDS

# A slope needs two speeds.
_MIN_SPEEDS = 2


@dataclass(frozen=True)
class ReviewFrame:
    """One key frame.

    Attributes:
        token (str): Sample token.
        frame_idx (int): Its place in the scene.
        label (Mapping): ``speed``, ``direction``, ``source`` and
            ``confidence``; None where the recording ends too early.
        path (np.ndarray): (K, 3) x, y, yaw in the map frame, metres and
            radians: now, and every 0.5 s for up to 3 s.
        queue (QueueEntry): Why it is to be looked at, or None.
    """

    token: str
    frame_idx: int
    label: Mapping | None
    path: np.ndarray
    queue: QueueEntry | None = None

    @property
    def speeds(self) -> np.ndarray:
        """(K - 1,) mean speeds of the steps, m/s."""
        return np.hypot(*np.diff(self.path[:, :2], axis=0).T) / STEP_SECONDS

    @property
    def acceleration(self) -> float | None:
        """Least-squares slope of the speeds, m/s^2; None below two speeds."""
        speeds = self.speeds
        if len(speeds) < _MIN_SPEEDS:
            return None
        seconds = STEP_SECONDS * np.arange(len(speeds))
        return float(np.polyfit(seconds, speeds, 1)[0])


@dataclass(frozen=True)
class ReviewScene:
    """The key frames of a scene.

    Attributes:
        name (str): Such as ``scene-0061``.
        location (str): Of its map.
        frames (tuple[ReviewFrame]): In time order, one or more.
    """

    name: str
    location: str
    frames: tuple[ReviewFrame, ...]

    @property
    def queued(self) -> int:
        """How many frames are in the review queue."""
        return sum(frame.queue is not None for frame in self.frames)


def review_scenes(
    infos: Iterable[Mapping], queue: Mapping[str, QueueEntry]
) -> list[ReviewScene]:
    """Group the entries of an info file by scene.

    Args:
        infos (Iterable[Mapping]): ``data_list`` of an info file.
        queue (Mapping[str, QueueEntry]): By sample token; entries of other
            files are passed over.

    Returns:
        list[ReviewScene]: In the order of the file.

    Raises:
        ReviewError: An entry lacks a key.
    """
    frames: dict[str, list[ReviewFrame]] = {}
    locations: dict[str, str] = {}
    for info in infos:
        try:
            frame = _review_frame(info, queue.get(info['token']))
            frames.setdefault(info['scene_name'], []).append(frame)
            locations[info['scene_name']] = info['location']
        except KeyError as error:
            raise ReviewError(
                f'sample {info.get("token")!r} lacks the key {error} in the '
                'info file; make the file with tools/create_data.py'
            ) from error
    return [
        ReviewScene(
            name=name,
            location=locations[name],
            frames=tuple(sorted(of_scene, key=lambda f: f.frame_idx)),
        )
        for name, of_scene in frames.items()
    ]


def _review_frame(info: Mapping, entry: QueueEntry | None) -> ReviewFrame:
    ego = info['ego']
    future = np.asarray(ego['fut_poses'], dtype=float)[
        np.asarray(ego['fut_mask'], dtype=bool)
    ]
    return ReviewFrame(
        token=info['token'],
        frame_idx=int(info['frame_idx']),
        label=info['meta_action'],
        path=_to_map(
            np.concatenate((np.zeros((1, 3)), future)),
            np.asarray(info['ego2global'], dtype=float),
        ),
        queue=entry,
    )


def _to_map(poses: np.ndarray, ego2global: np.ndarray) -> np.ndarray:
    """Poses (K, 3) of the ego frame in the map frame."""
    yaw = np.arctan2(ego2global[1, 0], ego2global[0, 0])
    places = poses[:, :2] @ ego2global[:2, :2].T + ego2global[:2, 3]
    return np.column_stack((places, poses[:, 2] + yaw))
