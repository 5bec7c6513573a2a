"""Build the 13 nuScenes tables from the records of all scenes."""

import hashlib
from collections.abc import Callable, Sequence

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    lidar2ego,
    pose_matrix,
    quaternion,
)
from mmocc.projects.SyntheticNuScenes.synthetic.presets import Preset
from mmocc.projects.SyntheticNuScenes.synthetic.scene import (
    SceneRows,
    stamp_of,
)
from mmocc.projects.SyntheticNuScenes.synthetic.sensors import LIDAR_CHANNEL
from mmocc.structures.occ3d import CAMERAS

LOCATION = 'boston-seaport'
VEHICLE = 'synthetic'
# Rows of category.json in the order of nuScenes-lidarseg; some readers use
# the place in this list as a class id.
CATEGORIES = (
    'noise',
    'animal',
    'human.pedestrian.adult',
    'human.pedestrian.child',
    'human.pedestrian.construction_worker',
    'human.pedestrian.personal_mobility',
    'human.pedestrian.police_officer',
    'human.pedestrian.stroller',
    'human.pedestrian.wheelchair',
    'movable_object.barrier',
    'movable_object.debris',
    'movable_object.pushable_pullable',
    'movable_object.trafficcone',
    'static_object.bicycle_rack',
    'vehicle.bicycle',
    'vehicle.bus.bendy',
    'vehicle.bus.rigid',
    'vehicle.car',
    'vehicle.construction',
    'vehicle.emergency.ambulance',
    'vehicle.emergency.police',
    'vehicle.motorcycle',
    'vehicle.trailer',
    'vehicle.truck',
    'flat.driveable_surface',
    'flat.other',
    'flat.sidewalk',
    'flat.terrain',
    'static.manmade',
    'static.other',
    'static.vegetation',
    'vehicle.ego',
)
ATTRIBUTES = (
    'vehicle.moving',
    'vehicle.stopped',
    'vehicle.parked',
    'cycle.with_rider',
    'cycle.without_rider',
    'pedestrian.sitting_lying_down',
    'pedestrian.standing',
    'pedestrian.moving',
)
_VISIBILITY = {
    '1': ('v0-40', 'visibility between 0 and 40 percent'),
    '2': ('v40-60', 'visibility between 40 and 60 percent'),
    '3': ('v60-80', 'visibility between 60 and 80 percent'),
    '4': ('v80-100', 'visibility between 80 and 100 percent'),
}
_DIGITS = 9  # of the quaternions of boxes
MAP_FILE = 'maps/synthetic_drivable_area.png'


def make_token(seed: int, preset: str) -> Callable[..., str]:
    """A function from any words to a token of 32 hex digits."""

    def token(*words: object) -> str:
        text = '/'.join(map(str, ('mmocc-synthetic', seed, preset, *words)))
        return hashlib.md5(text.encode()).hexdigest()

    return token


def link(rows: Sequence[dict]) -> None:
    """Fill ``prev`` and ``next`` of rows that follow each other."""
    for i, row in enumerate(rows):
        row['prev'] = rows[i - 1]['token'] if i else ''
        row['next'] = rows[i + 1]['token'] if i + 1 < len(rows) else ''


class Tables:
    """Build the tables scene by scene.

    Args:
        preset (Preset): Sizes.
        token (Callable): Maps scene, kind and index to a token.
    """

    def __init__(self, preset: Preset, token: Callable[..., str]) -> None:
        self.preset, self.token = preset, token
        self.rows: dict[str, list[dict]] = {
            'category': [
                {
                    'token': token('category', name),
                    'name': name,
                    'description': '',
                    'index': index,
                }
                for index, name in enumerate(CATEGORIES)
            ],
            'attribute': [
                {
                    'token': token('attribute', name),
                    'name': name,
                    'description': '',
                }
                for name in ATTRIBUTES
            ],
            'visibility': [
                {'token': key, 'level': level, 'description': text}
                for key, (level, text) in _VISIBILITY.items()
            ],
            'sensor': [
                {
                    'token': token('sensor', channel),
                    'channel': channel,
                    'modality': 'lidar'
                    if channel == LIDAR_CHANNEL
                    else 'camera',
                }
                for channel in (*CAMERAS, LIDAR_CHANNEL)
            ],
        }
        for name in (
            'instance',
            'calibrated_sensor',
            'ego_pose',
            'log',
            'scene',
            'sample',
            'sample_data',
            'sample_annotation',
            'map',
        ):
            self.rows[name] = []

    def add(self, record: SceneRows) -> None:
        """Add one scene."""
        token, rows, name = self.token, self.rows, record.name
        rows['log'].append(
            {
                'token': token(name, 'log', 0),
                'logfile': f'synthetic-{name}',
                'vehicle': VEHICLE,
                'date_captured': '2000-01-01',
                'location': LOCATION,
            }
        )
        count = len(record.frames)
        rows['scene'].append(
            {
                'token': token(name, 'scene', 0),
                'name': name,
                'description': (
                    f'SYNTHETIC, {record.weather}, '
                    f'{record.scenario.replace("_", " ")}'
                ),
                'log_token': token(name, 'log', 0),
                'nbr_samples': count,
                'first_sample_token': token(name, 'sample', 0),
                'last_sample_token': token(name, 'sample', count - 1),
            }
        )
        self._calibrate(name)
        self._samples(record)
        self._annotations(record)

    def _calibrate(self, name: str) -> None:
        size = self.preset.image_size
        sensors = [
            (camera.name, camera.cam2ego(), camera.intrinsic(size).tolist())
            for camera in CAMERA_RIG
        ]
        sensors.append((LIDAR_CHANNEL, lidar2ego(), []))
        for channel, pose, intrinsic in sensors:
            self.rows['calibrated_sensor'].append(
                {
                    'token': self.token(name, 'calibration', channel),
                    'sensor_token': self.token('sensor', channel),
                    'translation': pose[:3, 3].tolist(),
                    'rotation': quaternion(pose[:3, :3]),
                    'camera_intrinsic': intrinsic,
                }
            )

    def _samples(self, record: SceneRows) -> None:
        name, rows = record.name, self.rows
        samples = []
        data: dict[str, list[dict]] = {}
        for index, frame in enumerate(record.frames):
            sample = self.token(name, 'sample', index)
            samples.append(
                {
                    'token': sample,
                    'timestamp': stamp_of(record.stamp, index),
                    'scene_token': self.token(name, 'scene', 0),
                }
            )
            for reading in frame.readings:
                place = index if reading['key'] else reading['stamp']
                key = self.token(name, reading['channel'], place)
                rows['ego_pose'].append(_ego_pose(key, reading))
                data.setdefault(reading['channel'], []).append(
                    self._reading(name, sample, key, reading)
                )
        link(samples)
        rows['sample'] += samples
        for channel_rows in data.values():
            channel_rows.sort(key=lambda row: row['timestamp'])
            link(channel_rows)
            rows['sample_data'] += channel_rows

    def _reading(
        self, scene: str, sample: str, key: str, reading: dict
    ) -> dict:
        channel = reading['channel']
        lidar = channel == LIDAR_CHANNEL
        width, height = self.preset.image_size
        return {
            'token': key,
            'sample_token': sample,
            'ego_pose_token': key,
            'calibrated_sensor_token': self.token(
                scene, 'calibration', channel
            ),
            'timestamp': reading['stamp'],
            'fileformat': 'pcd' if lidar else 'jpg',
            'is_key_frame': reading['key'],
            'height': 0 if lidar else height,
            'width': 0 if lidar else width,
            'filename': reading['filename'],
        }

    def _annotations(self, record: SceneRows) -> None:
        name = record.name
        for instance, first, last in annotated_spans(record):
            key = self.token(name, 'instance', instance)
            rows = []
            for index in range(first, last + 1):
                box = next(
                    b
                    for b in record.frames[index].boxes
                    if b['instance'] == instance
                )
                rows.append(self._annotation(name, key, index, box))
            link(rows)
            self.rows['sample_annotation'] += rows
            self.rows['instance'].append(
                {
                    'token': key,
                    'category_token': self.token('category', box['category']),
                    'nbr_annotations': len(rows),
                    'first_annotation_token': rows[0]['token'],
                    'last_annotation_token': rows[-1]['token'],
                }
            )

    def _annotation(
        self, scene: str, instance: str, index: int, box: dict
    ) -> dict:
        length, width, height = box['size']
        word = box['attribute']
        return {
            'token': self.token(
                scene, 'annotation', f'{box["instance"]}-{index}'
            ),
            'sample_token': self.token(scene, 'sample', index),
            'instance_token': instance,
            'visibility_token': str(box['visibility']),
            'attribute_tokens': [self.token('attribute', word)]
            if word
            else [],
            'translation': box['centre'],
            'size': [width, length, height],
            'rotation': [
                round(v, _DIGITS)
                for v in quaternion(pose_matrix(0, 0, box['yaw'])[:3, :3])
            ],
            'num_lidar_pts': box['points'],
            'num_radar_pts': 0,
        }

    def finish(self) -> dict[str, list[dict]]:
        """All rows, with the map row that every log belongs to."""
        self.rows['map'] = [
            {
                'token': self.token('map'),
                'log_tokens': [row['token'] for row in self.rows['log']],
                'category': 'semantic_prior',
                'filename': MAP_FILE,
            }
        ]
        return self.rows


def _ego_pose(token: str, reading: dict) -> dict:
    x, y, yaw = reading['pose']
    return {
        'token': token,
        'timestamp': reading['stamp'],
        'rotation': quaternion(pose_matrix(x, y, yaw)[:3, :3]),
        'translation': [x, y, 0.0],
    }


def annotated_spans(record: SceneRows) -> list[tuple[int, int, int]]:
    """(instance, first frame, last frame) of every annotated object.

    An object is annotated from the first to the last frame in which a
    sensor meets it, without gaps while it is in range.
    """
    present: dict[int, list[int]] = {}
    sensed: dict[int, list[int]] = {}
    for index, frame in enumerate(record.frames):
        for box in frame.boxes:
            present.setdefault(box['instance'], []).append(index)
            if box['points'] or box['pixels']:
                sensed.setdefault(box['instance'], []).append(index)
    spans = []
    for instance, frames in sorted(sensed.items()):
        inside = present[instance]
        run = [frames[0]]
        for index in range(frames[0], frames[-1] + 1):
            if index in inside:
                run.append(index)
            else:
                break
        spans.append((instance, run[0], run[-1]))
    return spans
