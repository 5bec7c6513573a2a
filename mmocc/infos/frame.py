"""A typed, read-only view of one frame of an info file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmocc.infos.boxes import Boxes
from mmocc.infos.errors import InfoFileError
from mmocc.infos.planar import planar_pose
from mmocc.infos.schema import info_keys
from mmocc.structures import EGO_STATUS, DrivingQA, MetaAction
from mmocc.structures.driving_qa import answer_text, is_answer


class InfoFrame:
    """Read the keys of an entry of ``data_list`` by name.

    The entry is neither copied nor changed, so a view costs next to nothing:
    make one where it is needed. A key that is missing raises an error that
    names frame, key, what is expected and the way out; ``'ego' in frame``
    tells beforehand. Units and coordinate frames are those of
    ``mmocc.infos.schema``; arrays are float64 unless stated otherwise.

    Args:
        info (Mapping): The entry, or an item of ``NuScenesOccDataset``.
    """

    __slots__ = ('info',)

    def __init__(self, info: Mapping[str, Any]) -> None:
        self.info = info

    def __contains__(self, path: str) -> bool:
        """Whether the frame has a key, such as ``ego.his_poses``."""
        value: Any = self.info
        for part in path.split('.'):
            if not isinstance(value, Mapping) or part not in value:
                return False
            value = value[part]
        return True

    def read(self, path: str) -> Any:
        """Return the value of a key as the file has it.

        Args:
            path (str): Dotted, such as ``ego.his_poses``.

        Raises:
            InfoFileError: The frame has no such key.
        """
        value: Any = self.info
        for part in path.split('.'):
            try:
                value = value[part]
            except (KeyError, TypeError, IndexError):
                raise self._missing(path) from None
        return value

    @property
    def token(self) -> str:
        """nuScenes' sample token, unique in the file."""
        return self.read('token')

    @property
    def timestamp(self) -> float:
        """Time of the LiDAR key frame in seconds."""
        return self.read('timestamp')

    @property
    def scene_token(self) -> str:
        """Token of the scene."""
        return self.read('scene_token')

    @property
    def scene_name(self) -> str:
        """Name of the scene; its token where the file has no name."""
        return self.info.get('scene_name') or self.scene_token

    @property
    def frame_idx(self) -> int:
        """Place in the scene, from 0."""
        return int(self.read('frame_idx'))

    @property
    def prev(self) -> str:
        """Token of the key frame before; '' at the start of a scene."""
        return self.read('prev')

    @property
    def next(self) -> str:
        """Token of the key frame after; '' at the end of a scene."""
        return self.read('next')

    @property
    def location(self) -> str:
        """Name of the map; '' where the file does not say."""
        return self.info.get('location', '')

    @property
    def occ_path(self) -> str:
        """Path of the occupancy label below the root; '' without one."""
        return self.info.get('occ_path') or ''

    @property
    def ego2global(self) -> np.ndarray:
        """(4, 4) pose of the car at the key frame, metres."""
        return self._array('ego2global')

    @property
    def lidar2ego(self) -> np.ndarray:
        """(4, 4) mounting pose of the LiDAR; the identity without one."""
        if 'lidar_points.lidar2ego' not in self:
            return np.eye(4)
        return self._array('lidar_points.lidar2ego')

    @property
    def lidar2global(self) -> np.ndarray:
        """(4, 4) pose of the LiDAR at the key frame, metres."""
        return self.ego2global @ self.lidar2ego

    @property
    def pose(self) -> np.ndarray:
        """(3,) x, y, yaw of the car in the map frame."""
        return planar_pose(self.ego2global)

    @property
    def cameras(self) -> Mapping[str, Mapping[str, Any]]:
        """The entry of each camera by its name."""
        return self.read('images')

    def image_name(self, camera: str) -> str:
        """Return the image path of a camera as the file has it.

        Args:
            camera (str): Such as ``CAM_FRONT``.
        """
        try:
            return self.cameras[camera]['img_path']
        except KeyError:
            raise self._missing(f'images.{camera}.img_path') from None

    def image_path(self, camera: str, root: str | Path = '') -> Path:
        """Return the path of a camera's image.

        Args:
            camera (str): Such as ``CAM_FRONT``.
            root (str | Path): Data root: nuScenes keeps key images in
                ``samples/CAMERA``, own cameras keep them anywhere below it.
        """
        name = self.image_name(camera)
        nuscenes = Path(root) / 'samples' / camera / name
        return nuscenes if nuscenes.is_file() else Path(root) / name

    @property
    def his_poses(self) -> np.ndarray:
        """(4, 3) x, y, yaw at -2.0 to -0.5 s in the ego frame."""
        return self._array('ego.his_poses')

    @property
    def his_mask(self) -> np.ndarray:
        """(4,) bool, True where ``his_poses`` is known."""
        return self._array('ego.his_mask', bool)

    @property
    def fut_poses(self) -> np.ndarray:
        """(6, 3) x, y, yaw at 0.5 to 3.0 s in the ego frame; ground truth."""
        return self._array('ego.fut_poses')

    @property
    def fut_mask(self) -> np.ndarray:
        """(6,) bool, True where ``fut_poses`` is known."""
        return self._array('ego.fut_mask', bool)

    @property
    def status(self) -> Mapping[str, float]:
        """Ego status by the names of ``EGO_STATUS``; NaN where unknown."""
        return self.read('ego.status')

    @property
    def status_vector(self) -> np.ndarray:
        """(7,) in the order of ``EGO_STATUS``; NaN where unknown."""
        values = [self.status.get(name, np.nan) for name in EGO_STATUS]
        try:
            return np.array(values, float)
        except (TypeError, ValueError) as error:
            raise InfoFileError(
                f'sample {self.token}: ego.status is {self.status}, expected '
                'a number, or NaN, for each name; make the info file with '
                'tools/create_data.py'
            ) from error

    @property
    def speed(self) -> float:
        """Speed of the car in m/s, 0 where unknown."""
        speed = self.read('ego.status.speed')
        return 0.0 if np.isnan(speed) else speed

    @property
    def meta_label(self) -> Mapping[str, Any] | None:
        """The meta-action with ``source`` and ``confidence``, or None."""
        return self.read('meta_action')

    @property
    def meta_action(self) -> MetaAction | None:
        """The meta-action of the next 3 s, None without a label."""
        label = self.meta_label
        return label and MetaAction(label['speed'], label['direction'])

    @property
    def his_meta_actions(self) -> tuple[MetaAction, ...]:
        """Past meta-actions, oldest first."""
        return tuple(
            MetaAction(action['speed'], action['direction'])
            for action in self.read('his_meta_actions')
        )

    @property
    def cot(self) -> str:
        """Chain of thought that ends in the meta-action; '' without one."""
        return answer_text(self.read('cot'))

    @property
    def questions(self) -> tuple[DrivingQA, ...]:
        """NuScenes-QA's questions with their answers."""
        return as_questions(self.read('qa'), 'qa')

    @property
    def captions(self) -> tuple[DrivingQA, ...]:
        """OmniDrive's questions with their answers."""
        return as_questions(self.read('captions'), 'caption')

    def has_answer(self, path: str) -> bool:
        """Whether any question of ``qa`` or ``captions`` has an answer."""
        return any(is_answer(q.get('answer')) for q in self.read(path))

    @property
    def has_text(self) -> bool:
        """Whether there is a chain of thought, or an answered question."""
        if is_answer(self.info.get('cot')):
            return True
        if 'captions' in self and self.has_answer('captions'):
            return True
        return self.has_answer('qa')

    @property
    def instances(self) -> Sequence[Mapping[str, Any]]:
        """The boxes as the file has them; none where it has no such key."""
        return self.info.get('instances', ())

    @property
    def boxes(self) -> Boxes:
        """The boxes in the ego frame of this key frame.

        Raises:
            InfoFileError: A box or the LiDAR's pose is not finite.
        """
        lidar2ego = self.lidar2ego
        if not np.isfinite(lidar2ego).all():
            raise InfoFileError(
                f'frame {self.token}: lidar2ego holds values that are not '
                'finite; make the info file again with tools/create_data.py, '
                'or leave the frame out'
            )
        return self.lidar_boxes.transformed(lidar2ego)

    @property
    def lidar_boxes(self) -> Boxes:
        """The boxes in the LiDAR frame.

        Raises:
            InfoFileError: A box is missing, misshapen or not finite.
        """
        return Boxes.from_instances(self.instances, self.info.get('token', ''))

    def _array(self, path: str, dtype: type = float) -> np.ndarray:
        return np.asarray(self.read(path), dtype=dtype)

    def _missing(self, path: str) -> InfoFileError:
        key = info_keys().get(path)
        expected = f' ({key.expected})' if key else ''
        return InfoFileError(
            f'sample {self.info.get("token", "(unknown)")}: the info file has '
            f'no key {path!r}{expected} for it; make the file with '
            'tools/create_data.py'
        )


def as_questions(
    entries: Sequence[Mapping[str, Any]], task: str
) -> tuple[DrivingQA, ...]:
    """Convert entries of ``qa`` or ``captions`` into ``DrivingQA``.

    Args:
        entries (Sequence[Mapping]): Entries of the info file.
        task (str): ``qa`` or ``caption``.
    """
    return tuple(
        DrivingQA(
            entry['question'],
            answer_text(entry.get('answer')),
            task,
            entry.get('template_type', ''),
            int(entry.get('num_hop', -1)),
        )
        for entry in entries
    )
