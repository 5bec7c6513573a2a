"""Turn the entries of an info file into scenes that a reviewer sees."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mmocc.infos import InfoFrame, group_scenes
from mmocc.infos.planar import to_global
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
        queue (QueueEntry or None): Why a person should look at it.
    """

    token: str
    frame_idx: int
    label: Mapping | None
    path: np.ndarray
    queue: QueueEntry | None = None

    @property
    def speeds(self) -> np.ndarray:
        """Mean speeds of the steps, (K - 1,) in m/s."""
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
        location (str): Name of its map.
        frames (tuple[ReviewFrame]): In time order, one or more.
    """

    name: str
    location: str
    frames: tuple[ReviewFrame, ...]

    @property
    def queued(self) -> int:
        """Number of frames in the review queue."""
        return sum(frame.queue is not None for frame in self.frames)


def review_scenes(
    infos: Iterable[Mapping], queue: Mapping[str, QueueEntry]
) -> list[ReviewScene]:
    """Group the entries of an info file into scenes.

    Args:
        infos (Iterable[Mapping]): ``data_list`` of an info file.
        queue (Mapping[str, QueueEntry]): By sample token; entries of other
            files are passed over.

    Returns:
        list[ReviewScene]: In the order of the file.

    Raises:
        InfoFileError: An entry lacks a key.
    """
    return [
        ReviewScene(
            name=scene.name,
            location=scene.location,
            frames=tuple(
                _review_frame(frame, queue.get(frame.token))
                for frame in scene.frames
            ),
        )
        for scene in group_scenes(infos)
    ]


def _review_frame(frame: InfoFrame, entry: QueueEntry | None) -> ReviewFrame:
    future = frame.fut_poses[frame.fut_mask]
    return ReviewFrame(
        token=frame.token,
        frame_idx=frame.frame_idx,
        label=frame.meta_label,
        path=to_global(
            np.concatenate((np.zeros((1, 3)), future)), frame.ego2global
        ),
        queue=entry,
    )
