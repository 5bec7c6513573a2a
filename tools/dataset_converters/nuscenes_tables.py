"""Read the tables of a nuScenes version once and cut them into scenes.

A ``NuScenesScene`` holds all rows of one scene, joined, so that scenes can be
converted in parallel without the tables.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from dataset_converters.data_parts import DOWNLOADS
from mmocc.infos.rigid import rigid_transform
from mmocc.infos.scenes import time_unit
from mmocc.infos.schema import MICROSECONDS
from mmocc.structures import CAMERAS
from mmocc.utils.json_files import JsonFileError, read_json

LIDAR = 'LIDAR_TOP'
# The tables that are read, and the fields that each row must have.
_FIELDS = {
    'attribute': ('token', 'name'),
    'calibrated_sensor': (
        *('token', 'sensor_token', 'translation', 'rotation'),
        'camera_intrinsic',
    ),
    'category': ('token', 'name'),
    'ego_pose': ('token', 'translation', 'rotation', 'timestamp'),
    'instance': ('token', 'category_token'),
    'log': ('token', 'location'),
    'sample': ('token', 'timestamp', 'scene_token', 'prev', 'next'),
    'sample_annotation': (
        *('token', 'sample_token', 'instance_token', 'attribute_tokens'),
        *('visibility_token', 'translation', 'size', 'rotation'),
        *('num_lidar_pts', 'num_radar_pts', 'prev', 'next'),
    ),
    'sample_data': (
        *('token', 'sample_token', 'ego_pose_token', 'filename', 'timestamp'),
        *('calibrated_sensor_token', 'is_key_frame', 'width', 'height'),
        *('prev', 'next'),
    ),
    'scene': ('token', 'name', 'log_token', 'first_sample_token'),
    'sensor': ('token', 'channel'),
    'lidarseg': ('sample_data_token', 'filename'),
}
_OPTIONAL = ('lidarseg',)


class TableError(ValueError):
    """The tables on disk are missing, broken or do not fit together."""


@dataclass(frozen=True)
class SensorReading:
    """One row of ``sample_data`` with its calibration and pose.

    Attributes:
        token (str): Token of the row.
        filename (str): Relative to the data root.
        timestamp (int): Microseconds.
        width, height (int): Size of an image in pixels; 0 for LiDAR.
        sensor2ego (np.ndarray): (4, 4) float64.
        ego2global (np.ndarray): (4, 4) float64, at ``timestamp``.
        intrinsic (np.ndarray): (3, 3) of a camera; (0,) for LiDAR.
    """

    token: str
    filename: str
    timestamp: int
    width: int
    height: int
    sensor2ego: np.ndarray
    ego2global: np.ndarray
    intrinsic: np.ndarray


@dataclass(frozen=True)
class BoxAnnotation:
    """One row of ``sample_annotation``, joined.

    Attributes:
        token, instance_token, sample_token, prev, next (str): Tokens.
        category (str): nuScenes' name, such as ``vehicle.car``.
        attribute (str): nuScenes' name of the first attribute, or ``''``.
        visibility (str): nuScenes' token, ``'1'`` (0-40 %) to ``'4'``.
        translation (np.ndarray): (3,) centre, global, metres.
        size (np.ndarray): (3,) width, length, height, metres.
        rotation (np.ndarray): (4,) quaternion, global.
        num_lidar_pts, num_radar_pts (int): Points inside the box.
    """

    token: str
    instance_token: str
    sample_token: str
    prev: str
    next: str
    category: str
    attribute: str
    visibility: str
    translation: np.ndarray
    size: np.ndarray
    rotation: np.ndarray
    num_lidar_pts: int
    num_radar_pts: int


@dataclass(frozen=True)
class NuScenesFrame:
    """One key frame.

    Attributes:
        token, prev, next (str): Tokens of the sample; ``''`` at the ends.
        timestamp (int): Microseconds.
        lidar (SensorReading): Reading of ``LIDAR_TOP``.
        cameras (dict): Readings by channel, in the order of ``CAMERAS``.
        sweeps (tuple[SensorReading]): LiDAR readings before, latest first.
        annotations (tuple[BoxAnnotation]): In the order of the table.
        lidarseg (str): Relative path of the point labels, or ``''``.
    """

    token: str
    prev: str
    next: str
    timestamp: int
    lidar: SensorReading
    cameras: dict[str, SensorReading]
    sweeps: tuple[SensorReading, ...]
    annotations: tuple[BoxAnnotation, ...]
    lidarseg: str


@dataclass(frozen=True)
class NuScenesScene:
    """All that the tables hold about one scene, frames in time order."""

    token: str
    name: str
    location: str
    frames: tuple[NuScenesFrame, ...]


def read_download(path: Path, name: str, kind: type, way_out: str) -> Any:
    """Read a JSON file that was downloaded.

    Args:
        path (Path): The file.
        name (str): What the file is, for messages.
        kind (type): ``list`` or ``dict``, whichever it must hold.
        way_out (str): How to get the file, for messages.

    Raises:
        TableError: The file is missing, damaged, or holds something else.
    """
    try:
        return read_json(path, kind=kind, allow_nan=True)
    except JsonFileError as error:
        raise TableError(f'{name} {error}: {way_out}') from error


def _read_table(folder: Path, name: str) -> list[dict]:
    path = folder / f'{name}.json'
    if not path.is_file():
        raise TableError(
            f'the table {path} does not exist; {DOWNLOADS["tables"]}'
        )
    rows = read_download(path, 'the table', list, 'unpack it again')
    fields = set(_FIELDS[name])
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not fields <= row.keys():
            lacks = sorted(fields - set(row)) if isinstance(row, dict) else row
            raise TableError(
                f'row {number} of the table {path} lacks {lacks}, which every '
                'row of that table has; unpack it again'
            )
    return rows


def check_times(scene: NuScenesScene) -> None:
    """Refuse a scene whose time stamps are no rising microseconds.

    Raises:
        TableError: Time stands still or goes backwards, or is in another
            unit.
    """
    times = [frame.timestamp for frame in scene.frames]
    unit = time_unit(times, 'microseconds')
    if unit != 'microseconds':
        raise TableError(
            f'{scene.name}: the time stamp of sample {scene.frames[0].token} '
            f'is {times[0]}, in {unit} as it seems, expected microseconds; '
            'unpack the tables again'
        )
    for before, after in pairwise(scene.frames):
        if after.timestamp <= before.timestamp:
            step = (after.timestamp - before.timestamp) / MICROSECONDS
            raise TableError(
                f'{scene.name}: from sample {before.token} to {after.token}, '
                f'its next, time goes on by {step:.3f} s, expected about '
                '0.5 s; unpack the tables again'
            )


class NuScenesTables:
    """The rows of one version, indexed by token.

    Args:
        root (Path): The data root.
        version (str): Name of the folder of tables, such as ``v1.0-mini``.
        max_sweeps (int): LiDAR readings to list before each key frame.

    Raises:
        TableError: A table is missing or cannot be read.
    """

    def __init__(self, root: Path, version: str, max_sweeps: int) -> None:
        folder = Path(root) / version
        if not folder.is_dir():
            raise TableError(
                f'the folder {folder} does not exist; {DOWNLOADS["tables"]}'
            )
        self.folder = folder
        self.max_sweeps = max_sweeps
        tables = {
            name: _read_table(folder, name)
            for name in _FIELDS
            if name not in _OPTIONAL
        }
        self.scenes = tables['scene']
        self._index = {
            name: {row['token']: row for row in rows}
            for name, rows in tables.items()
        }
        self._key_frames: dict[str, dict[str, dict]] = defaultdict(dict)
        for row in tables['sample_data']:
            if row['is_key_frame']:
                channel = self._channel(row)
                if channel == LIDAR or channel in CAMERAS:
                    self._key_frames[row['sample_token']][channel] = row
        self._annotations: dict[str, list[dict]] = defaultdict(list)
        for row in tables['sample_annotation']:
            self._annotations[row['sample_token']].append(row)
        self._lidarseg = {}
        if (folder / 'lidarseg.json').is_file():
            self._lidarseg = {
                row['sample_data_token']: row['filename']
                for row in _read_table(folder, 'lidarseg')
            }

    def _row(self, table: str, token: str) -> dict:
        try:
            return self._index[table][token]
        except KeyError:
            raise TableError(
                f'{self.folder / table}.json has no row {token!r}, which '
                'another table points to; unpack the tables again'
            ) from None

    def _channel(self, row: dict) -> str:
        calibration = self._row(
            'calibrated_sensor', row['calibrated_sensor_token']
        )
        return self._row('sensor', calibration['sensor_token'])['channel']

    @property
    def files(self) -> list[Path]:
        """The files of the tables, whether read or not."""
        return sorted(self.folder.glob('*.json'))

    def first_images(self, scene: dict) -> list[str]:
        """Paths of the images of a scene's first frame, to the data root."""
        rows = self._key_frames[scene['first_sample_token']]
        return [
            rows[camera]['filename'] for camera in CAMERAS if camera in rows
        ]

    def location(self, scene: dict) -> str:
        """The map that a scene drives on."""
        return self._row('log', scene['log_token'])['location']

    def read_scene(self, scene: dict) -> NuScenesScene:
        """Join all rows of a scene."""
        frames, seen = [], set()
        token = scene['first_sample_token']
        while token:
            if token in seen:
                raise TableError(
                    f'the samples of {scene["name"]} go round in a circle at '
                    f'{token} in {self.folder / "sample.json"}; unpack the '
                    'tables again'
                )
            seen.add(token)
            sample = self._row('sample', token)
            frames.append(self._frame(sample))
            token = sample['next']
        return NuScenesScene(
            token=scene['token'],
            name=scene['name'],
            location=self.location(scene),
            frames=tuple(frames),
        )

    def _frame(self, sample: dict) -> NuScenesFrame:
        token = sample['token']
        rows = self._key_frames[token]
        missing = [c for c in (LIDAR, *CAMERAS) if c not in rows]
        if missing:
            raise TableError(
                f'sample {token} has no key frame of {", ".join(missing)} in '
                f'{self.folder / "sample_data.json"}; this converter needs '
                'LIDAR_TOP and all six cameras'
            )
        sweeps, row = [], rows[LIDAR]
        while len(sweeps) < self.max_sweeps and row['prev']:
            row = self._row('sample_data', row['prev'])
            sweeps.append(self._reading(row))
        return NuScenesFrame(
            token=token,
            prev=sample['prev'],
            next=sample['next'],
            timestamp=sample['timestamp'],
            lidar=self._reading(rows[LIDAR]),
            cameras={c: self._reading(rows[c]) for c in CAMERAS},
            sweeps=tuple(sweeps),
            annotations=tuple(
                self._annotation(row) for row in self._annotations[token]
            ),
            lidarseg=self._lidarseg.get(rows[LIDAR]['token'], ''),
        )

    def _reading(self, row: dict) -> SensorReading:
        calibration = self._row(
            'calibrated_sensor', row['calibrated_sensor_token']
        )
        pose = self._row('ego_pose', row['ego_pose_token'])
        return SensorReading(
            token=row['token'],
            filename=row['filename'],
            timestamp=row['timestamp'],
            width=row['width'],
            height=row['height'],
            sensor2ego=rigid_transform(
                calibration['rotation'], calibration['translation']
            ),
            ego2global=rigid_transform(pose['rotation'], pose['translation']),
            intrinsic=np.array(calibration['camera_intrinsic'], dtype=float),
        )

    def _annotation(self, row: dict) -> BoxAnnotation:
        instance = self._row('instance', row['instance_token'])
        category = self._row('category', instance['category_token'])
        attributes = row['attribute_tokens']
        return BoxAnnotation(
            token=row['token'],
            instance_token=row['instance_token'],
            sample_token=row['sample_token'],
            prev=row['prev'],
            next=row['next'],
            category=category['name'],
            attribute=(
                self._row('attribute', attributes[0])['name']
                if attributes
                else ''
            ),
            visibility=str(row['visibility_token']),
            translation=np.array(row['translation'], dtype=float),
            size=np.array(row['size'], dtype=float),
            rotation=np.array(row['rotation'], dtype=float),
            num_lidar_pts=row['num_lidar_pts'],
            num_radar_pts=row['num_radar_pts'],
        )
